/**
 * Opens incidents and joins faults to the open ones. Faults of one cause share an incident: two that climb on the same
 * worker would undo each other's repairs.
 */
import type { Fault } from "../core/fault.ts";
import { present } from "../core/present.ts";
import { hourMs } from "../core/units.ts";
import type { FailureType, ModelId } from "../core/words.ts";
import { isConclusive, sameSignatureWithinMs } from "../recovery/blame.ts";
import { signatureOf } from "../recovery/signature.ts";
import type { RecoveryOrigin } from "./recovery-types.ts";
import { childIds } from "./supervisor-children.ts";
import { isUnattended, type OpenIncident } from "./supervisor-facts.ts";
import { join, nothing, type Route, send, tell } from "./supervisor-route.ts";
import type { SupervisorContext, VainLadder } from "./supervisor-types.ts";

const openIncidentLimit = 8;
export const cooldownKey = (workerId: string, failureType: string): string => `${workerId}/${failureType}`;

/** Faults with the same key share an incident. Those of host and card join over all workers of the device. */
function incidentKey(context: SupervisorContext, workerId: string, fault: Fault, model: string | null): string {
  const isShared = fault.attribution === "host" || fault.attribution === "gpu";
  const place = isShared ? (context.workers[workerId]?.deviceUuid ?? "host") : workerId;
  return [place, fault.failureType, fault.code, isShared ? "" : (model ?? "")].join("|");
}

/** Incidents of the worker as a whole on which somebody works; the others leave it in peace. */
export const incidentsOf = ({ incidents }: SupervisorContext, workerId: string): readonly OpenIncident[] =>
  Object.values(incidents).filter((incident) => incident.workerId === workerId && !isUnattended(incident));

export interface Suffered {
  readonly workerId: string;
  readonly fault: Fault;
  readonly model: string | null;
  readonly jobId: string | null;
  /** `setAside`: a model that a job wanted failed to load. That is told and kept, and the worker is left in peace. */
  readonly origin: RecoveryOrigin | "setAside";
  /** Set where an operator ordered it: nothing has failed, and an incident that waits only looks again. */
  readonly orderId?: string;
}

/** A job failed, and nothing says yet whether it is to blame or its worker: a test render is asked before anything is done. */
const isQuestion = ({ fault, jobId, origin }: Pick<Suffered, "fault" | "jobId" | "origin">): boolean =>
  origin === "fault" && jobId !== null && !isConclusive(fault);

function joinIncident(
  context: SupervisorContext,
  { id, ...incident }: OpenIncident,
  { fault, jobId, origin, orderId }: Suffered,
): Route {
  const isAlike = jobId !== null && signatureOf(fault) === signatureOf(incident.fault);
  const jobIds = isAlike ? [...new Set([...incident.jobIds, jobId])] : incident.jobIds;
  const joined = { ...incident, id, jobIds, lastFaultAtMs: context.clock.nowMs() };
  const told = tell({ type: "incident.joined", id, fault, jobId, orderId: orderId ?? null });
  if (orderId !== undefined) return join(told, send(childIds.recovery(id), { type: "recovery.look" }));
  return join(
    { ...nothing, change: { incidents: { ...context.incidents, [id]: joined } } },
    told,
    send(childIds.recovery(id), { type: "fault.joined", fault, jobId, isDeath: origin === "workerDeath" }),
  );
}

/** Whether a test render decides if there is anything to repair: then nobody is told of a repair before it. */
const beginsWithTest = (suffered: Suffered, isInCooldown: boolean): boolean =>
  suffered.origin === "manual" || isQuestion(suffered) || (isInCooldown && suffered.origin !== "workerDeath");

/** Opens an incident, or joins the fault to the one that is open for the same thing. */
export function openOrJoin(context: SupervisorContext, suffered: Suffered): Route {
  const { fault, workerId, origin, model } = suffered;
  if (fault.failureType === null) return nothing;
  const key = incidentKey(context, workerId, fault, model);
  const isSetAside = origin === "setAside";
  // However many models are aside, a worker in trouble has its incident.
  const open = Object.values(context.incidents).filter((incident) =>
    isSetAside ? incident.stage === "setAside" : !isUnattended(incident),
  );
  const same = open.find((incident) => incident.key === key);
  if (same !== undefined) return joinIncident(context, same, suffered);
  // Its worker is down already: whatever fails on it until it is back belongs to that incident. And nobody repairs a
  // worker by order while it is being repaired.
  const ofWorker = isSetAside ? undefined : open.find((incident) => incident.workerId === workerId);
  const isFull = open.length >= openIncidentLimit;
  const isOrder = suffered.orderId !== undefined;
  if (ofWorker !== undefined && (isFull || isOrder || origin === "workerDeath"))
    return joinIncident(context, ofWorker, suffered);
  // Nobody would work on an incident of a service that stops; what is broken then is found at the next start.
  return (isFull && !isOrder) || context.mode === "draining"
    ? nothing
    : openIncident(context, suffered, key, fault.failureType);
}

