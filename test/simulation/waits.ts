/**
 * Finds machines that wait without a deadline, or for too long, in the running simulated service. The exploration
 * proves it for each machine alone, this for all of them together.
 */
import type { AnyActorRef, AnyMachineSnapshot } from "xstate";
import type { TimelineRow } from "../../src/core/events.ts";
import { hourMs, minuteMs } from "../../src/core/units.ts";
import { pathOfValue } from "../../src/telemetry/transitions.ts";
import { explorations } from "../machines/explorations.ts";

/** States that wait for an event without a deadline, as the exploration allows them. */
const restsOf: ReadonlyMap<string, readonly string[]> = new Map(
  Object.values(explorations).map(({ machine, restsIn }) => [machine.id, restsIn ?? []]),
);

const isMachine = (snapshot: unknown): snapshot is AnyMachineSnapshot =>
  typeof snapshot === "object" && snapshot !== null && "machine" in snapshot && "value" in snapshot;

function* machinesBelow(
  actor: AnyActorRef,
): Generator<{ readonly actor: AnyActorRef; readonly snapshot: AnyMachineSnapshot }> {
  const snapshot: unknown = actor.getSnapshot();
  if (!isMachine(snapshot) || snapshot.status !== "active") return;
  yield { actor, snapshot };
  for (const child of Object.values(snapshot.children) as AnyActorRef[]) yield* machinesBelow(child);
}

/** Machines that wait now, and have armed nothing that would end the wait. */
export function findEndlessWaits(root: AnyActorRef): string[] {
  const armed = Object.values(root.system.getSnapshot()._scheduledEvents);
  const timed = new Set(
    armed.filter(({ event }) => event.type.startsWith("xstate.after.")).map(({ target }) => target),
  );
  return [...machinesBelow(root)].flatMap(({ actor, snapshot }) => {
    const path = pathOfValue(snapshot.value);
    const isResting = restsOf.get(snapshot.machine.id)?.includes(path) ?? false;
    return isResting || timed.has(actor) ? [] : [`${actor.id} waits in ${path} without a deadline`];
  });
}

/** Longer than every deadline of every machine but these, which last as long as an incident may: a suspended pipeline has 3 h. */
const longestStayMs = 100 * minuteMs;
const longIncidentMs = 4 * hourMs;
const lastsAsIncident = /^(?:suspended|mock|held)/;
/** Ended, resting, or entering itself again: these may stay as they are. */
const maySit = /^(?:idle|living\..*|stopped|unloaded|ready|watching.*|running|closed|resolved|ended)$/;

/** How long each machine has been in its state, from the timeline. */
export interface Stays {
  read(row: TimelineRow): void;
  findLong(nowMs: number): string[];
}

export function createStays(): Stays {
  const stays = new Map<string, { readonly path: string; readonly sinceMs: number }>();
  return {
    read: ({ kind, atMs, data }) => {
      if (kind === "service.started") stays.clear();
      if (kind === "machine.transitioned") stays.set(data.actor, { path: data.to, sinceMs: atMs });
    },
    findLong: (nowMs) =>
      [...stays]
        .filter(
          ([, { path, sinceMs }]) =>
            !maySit.test(path) && nowMs - sinceMs > (lastsAsIncident.test(path) ? longIncidentMs : longestStayMs),
        )
        .map(([actor, { path, sinceMs }]) => `${actor} is in ${path} since ${(nowMs - sinceMs) / minuteMs} min`),
  };
}
