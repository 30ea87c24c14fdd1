/** One step of the supervisor as data, and the small pieces of which such steps are put together. */
import type { Fault } from "../core/fault.ts";
import type { RecoveryOrigin, RecoveryResume } from "./recovery-types.ts";
import { type OpenIncident, unknownWorker, type WorkerFacts } from "./supervisor-facts.ts";
import type { SupervisorContext, SupervisorEvent, SupervisorFact } from "./supervisor-types.ts";

/** An incident that gets its own recovery actor. */
export interface IncidentSpawn {
  readonly incident: OpenIncident;
  readonly origin: RecoveryOrigin;
  readonly fault: Fault;
  readonly jobId: string | null;
  readonly cooldownUntilMs: number | null;
  readonly resume: RecoveryResume | null;
}

/** One step of the supervisor as data: what changes, who is told what, what is recorded, which incident opens. */
export interface Route {
  readonly change: Partial<SupervisorContext>;
  readonly sends: readonly {
    readonly to: string;
    readonly event: { readonly type: string } & Readonly<Record<string, unknown>>;
  }[];
  readonly facts: readonly SupervisorFact[];
  readonly spawns: readonly IncidentSpawn[];
}

export const childIds = {
  worker: (workerId: string): string => `${workerId}/worker`,
  loader: (workerId: string): string => `${workerId}/model-loader`,
  pipeline: (workerId: string): string => `${workerId}/pipeline`,
  breaker: (workerId: string): string => `${workerId}/circuit-breaker`,
  recovery: (incidentId: string): string => `recovery/${incidentId}`,
  health: "health-monitor",
  recorder: "recorder",
} as const;

export const nothing: Route = { change: {}, sends: [], facts: [], spawns: [] };

export function join(...routes: readonly Route[]): Route {
  return {
    change: Object.assign({}, ...routes.map((route) => route.change)) as Partial<SupervisorContext>,
    sends: routes.flatMap((route) => route.sends),
    facts: routes.flatMap((route) => route.facts),
    spawns: routes.flatMap((route) => route.spawns),
  };
}

export const send = (to: string, event: Route["sends"][number]["event"]): Route => ({
  ...nothing,
  sends: [{ to, event }],
});
export const tell = (fact: SupervisorFact): Route => ({ ...nothing, facts: [fact] });

export function updateWorker(context: SupervisorContext, workerId: string, change: Partial<WorkerFacts>): Route {
  const known = context.workers[workerId] ?? unknownWorker;
  return { ...nothing, change: { workers: { ...context.workers, [workerId]: { ...known, ...change } } } };
}

/** To every open incident of the worker. */
export function toIncidents(
  context: SupervisorContext,
  workerId: string,
  event: Route["sends"][number]["event"],
): Route {
  const open = Object.values(context.incidents).filter((incident) => incident.workerId === workerId);
  return { ...nothing, sends: open.map((incident) => ({ to: childIds.recovery(incident.id), event })) };
}

export type Handlers = {
  readonly [Type in SupervisorEvent["type"]]?: (
    context: SupervisorContext,
    event: Extract<SupervisorEvent, { type: Type }>,
  ) => Route;
};