function openIncident(context: SupervisorContext, suffered: Suffered, key: string, failureType: FailureType): Route {
  const { fault, workerId, jobId, origin, model } = suffered;
  const isSetAside = origin === "setAside";
  const number = context.incidentCount + 1;
  const nowMs = context.clock.nowMs();
  const id = `inc-${context.epoch}-${number}`;
  const coolMs = context.cooldowns[cooldownKey(workerId, failureType)] ?? 0;
  const cooldownUntilMs = coolMs > nowMs ? coolMs : null;
  const incident: OpenIncident = {
    id,
    key,
    workerId,
    failureType,
    model,
    jobIds: jobId === null ? [] : [jobId],
    stage: isSetAside ? "setAside" : beginsWithTest(suffered, cooldownUntilMs !== null) ? "checking" : "working",
    fault,
    openedAtMs: nowMs,
    lastFaultAtMs: nowMs,
    climbCount: 0,
    lookBackCount: 0,
    lookBackAtMs: null,
    isOrdered: origin === "manual" || origin === "forced",
  };
  const isClimbInVain = wasClimbedInVain(context, workerId, signatureOf(fault));
  return join(
    { ...nothing, change: { incidents: { ...context.incidents, [incident.id]: incident }, incidentCount: number } },
    tell({
      type: "incident.opened",
      id: incident.id,
      key,
      workerId,
      failureType,
      fault,
      model,
      jobId,
      attendance: isSetAside ? "setAside" : "recovery",
      atMs: nowMs,
      orderId: suffered.orderId ?? null,
    }),
    {
      ...nothing,
      spawns: origin === "setAside" ? [] : [{ incident, origin, fault, isClimbInVain, cooldownUntilMs, resume: null }],
    },
  );
}

function wasClimbedInVain({ vainLadders, clock }: SupervisorContext, workerId: string, signature: string): boolean {
  const isOf = (ladder: VainLadder): boolean => ladder.workerId === workerId && ladder.signature === signature;
  return vainLadders.some((ladder) => isOf(ladder) && ladder.untilMs > clock.nowMs());
}

/** As long as jobs go on failing alike, and a moment longer, the ladder is not climbed for that again. */
export function noteVainLadder(context: SupervisorContext, workerId: string, signature: string): Route {
  const nowMs = context.clock.nowMs();
  const others = context.vainLadders.filter(
    (ladder) => ladder.untilMs > nowMs && !(ladder.workerId === workerId && ladder.signature === signature),
  );
  const noted = { workerId, signature, untilMs: nowMs + sameSignatureWithinMs };
  return { ...nothing, change: { vainLadders: [...others, noted] } };
}

/** Ends those incidents of models that are set aside which are over. */
function closeSetAside(
  context: SupervisorContext,
  status: "resolved" | "abandoned",
  isOver: (incident: OpenIncident) => boolean,
): Route {
  const over = Object.values(context.incidents).filter((incident) => incident.stage === "setAside" && isOver(incident));
  return over.reduce<Route>(
    (sum, { id }) => join(sum, closeIncident({ ...context, ...sum.change }, id, status, 0)),
    nothing,
  );
}

/** Ends the incident of a model that was loaded and has rendered: that is the proof. */
export const takeModelBack = (context: SupervisorContext, workerId: string, model: ModelId): Route =>
  closeSetAside(context, "resolved", (incident) => incident.workerId === workerId && incident.model === model);

/** So long after its last load failed nobody has wanted a model: its incident ends without a proof, and says so. */
const unwantedAfterMs = hourMs;

export const closeUnwanted = (context: SupervisorContext): Route =>
  closeSetAside(context, "abandoned", ({ lastFaultAtMs }) => context.clock.nowMs() - lastFaultAtMs >= unwantedAfterMs);

type Known = Partial<
  Pick<OpenIncident, "jobIds" | "stage" | "climbCount" | "lookBackCount" | "lookBackAtMs" | "isActedOn" | "blame">
>;

/** What its actor has reported of an incident. */
export function noteIncident(context: SupervisorContext, incidentId: string, known: Known): Route {
  const incident = context.incidents[incidentId];
  return incident === undefined
    ? nothing
    : { ...nothing, change: { incidents: { ...context.incidents, [incidentId]: { ...incident, ...known } } } };
}

/** Its actor is gone by errors, for good: nobody would ever give back what it holds. */
export function abandonIncident(context: SupervisorContext, incidentId: string): Route {
  const incident = context.incidents[incidentId];
  if (incident === undefined) return nothing;
  const { workerId } = incident;
  return join(
    closeIncident(context, incidentId, "abandoned", 0),
    send(childIds.pipeline(workerId), { type: "pipeline.resume", by: incidentId }),
    send(childIds.breaker(workerId), {
      type: "breaker.release",
      workerId,
      incidentId,
      isResolved: false,
      isRepair: false,
    }),
  );
}

export function closeIncident(
  context: SupervisorContext,
  incidentId: string,
  status: "resolved" | "abandoned",
  climbCount: number,
): Route {
  const { [incidentId]: closed, ...incidents } = context.incidents;
  return closed === undefined
    ? nothing
    : join(
        { ...nothing, change: { incidents } },
        tell({ type: "incident.closed", id: incidentId, status, climbCount, ...present({ blame: closed.blame }) }),
      );
}
