import type { InspectionEvent, StateValue } from "xstate";
import type { Logger } from "./logger.ts";

/** One transition of one machine, thin enough to be sent for each. */
export interface TransitionFrame {
  /** Path of actor ids below the root, for instance `worker-0/pipeline`. */
  readonly actor: string;
  readonly from: string | null;
  readonly to: string;
  readonly event: string;
  readonly tags: readonly string[];
}

export interface TransitionSinks {
  readonly logger: Logger;
  /** One buffered row of the event log. */
  readonly note: (frame: TransitionFrame) => void;
}

export interface TransitionSubscriber {
  readonly inspect: (event: InspectionEvent) => void;
  /** Transitions so far, by `actor`. */
  readonly counts: ReadonlyMap<string, number>;
}

/** `{ watching: { gpu: "healthy" } }` → `watching.gpu.healthy`; regions are joined with a plus sign. */
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

/**
 * The one subscriber: every transition of every machine becomes one log line, one count, one row and one stream frame.
 * An exception in an inspector would surface in the caller's `send` and lose the event, so none leaves here.
 */
export function createTransitionSubscriber(sinks: TransitionSinks): TransitionSubscriber {
  const lastPathOf = new WeakMap<object, string>();
  const counts = new Map<string, number>();
  const observe = (event: InspectionEvent): void => {
    if (event.type !== "@xstate.snapshot") return;
    const snapshot = event.snapshot as SnapshotLike;
    if (snapshot.value === undefined) return;
    const to = pathOfValue(snapshot.value);
    const from = lastPathOf.get(event.actorRef) ?? null;
    if (from === to) return;
    lastPathOf.set(event.actorRef, to);
    const actor = (event.actorRef as unknown as { readonly id: string }).id;
    counts.set(actor, (counts.get(actor) ?? 0) + 1);
    const frame: TransitionFrame = { actor, from, to, event: event.event.type, tags: [...(snapshot.tags ?? [])] };
    sinks.logger.info({ ...frame, event: "machine.transitioned", trigger: frame.event });
    sinks.note(frame);
  };
  return {
    counts,
    inspect: (event) => {
      try {
        observe(event);
      } catch (thrown) {
        sinks.logger.error({ event: "inspection.failed", message: thrown instanceof Error ? thrown.message : String(thrown) });
      }
    },
  };
}
