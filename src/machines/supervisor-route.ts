/** One step of the supervisor as data, and the small pieces of which such steps are put together. */
import type { Fault } from "../core/fault.ts";
import type { RecoveryEvent, RecoveryOrigin, RecoveryResume } from "./recovery-types.ts";
import { childIds, type Send } from "./supervisor-children.ts";
import { type OpenIncident, unknownWorker, type WorkerFacts } from "./supervisor-facts.ts";
import type { SupervisorContext, SupervisorEvent, SupervisorFact } from "./supervisor-types.ts";

/** An incident that gets its own recovery actor. */
export interface IncidentSpawn {
  readonly incident: OpenIncident;
  readonly origin: RecoveryOrigin;
  readonly fault: Fault;
  readonly isClimbInVain: boolean;
  readonly cooldownUntilMs: number | null;
  readonly resume: RecoveryResume | null;
}

/** One step of the supervisor as data: what changes, who is told what, what is recorded, which incident opens. */
export interface Route {
  readonly change: Partial<SupervisorContext>;
  readonly sends: readonly Send[];
  readonly facts: readonly SupervisorFact[];
  readonly spawns: readonly IncidentSpawn[];
}

export const nothing: Route = { change: {}, sends: [], facts: [], spawns: [] };

export function join(...routes: readonly Route[]): Route {
  let change: Partial<SupervisorContext> = {};
  for (const route of routes) change = { ...change, ...route.change };
  return {
    change,
    sends: routes.flatMap((route) => route.sends),
    facts: routes.flatMap((route) => route.facts),
    spawns: routes.flatMap((route) => route.spawns),
  };
}

/** A route that sends one event to one child, which must know it. */
export const send = (...one: Send): Route => ({ ...nothing, sends: [one] });
export const tell = (fact: SupervisorFact): Route => ({ ...nothing, facts: [fact] });

export function updateWorker(context: SupervisorContext, workerId: string, change: Partial<WorkerFacts>): Route {
  const known = context.workers[workerId] ?? unknownWorker;
  return { ...nothing, change: { workers: { ...context.workers, [workerId]: { ...known, ...change } } } };
}

/** Health compares what the card holds beside this with the rest of the card. */
export function noteKnown(context: SupervisorContext, workerId: string, knownBytes: number): Route {
  const { deviceUuid = null } = context.workers[workerId] ?? {};
  if (deviceUuid === null) return nothing;
  return join(
    updateWorker(context, workerId, { knownBytes }),
    send(childIds.health, { type: "envelope.changed", workerId, deviceUuid, knownBytes }),
  );
}

/** A route that sends an event to every open incident of the worker. */
export function toIncidents(context: SupervisorContext, workerId: string, event: RecoveryEvent): Route {
  const open = Object.values(context.incidents).filter((incident) => incident.workerId === workerId);
  return { ...nothing, sends: open.map(({ id }): Send => [childIds.recovery(id), event]) };
}

/** The events of one type; a report and a request of the same name are both of them. */
type EventsOf<Type> = SupervisorEvent extends infer Each
  ? Each extends { readonly type: infer Own }
    ? Type extends Own
      ? Each
      : never
    : never
  : never;

export type HandledEvents = { readonly [Type in SupervisorEvent["type"]]: EventsOf<Type> };

/** What one event means for everybody else, by its type. */
export type Handlers = {
  readonly [Type in keyof HandledEvents]?: (context: SupervisorContext, event: HandledEvents[Type]) => Route;
};
