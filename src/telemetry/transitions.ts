/**
 * Observes every machine through XState's inspection. Log, rows, counts and streams come from this one place, so they
 * can never tell different stories.
 */
import type { AnyActorRef, InspectionEvent, StateValue } from "xstate";
import { present } from "../core/present.ts";
import type { Logger } from "./logger.ts";
import type { MachineTracker } from "./machine-tracker.ts";
import type { StatelyFeed } from "./stately-feed.ts";
import type { RecordedStep, TransitionFrame } from "./transition-frame.ts";

export interface TransitionSinks {
  readonly logger: Logger;
  /** The moment that the machines themselves see in this turn. */
  readonly nowMs: () => number;
  /** Recorded actors can be replayed: each event that they take is noted, also one that leaves the state as it is. */
  readonly isRecorded: (actor: string) => boolean;
  /** Writes one buffered row of the event log. */
  readonly note: (frame: TransitionFrame) => void;
  readonly tracker: Pick<MachineTracker, "noteAction" | "noteTransition">;
  /** The feed of the inspector; null where nobody may inspect. */
  readonly stately: Pick<StatelyFeed, "inspect"> | null;
}

export interface TransitionSubscriber {
  readonly inspect: (event: InspectionEvent) => void;
  /** Transitions so far, by `actor`. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Writes `{ watching: { gpu: "healthy" } }` as `watching.gpu.healthy`; regions are joined with a plus sign. */
export function pathOfValue(value: StateValue): string {
  if (typeof value === "string") return value;
  return Object.entries(value)
    .map(([key, below]) => {
      const path = below === undefined ? "" : pathOfValue(below);
      return path === "" ? key : `${key}.${path}`;
    })
    .join("+");
}

interface SnapshotLike {
  readonly value?: StateValue;
  readonly tags?: ReadonlySet<string>;
}

const idOf = (actor: unknown): string => (actor as { readonly id: string }).id;

/** Collects the steps of recorded actors: their reports come before the snapshot of the event that caused them. */
function createStepRecorder({ nowMs, isRecorded }: Pick<TransitionSinks, "nowMs" | "isRecorded">) {
  const reportsOf = new WeakMap<object, string[]>();
  const numberOf = new WeakMap<object, number>();
  return {
    hear: ({ sourceRef, event }: Extract<InspectionEvent, { type: "@xstate.event" }>): void => {
      if (sourceRef === undefined || event.type.startsWith("xstate.") || !isRecorded(idOf(sourceRef))) return;
      const reports = reportsOf.get(sourceRef) ?? [];
      reportsOf.set(sourceRef, [...reports, event.type]);
    },
    take: (actorRef: object, event: { readonly type: string }): RecordedStep | undefined => {
      if (!isRecorded(idOf(actorRef))) return undefined;
      const number = (numberOf.get(actorRef) ?? 0) + 1;
      numberOf.set(actorRef, number);
      const reports = reportsOf.get(actorRef) ?? [];
      reportsOf.delete(actorRef);
      return { number, atMs: nowMs(), event, reports };
    },
  };
}

/**
 * The one subscriber: every transition of every machine becomes one log line, one count, one row, one note in the tracker and
 * one stream frame.
 * An exception in an inspector would surface in the caller's `send` and lose the event, so none leaves here.
 */
export function createTransitionSubscriber(sinks: TransitionSinks): TransitionSubscriber {
  const lastPathOf = new WeakMap<object, string>();
  const counts = new Map<string, number>();
  const recorder = createStepRecorder(sinks);
  const noteSnapshot = (actorRef: AnyActorRef, snapshot: SnapshotLike, event: { readonly type: string }): void => {
    if (snapshot.value === undefined) return;
    const to = pathOfValue(snapshot.value);
    const from = lastPathOf.get(actorRef) ?? null;
    const step = recorder.take(actorRef, event);
    if (from === to && step === undefined) return;
    lastPathOf.set(actorRef, to);
    const actor = idOf(actorRef);
    const tags = [...(snapshot.tags ?? [])];
    const frame: TransitionFrame = {
      actor,
      from,
      to,
      event: event.type,
      tags,
      ...present({ step }),
    };
    if (from !== to) {
      counts.set(actor, (counts.get(actor) ?? 0) + 1);
      sinks.logger.info({ actor, from, to, tags, event: "machine.transitioned", trigger: event.type });
    }
    sinks.note(frame);
    sinks.tracker.noteTransition(actorRef, frame);
  };
  const observe = (event: InspectionEvent): void => {
    if (event.type === "@xstate.event") recorder.hear(event);
    if (event.type === "@xstate.action") sinks.tracker.noteAction(event);
    if (event.type === "@xstate.snapshot")
      noteSnapshot(event.actorRef as AnyActorRef, event.snapshot as SnapshotLike, event.event);
    sinks.stately?.inspect(event);
  };
  return {
    counts,
    inspect: (event) => {
      try {
        observe(event);
      } catch (thrown) {
        sinks.logger.error({
          event: "inspection.failed",
          message: thrown instanceof Error ? thrown.message : String(thrown),
        });
      }
    },
  };
}
