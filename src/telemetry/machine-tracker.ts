/**
 * Knows every living actor of a machine: where it stands, since when, what it waits for and what it did last. The one
 * subscriber feeds it; what costs more than a note is computed when somebody asks.
 */
import {
  type AnyActorRef,
  type AnyMachineSnapshot,
  getNextTransitions,
  type InspectionEvent,
  type StateValue,
} from "xstate";
import type {
  MachineActor,
  MachineActorDetails,
  MachineDeadline,
  MachineStep,
  MachineTransition,
} from "../core/ports/machine-feed.ts";
import { shownFields } from "./shown-fields.ts";
import type { TransitionFrame } from "./transition-frame.ts";

const recentCount = 20;

type ActionEvent = Extract<InspectionEvent, { type: "@xstate.action" }>;

interface Entry {
  readonly ref: AnyActorRef;
  readonly machine: string;
  sinceMs: number;
  /** Armed delays, by the id under which XState would cancel them. */
  readonly armed: Map<string, MachineDeadline>;
  recent: readonly MachineTransition[];
}

export interface MachineTracker {
  /** Notes that a delay was armed or disarmed. */
  noteAction(event: ActionEvent): void;
  /** Notes that the actor took an event; `frame` is what the subscriber makes of it. */
  noteTransition(ref: AnyActorRef, frame: TransitionFrame): void;
  actors(): readonly MachineActorDetails[];
  /** The living actors themselves, parents first. */
  refs(): readonly AnyActorRef[];
  subscribe(listener: (step: MachineStep) => void): () => void;
}

/** What each actor of a machine has, and the package's type of a reference leaves out. */
interface MachineRef {
  readonly id: string;
  readonly logic: { readonly id: string };
  readonly _parent?: AnyActorRef;
}

const partsOf = (ref: AnyActorRef): MachineRef => ref as AnyActorRef & MachineRef;

/** `modelLoader` → `model-loader`. */
const nameOf = (ref: AnyActorRef): string => {
  const { id } = partsOf(ref).logic;
  return id.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
};

const snapshotOf = (ref: AnyActorRef): AnyMachineSnapshot => ref.getSnapshot() as AnyMachineSnapshot;
const isLiving = (ref: AnyActorRef): boolean => snapshotOf(ref).status === "active";
const idOf = (ref: AnyActorRef): string => partsOf(ref).id;

/** `{ living: "idle" }` → `living`, `living.idle`. */
function activeOf(value: StateValue, above = ""): readonly string[] {
  if (typeof value === "string") return [`${above}${value}`];
  return Object.entries(value).flatMap(([key, below]) => [
    `${above}${key}`,
    ...activeOf(below ?? {}, `${above}${key}.`),
  ]);
}

/** `xstate.after.backoffMs.worker.backingOff` → the delay and its state; any other id is its own name. */
function deadlineOf(id: string, dueAtMs: number): MachineDeadline {
  const [, delay, state] = /^xstate\.after\.([^.]+)\.[^.]+\.?(.*)$/.exec(id) ?? [];
  return { delay: delay ?? id, state: state ?? "", dueAtMs };
}

/** Lists the events that an actor takes by their names, with the guard where every transition for them has one. */
function takesOf(snapshot: AnyMachineSnapshot): MachineActorDetails["takes"] {
  const guards = new Map<string, string | null>();
  for (const { eventType, guard } of getNextTransitions(snapshot)) {
    if (eventType === "" || eventType === "*" || eventType.startsWith("xstate.")) continue;
    const name =
      guard === undefined ? null : typeof guard === "object" && "type" in guard ? String(guard.type) : String(guard);
    guards.set(eventType, guards.get(eventType) === null ? null : name);
  }
  return [...guards].map(([event, condition]) => ({ event, condition }));
}

/** A parent's first step is told after those of the children that it starts. */
const depthOf = (ref: AnyActorRef): number => {
  const { _parent: parent } = partsOf(ref);
  return parent === undefined ? 0 : 1 + depthOf(parent);
};

function viewOf({ ref, machine, sinceMs, armed }: Entry, path: string, nowMs: number): MachineActor {
  const { value, tags } = snapshotOf(ref);
  const deadlines = [...armed.values()]
    .filter(({ dueAtMs }) => dueAtMs >= nowMs)
    .toSorted((a, b) => a.dueAtMs - b.dueAtMs);
  return {
    actor: idOf(ref),
    machine,
    path,
    active: activeOf(value as StateValue),
    tags: [...tags],
    sinceMs,
    deadlines,
  };
}

function detailsOf(entry: Entry, nowMs: number): MachineActorDetails {
  const snapshot = snapshotOf(entry.ref);
  return {
    ...viewOf(entry, entry.recent.at(-1)?.to ?? "", nowMs),
    takes: takesOf(snapshot),
    context: shownFields(snapshot.context),
    recent: entry.recent,
  };
}

export function createMachineTracker(nowMs: () => number): MachineTracker {
  const entries = new Map<string, Entry>();
  const living = (): readonly Entry[] =>
    [...entries.values()].filter(({ ref }) => isLiving(ref)).toSorted((a, b) => depthOf(a.ref) - depthOf(b.ref));
  const listeners = new Set<(step: MachineStep) => void>();
  const entryOf = (ref: AnyActorRef): Entry => {
    const id = idOf(ref);
    const known = entries.get(id);
    if (known?.ref === ref) return known;
    for (const [name, entry] of entries) if (!isLiving(entry.ref)) entries.delete(name);
    const entry: Entry = { ref, machine: nameOf(ref), sinceMs: nowMs(), armed: new Map(), recent: known?.recent ?? [] };
    entries.set(id, entry);
    return entry;
  };
  return {
    noteAction: ({ actorRef, action }) => {
      const isArmed = action.type === "xstate.raise" || action.type === "xstate.sendTo";
      if (!isArmed && action.type !== "xstate.cancel") return;
      const { id, delay, sendId } = (action.params ?? {}) as { id?: string; delay?: number; sendId?: string };
      if (!isArmed) entryOf(actorRef as AnyActorRef).armed.delete(String(sendId));
      else if (typeof delay === "number")
        entryOf(actorRef as AnyActorRef).armed.set(String(id), deadlineOf(String(id), nowMs() + delay));
    },
    noteTransition: (ref, { from, to, event }) => {
      const entry = entryOf(ref);
      const atMs = nowMs();
      if (from !== to) entry.sinceMs = atMs;
      entry.recent = [...entry.recent, { atMs, from, to, event }].slice(-recentCount);
      if (listeners.size === 0) return;
      const step: MachineStep = { ...viewOf(entry, to, atMs), from, event, isLast: !isLiving(ref) };
      for (const listener of listeners) listener(step);
    },
    actors: () => {
      const now = nowMs();
      return living().map((entry) => detailsOf(entry, now));
    },
    refs: () => living().map(({ ref }) => ref),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
