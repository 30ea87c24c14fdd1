/** All routes together, and the few that are nobody else's: breakers, health, and the mode that follows from everything. */
import { childIds } from "./supervisor-children.ts";
import type { WorkerFacts } from "./supervisor-facts.ts";
import { intakeHandlers } from "./supervisor-intake.ts";
import { jobHandlers } from "./supervisor-job-routes.ts";
import { recoveryHandlers } from "./supervisor-recovery-routes.ts";
import {
  type HandledEvents,
  type Handlers,
  join,
  nothing,
  type Route,
  send,
  tell,
  updateWorker,
} from "./supervisor-route.ts";
import { modeFrom } from "./supervisor-standing.ts";
import type { SupervisorContext, SupervisorEvent } from "./supervisor-types.ts";
import { workerHandlers } from "./supervisor-worker-routes.ts";

function breakerMoved(
  context: SupervisorContext,
  workerId: string,
  breaker: WorkerFacts["breaker"],
  resume: { untilMs: number; openingCount: number } | null,
  because = "",
): Route {
  const { [workerId]: _former, ...others } = context.breakers;
  const breakers = resume === null ? others : { ...others, [workerId]: resume };
  const type = breaker === "closed" ? "breaker.closed" : breaker === "open" ? "breaker.opened" : "breaker.halfOpened";
  const admission = breaker === "closed" ? "all" : "none";
  return join(
    updateWorker(context, workerId, { breaker }),
    { ...nothing, change: { breakers } },
    tell({ type, workerId, breakers, because }),
    send(childIds.pipeline(workerId), { type: "pipeline.admit", admission }),
    breaker === "halfOpen" ? send(childIds.loader(workerId), { type: "model.verify" }) : nothing,
  );
}

const otherHandlers: Handlers = {
  "breaker.opened": (context, { workerId, untilMs, openingCount, because }) =>
    breakerMoved(context, workerId, "open", { untilMs, openingCount }, because),
  "breaker.halfOpened": (context, { workerId }) =>
    breakerMoved(context, workerId, "halfOpen", context.breakers[workerId] ?? null),
  "breaker.trusted": (_, { workerId }) =>
    send(childIds.pipeline(workerId), { type: "pipeline.admit", admission: "one" }),
  "breaker.closed": (context, { workerId, because }) => breakerMoved(context, workerId, "closed", null, because),
  "health.changed": (_, { health }) => tell({ type: "health.changed", health }),
  "health.checked": (_, { health }) => tell({ type: "health.checked", health }),
  "monitor.stop": () => send(childIds.health, { type: "monitor.stop" }),
  "health.check": () => send(childIds.health, { type: "health.check" }),
  "processor.ranShort": () => ({ ...nothing, change: { isProcessorShort: true } }),
  "processor.sufficed": () => ({ ...nothing, change: { isProcessorShort: false } }),
  "disk.ranShort": () => ({ ...nothing, change: { isDiskShort: true } }),
  "disk.sufficed": () => ({ ...nothing, change: { isDiskShort: false } }),
};

const handlers: Handlers = {
  ...workerHandlers,
  ...jobHandlers,
  ...recoveryHandlers,
  ...otherHandlers,
  ...intakeHandlers,
};

function handle<Type extends keyof Handlers>(
  context: SupervisorContext,
  type: Type,
  event: HandledEvents[Type],
): Route {
  return handlers[type]?.(context, event) ?? nothing;
}

/** What one event means for everybody else. */
export const routeOf = (context: SupervisorContext, event: SupervisorEvent, isDraining: boolean): Route =>
  withMode(context, handle(context, event.type, event), isDraining);

/** The new mode follows from the new facts. */
export function withMode(context: SupervisorContext, route: Route, isDraining: boolean): Route {
  const next = { ...context, ...route.change };
  const mode = modeFrom(next, isDraining);
  if (mode === context.mode) return route;
  return join(route, { ...nothing, change: { mode } }, tell({ type: "mode.changed", from: context.mode, to: mode }));
}
