/** What the rows of an incident carry of its actor's reports: written by the recorder, and compared with a replay. */
import type { EventMap } from "../core/events.ts";
import type { Revision } from "../recovery/trials.ts";
import type { RecoveryReport } from "./recovery-types.ts";

type Report<Type extends RecoveryReport["type"]> = Extract<RecoveryReport, { readonly type: Type }>;

export const rungStartedRow = ({ action, failureType, climb }: Report<"rung.started">): EventMap["rung.started"] => ({
  action,
  failure_type: failureType,
  climb,
});

type RungEnded = Pick<Report<"rung.ended">, "failureType" | "climb" | "result">;

export function rungEndedRow({ failureType, climb, result }: RungEnded): EventMap["rung.ended"] {
  const { action, outcome, reason, evidence, startedAtMs, endedAtMs } = result;
  return {
    action,
    outcome,
    reason,
    failure_type: failureType,
    climb,
    started_at_ms: startedAtMs,
    ended_at_ms: endedAtMs,
    evidence,
  };
}

export function rungRevisedRow({ rung, from, to, reason }: Revision): EventMap["rung.revised"] {
  const { action, failureType, climb, startedAtMs } = rung;
  return { action, from, to, reason, failure_type: failureType, climb, started_at_ms: startedAtMs };
}

export const blameRow = ({
  blame,
  because,
  jobIds,
  jobCount,
  signature,
}: Report<"blame.settled">): EventMap["blame.settled"] => ({
  blame,
  because,
  job_count: jobCount,
  job_ids: jobIds,
  signature,
});

export const climbEndedRow = ({ climb, outcome }: Report<"climb.ended">): EventMap["climb.ended"] => ({
  climb,
  outcome,
});

export const lookBackRow = ({
  lookBackAtMs,
  climbCount,
  lookBackCount,
}: Report<"incident.stoodIn" | "incident.exhausted">): EventMap["incident.stoodIn"] => ({
  look_back_at_ms: lookBackAtMs,
  climbs: climbCount,
  look_backs: lookBackCount,
});
