/** What an operator, or idleness, decides about taking jobs: pause, drain, resume, and giving a card back meanwhile. */
import type { PipelineEvent } from "./pipeline-types.ts";
import { childIds } from "./supervisor-children.ts";
import { incidentsOf } from "./supervisor-incidents.ts";
import { type Handlers, join, nothing, type Route, send, tell, updateWorker } from "./supervisor-route.ts";
import type { SupervisorContext } from "./supervisor-types.ts";
import { startUnstartable } from "./supervisor-unstartable.ts";

const toAllPipelines = (context: SupervisorContext, event: PipelineEvent): Route =>
  join(...context.configured.map(({ id }) => send(childIds.pipeline(id), event)));

/** Ends an idle worker on purpose, so that its card is free; it starts again when it is wanted. */
function release(context: SupervisorContext, workerId: string): Route {
  const worker = context.workers[workerId];
  if (worker?.process !== "connected" || worker.jobId !== null || worker.rest !== "none") return nothing;
  // A repair that is under way would see its worker vanish; it ends first.
  if (incidentsOf(context, workerId).length > 0) return nothing;
  return join(
    updateWorker(context, workerId, { rest: "asked" }),
    send(childIds.worker(workerId), { type: "worker.stop", shape: "ladder" }),
  );
}

/** Each worker's change builds on the one before it: all of them live in one map. */
function forEachWorker(
  context: SupervisorContext,
  step: (context: SupervisorContext, workerId: string) => Route,
): Route {
  return context.configured.reduce<Route>((sum, { id }) => join(sum, step({ ...context, ...sum.change }, id)), nothing);
}

function wake(context: SupervisorContext, workerId: string): Route {
  const worker = context.workers[workerId];
  if (worker?.rest !== "asked") return nothing;
  // While it still ends it cannot be started; its end is waited for.
  if (worker.process !== "resting") return updateWorker(context, workerId, { rest: "recalled" });
  return join(
    updateWorker(context, workerId, { rest: "none", process: "down" }),
    send(childIds.worker(workerId), { type: "worker.start" }),
  );
}

/** While the service is paused and its cards are asked back, a worker goes as soon as it is idle. */
export const releaseIfPaused = (context: SupervisorContext, workerId: string): Route =>
  context.pause?.isReleasing === true ? release(context, workerId) : nothing;

/** A worker has ended for good: by a stop, to rest, or to be started again at once because it was recalled. */
export function noteStopped(context: SupervisorContext, workerId: string): Route {
  const rest = context.workers[workerId]?.rest ?? "none";
  if (rest === "asked") return updateWorker(context, workerId, { process: "resting", isProven: false });
  if (rest === "none") return updateWorker(context, workerId, { process: "stopped", isProven: false });
  return join(
    updateWorker(context, workerId, { process: "down", isProven: false, rest: "none" }),
    send(childIds.worker(workerId), { type: "worker.start" }),
  );
}

export const recycleHolder = "recycle";

/** The pipeline was asked to let the worker alone and does: now it ends, and a new process takes its place. */
export function recycleIfAsked(context: SupervisorContext, workerId: string): Route {
  if (context.workers[workerId]?.isRecycling !== true) return nothing;
  return join(
    updateWorker(context, workerId, { isRecycling: false }),
    send(childIds.worker(workerId), {
      type: "worker.restart",
      reason: "a fresh process was asked for between two jobs",
      isBudgeted: true,
      shape: "ladder",
    }),
    send(childIds.pipeline(workerId), { type: "pipeline.resume", by: recycleHolder }),
  );
}

export const intakeHandlers: Handlers = {
  "worker.recycle": (context, { workerId }) =>
    context.workers[workerId]?.process === "connected"
      ? join(
          updateWorker(context, workerId, { isRecycling: true }),
          send(childIds.pipeline(workerId), { type: "pipeline.suspend", by: recycleHolder }),
        )
      : nothing,
  "worker.hold": (_, { workerId, by }) => send(childIds.pipeline(workerId), { type: "pipeline.suspend", by }),
  "worker.letGo": (_, { workerId, by }) => send(childIds.pipeline(workerId), { type: "pipeline.resume", by }),
  "intake.pause": (context, { isReleasing, by }) => {
    const pause = { isReleasing, by, atMs: context.clock.nowMs() };
    return join(
      { ...nothing, change: { pause } },
      tell({ type: "intake.paused", pause }),
      toAllPipelines(context, { type: "pipeline.pause" }),
      isReleasing ? forEachWorker(context, release) : nothing,
    );
  },
  "intake.drain": (context, { by }) => {
    const drain = { by, atMs: context.clock.nowMs() };
    return join({ ...nothing, change: { drain } }, tell({ type: "intake.drained", drain }));
  },
  "intake.resume": (context, { by }) =>
    context.pause === null && context.drain === null
      ? nothing
      : join(
          { ...nothing, change: { pause: null, drain: null } },
          tell({ type: "intake.resumed", by }),
          toAllPipelines(context, { type: "pipeline.unpause" }),
          forEachWorker(context, wake),
          startUnstartable(context),
        ),
  "workers.startAgain": startUnstartable,
  "model.reload": (context, { workerId }) =>
    join(
      updateWorker(context, workerId, { isProven: false }),
      send(childIds.pipeline(workerId), { type: "model.lost" }),
      send(childIds.loader(workerId), { type: "model.reload" }),
    ),
  "drill.began": () => ({ ...nothing, change: { isDrilling: true } }),
  "drill.ended": () => ({ ...nothing, change: { isDrilling: false } }),
  "workers.release": (context) => forEachWorker(context, release),
  "jobs.becameAvailable": (context) =>
    join(
      toAllPipelines(context, { type: "jobs.becameAvailable" }),
      context.pause === null ? forEachWorker(context, wake) : nothing,
    ),
};
