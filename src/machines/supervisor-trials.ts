/** Repairs on trial: what jobs show of them afterwards becomes a row, and every count reads the revised outcome. */

import type { Fault } from "../core/fault.ts";
import {
  afterFailure,
  afterSuccess,
  afterTime,
  beginTrial,
  isOnTrial,
  type Revision,
  type RungTrial,
  type TrialsAfter,
  trialMs,
} from "../recovery/trials.ts";
import { rungRevisedRow } from "./incident-rows.ts";
import type { RecoveryReport } from "./recovery-types.ts";
import { join, nothing, type Route, tell } from "./supervisor-route.ts";
import type { SupervisorContext } from "./supervisor-types.ts";

const told = (revision: Revision, trials: readonly RungTrial[]): Route => {
  const { incidentId, workerId } = revision.rung;
  return tell({ type: "rung.revised", id: incidentId, workerId, data: rungRevisedRow(revision), trials });
};

/** A row keeps what is still on trial with what it tells; where it tells nothing, that alone is kept. */
function routeOf(context: SupervisorContext, { trials, revisions }: TrialsAfter): Route {
  const isSame = trials.length === context.trials.length && trials.every((trial, at) => trial === context.trials[at]);
  if (isSame && revisions.length === 0) return nothing;
  const facts = revisions.length === 0 ? [tell({ type: "trials.changed", trials })] : [];
  return join({ ...nothing, change: { trials } }, ...facts, ...revisions.map((revision) => told(revision, trials)));
}

/** A rung of a job's failure ended with something that the job itself may still refute or confirm. */
export function tryRung(context: SupervisorContext, ended: Extract<RecoveryReport, { type: "rung.ended" }>): Route {
  const { ailment, result, incidentId, workerId, failureType, climb } = ended;
  const { action, outcome, startedAtMs } = result;
  if (ailment === null || !isOnTrial(action, outcome)) return nothing;
  const rung = { incidentId, workerId, failureType, action, climb, startedAtMs };
  const untilMs = context.clock.nowMs() + trialMs;
  const begun = beginTrial(context.trials, { ...ailment, rung, outcome, untilMs });
  // Its file was complete when the process ended, or it was let through before this was told: no attempt will follow.
  const known = ailment.jobIds.filter((jobId) => context.deliveredJobIds.includes(jobId));
  const after = known.reduce<TrialsAfter>(({ trials, revisions }, jobId) => {
    const next = afterSuccess(trials, jobId);
    return { trials: next.trials, revisions: [...revisions, ...next.revisions] };
  }, begun);
  return routeOf(context, after);
}

/** So many of the newest results are known; a rung ends long before so many others have come. */
const knownResults = 32;

export function jobHasSucceeded(context: SupervisorContext, jobId: string): Route {
  const deliveredJobIds = [...context.deliveredJobIds, jobId].slice(-knownResults);
  return join({ ...nothing, change: { deliveredJobIds } }, routeOf(context, afterSuccess(context.trials, jobId)));
}

export const jobHasFailed = (context: SupervisorContext, jobId: string | null, fault: Fault): Route =>
  jobId === null ? nothing : routeOf(context, afterFailure(context.trials, jobId, fault));

export const endOldTrials = (context: SupervisorContext): Route =>
  routeOf(context, afterTime(context.trials, context.clock.nowMs()));
