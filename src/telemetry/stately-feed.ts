/**
 * The feed of the Stately Inspector: frames by the package's own `createInspector`, from events out of which everything that
 * may not be seen was taken before. Nothing is computed while nobody is connected.
 */
import { createInspector } from "@statelyai/inspect";
import type { AnyActorRef, InspectionEvent } from "xstate";
import type { InspectorFeed } from "../core/ports/machine-feed.ts";
import { shownFields } from "./shown-fields.ts";

type Inspector = Pick<ReturnType<typeof createInspector>, "inspect">;
type Frame = Readonly<Record<string, unknown>>;

export interface StatelyFeed extends InspectorFeed {
  readonly inspect: (event: InspectionEvent) => void;
}

interface ActorLike {
  readonly id: string;
  readonly sessionId: string;
  readonly logic: { readonly config?: unknown };
  readonly _parent?: { readonly sessionId: string };
  getSnapshot(): unknown;
}

const asActor = (ref: unknown): ActorLike => ref as ActorLike;

/** An event by its type and the fields that may be seen. */
const shownEvent = (event: { readonly type: string }): Frame => ({ ...shownFields(event), type: event.type });

/** Takes state, status and what may be seen of the context; no output, no error, no input, no child. */
function shownSnapshot(snapshot: unknown): Frame {
  const { status, value, tags, context } = (snapshot ?? {}) as {
    readonly status?: string;
    readonly value?: unknown;
    readonly tags?: ReadonlySet<string>;
    readonly context?: unknown;
  };
  return {
    status: status ?? "active",
    ...(value === undefined ? {} : { value, tags: [...(tags ?? [])] }),
    context: shownFields(context),
  };
}

/** Says what the machine is; what it begins with is no part of that. */
function definitionOf(config: unknown): unknown {
  if (typeof config !== "object" || config === null) return undefined;
  const { context: _context, ...rest } = config as Readonly<Record<string, unknown>>;
  return rest;
}

function asInspection(shown: Pick<InspectionEvent, "type" | "rootId"> & Frame): InspectionEvent {
  // The package wants whole actors, and reads of them only what is shown here: no type of its own says so.
  return shown as unknown as InspectionEvent;
}

/** The same event without anything that is not shown; null for kinds that the inspector does not know. */
function shownInspection(event: InspectionEvent): InspectionEvent | null {
  const ref = asActor(event.actorRef);
  const { id, sessionId, logic, _parent } = ref;
  const parent = _parent === undefined ? {} : { _parent: { sessionId: _parent.sessionId } };
  const actorRef = { id, sessionId, logic: { config: definitionOf(logic.config) }, ...parent };
  const common = { rootId: event.rootId, actorRef };
  if (event.type === "@xstate.actor") {
    // An actor is announced before it has a snapshot; the package reads it a turn later.
    const getSnapshot = (): Frame => shownSnapshot(ref.getSnapshot());
    return asInspection({ ...common, type: event.type, actorRef: { ...actorRef, getSnapshot } });
  }
  if (event.type === "@xstate.event") {
    const source = event.sourceRef === undefined ? undefined : { sessionId: asActor(event.sourceRef).sessionId };
    return asInspection({ ...common, type: event.type, event: shownEvent(event.event), sourceRef: source });
  }
  if (event.type === "@xstate.snapshot") {
    const snapshot = shownSnapshot(event.snapshot);
    return asInspection({ ...common, type: event.type, event: shownEvent(event.event), snapshot });
  }
  return null;
}

/** `refs` are the actors that live when somebody connects, parents first. */
export function createStatelyFeed(refs: () => readonly AnyActorRef[]): StatelyFeed {
  const inspectors = new Set<Inspector>();
  const tell = (inspector: Inspector, event: InspectionEvent): void => {
    const shown = shownInspection(event);
    if (shown !== null) inspector.inspect.next?.(shown);
  };
  return {
    inspect: (event) => {
      for (const inspector of inspectors) tell(inspector, event);
    },
    connect: (send) => {
      let isConnected = true;
      // The package sends a little later than it is told: nothing is sent to whoever has left meanwhile.
      const inspector = createInspector({
        send: (frame) => {
          if (isConnected) send({ ...frame });
        },
      });
      const living = refs();
      const rootId = living[0] === undefined ? "" : asActor(living[0]).sessionId;
      for (const ref of living) {
        const { id, sessionId, logic, _parent } = asActor(ref);
        const snapshot = ref.getSnapshot();
        const actorRef = { id, sessionId, logic, _parent, getSnapshot: () => snapshot };
        tell(inspector, asInspection({ type: "@xstate.actor", actorRef, rootId }));
      }
      inspectors.add(inspector);
      return () => {
        isConnected = false;
        inspectors.delete(inspector);
      };
    },
  };
}
