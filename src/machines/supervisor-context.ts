/**
 * The beginning of a supervisor, with what the one before it left: budget, cooldowns, breakers, pause and open
 * incidents.
 */
import { type OpenIncident, unknownWorker, unstartableKey } from "./supervisor-facts.ts";
import {
  nothingResumed,
  type ResumedIncident,
  type SupervisedWorker,
  type SupervisorContext,
  type SupervisorInput,
} from "./supervisor-types.ts";

/**
 * An incident that came back is about the worker as it is configured now. One about another model, or about a worker that is
 * gone, is set aside: it keeps nobody from serving, and ends when that model is proven or when nobody has wanted it for long.
 */
function openedOf(
  { resume, ...incident }: ResumedIncident,
  workers: readonly SupervisedWorker[],
  nowMs: number,
): OpenIncident {
  const worker = workers.find(({ id }) => id === incident.workerId);
  const isOfWorker = worker !== undefined && (incident.model === null || incident.model === worker.model);
  const waiting = resume.kind === "atWork" ? "working" : resume.kind;
  const ofWorker = incident.key === unstartableKey(incident.workerId) ? "unstartable" : waiting;
  const stage = isOfWorker ? ofWorker : "setAside";
  return {
    ...incident,
    stage,
    lastFaultAtMs: nowMs,
    climbCount: resume.climbCount,
    lookBackCount: resume.lookBackCount,
    lookBackAtMs: resume.untilMs,
  };
}

/** The context of a service that begins, or goes on with the facts of the one before it. */
export function contextOf(input: SupervisorInput): SupervisorContext {
  const { workers, clock, resumed = nothingResumed } = input;
  return {
    epoch: input.epoch,
    configured: workers,
    lead: input.lead,
    ladders: input.ladders,
    clock,
    catalog: input.catalog,
    gpuExpectation: input.gpuExpectation,
    limits: input.limits ?? {},
    resumed,
    draws: input.draws ?? [],
    workers: Object.fromEntries(workers.map(({ id }) => [id, unknownWorker])),
    incidents: Object.fromEntries(
      resumed.incidents.map((incident) => [incident.id, openedOf(incident, workers, clock.nowMs())]),
    ),
    incidentCount: 0,
    budgetSpentAtMs: resumed.budgetSpentAtMs,
    cooldowns: resumed.cooldowns,
    trials: resumed.trials,
    vainLadders: [],
    breakers: resumed.breakers,
    crashes: {},
    deliveredJobIds: [],
    mode: "loading",
    isProcessorShort: false,
    isDiskShort: false,
    pause: resumed.pause,
    drain: resumed.drain,
    isDrilling: false,
    stopShape: "ladder",
    finishUntilMs: 0,
  };
}
