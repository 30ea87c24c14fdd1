/**
 * Workers that cannot start until a person mends something. Such a worker has one incident, on which nobody works: a start
 * that succeeds is its end, and what is tried at the others costs nothing.
 */
import type { Fault } from "../core/fault.ts";
import { remedyOf } from "../recovery/unstartable.ts";
import { childIds } from "./supervisor-children.ts";
import { type OpenIncident, unstartableKey } from "./supervisor-facts.ts";
import { closeIncident } from "./supervisor-incidents.ts";
import { join, nothing, type Route, send, tell, toIncidents, updateWorker } from "./supervisor-route.ts";
import type { SupervisorContext } from "./supervisor-types.ts";
import type { WorkerReport } from "./worker-types.ts";

const incidentIn = ({ incidents }: SupervisorContext, workerId: string): OpenIncident | undefined =>
  Object.values(incidents).find(({ stage, workerId: of }) => stage === "unstartable" && of === workerId);

/** Opens the worker's one incident, or writes the newest reason into it. */
function openOrRenew(context: SupervisorContext, workerId: string, fault: Fault): Route {
  const nowMs = context.clock.nowMs();
  const open = incidentIn(context, workerId);
  const number = context.incidentCount + (open === undefined ? 1 : 0);
  const incident: OpenIncident = {
    id: open?.id ?? `inc-${context.epoch}-${number}`,
    key: unstartableKey(workerId),
    workerId,
    failureType: fault.failureType ?? "generation_pipeline_error",
    model: null,
    stage: "unstartable",
    fault,
    openedAtMs: open?.openedAtMs ?? nowMs,
    lastFaultAtMs: nowMs,
    climbCount: 0,
    lookBackCount: 0,
    lookBackAtMs: null,
  };
  const { id, key, failureType, model } = incident;
  return join(
    { ...nothing, change: { incidents: { ...context.incidents, [id]: incident }, incidentCount: number } },
    open === undefined
      ? tell({
          type: "incident.opened",
          id,
          key,
          workerId,
          failureType,
          fault,
          model,
          jobId: null,
          orderId: null,
          attendance: "needsPerson",
          atMs: nowMs,
        })
      : tell({ type: "incident.joined", id, fault, jobId: null, orderId: null }),
  );
}

/** Told once for each reason: a try that ends as the one before it is no news. */
export function noteNotStarted(
  context: SupervisorContext,
  { workerId, fault, retryAtMs }: Extract<WorkerReport, { type: "worker.notStarted" }>,
): Route {
  const down = updateWorker(context, workerId, { process: "unstartable", isProven: false, startsAtMs: retryAtMs });
  const reason = remedyOf(fault);
  const known = incidentIn(context, workerId);
  const isTold = known !== undefined && remedyOf(known.fault) === reason;
  const data = { code: fault.code, message: reason, retry_at_ms: retryAtMs };
  return join(
    down,
    isTold ? nothing : tell({ type: "worker.notStarted", workerId, data }),
    isTold ? nothing : openOrRenew({ ...context, ...down.change }, workerId, fault),
    send(childIds.pipeline(workerId), { type: "worker.exited", evidence: fault.evidence, isExpected: false }),
    send(childIds.loader(workerId), { type: "worker.exited" }),
    // What is repaired on it waits for a process, as after a stop.
    toIncidents(context, workerId, { type: "worker.stopped", workerId }),
  );
}

/** Its process started after all: with a proof that is its end, and with another death this is what keeps it no more. */
export function closeUnstartable(
  context: SupervisorContext,
  workerId: string,
  status: "resolved" | "abandoned",
): Route {
  const incident = incidentIn(context, workerId);
  return incident === undefined ? nothing : closeIncident(context, incident.id, status, 0);
}

/** Somebody may have mended what kept them from starting. */
export const startUnstartable = ({ workers }: SupervisorContext): Route =>
  join(
    ...Object.entries(workers)
      .filter(([, { process }]) => process === "unstartable")
      .map(([workerId]) => send(childIds.worker(workerId), { type: "worker.start" })),
  );
