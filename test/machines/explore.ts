/**
 * Walks through every reachable state of a machine by its pure transitions. It finds states without a way out, which no
 * chosen sequence of events would.
 */
import {
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type AnyStateNode,
  getNextTransitions,
  initialTransition,
  transition,
} from "xstate";

/** A clock that the explorer sets before each transition; guards on time are tried on both sides of every deadline. */
export const explorationClock = { atMs: 0, startMs: 1_000_000_000, nowMs: (): number => explorationClock.atMs };
const { startMs } = explorationClock;
/** Longer than every window in which something past still counts. */
const recentMs = 86_400_000;
/** Past every deadline that any machine sets. */
const muchLaterMs = 365 * recentMs;

export interface SampleEvent {
  readonly type: string;
  /** Only a person sends it; nothing may depend on it. */
  readonly isOperator?: boolean;
  readonly [key: string]: unknown;
}

/** The bounded world around a machine, part of the explored state. Null: the event cannot happen now. */
type World = Readonly<Record<string, number>>;

export interface Exploration {
  readonly machine: AnyStateMachine;
  /** Every way in which the machine may be started. */
  readonly inputs: readonly Readonly<Record<string, unknown>>[];
  /** One sample, or several, of each event that may come from outside. */
  readonly events: readonly SampleEvent[];
  /** Every output that matters, for each actor source. */
  readonly outputs: Readonly<Record<string, readonly unknown[]>>;
  readonly world?: World;
  readonly stepWorld?: (world: World, event: SampleEvent, path: string) => World | null;
  /** Context fields that never change or never decide. */
  readonly omit: readonly string[];
  /** Writes values that no later transition tells apart alike: what is written before it is read, a deadline that is absent or past. */
  readonly canonical?: (path: string, context: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
  /** Counters, and up to which value they are told apart. */
  readonly caps?: Readonly<Record<string, number>>;
  /** States in which waiting for an event without a deadline is right; every other state has a way out in time. */
  readonly restsIn?: readonly string[];
  /** Tags that must stay reachable from every state, each on its own and without a person. */
  readonly staysReachable: readonly string[];
  /** The machine may end instead: a person has asked it to. */
  readonly mayEnd?: boolean;
  /** Sentences about a state that must not be. */
  readonly problemsOf?: (state: ReachedState) => readonly string[];
}

export interface ReachedState {
  readonly key: string;
  readonly path: string;
  readonly tags: ReadonlySet<string>;
  readonly isDone: boolean;
  readonly hasTimedWayOut: boolean;
  readonly context: Readonly<Record<string, unknown>>;
  readonly world: World;
}

export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly event: string;
  readonly isOperator: boolean;
  readonly isTimed: boolean;
}

export interface Graph {
  readonly states: ReadonlyMap<string, ReachedState>;
  readonly edges: readonly Edge[];
  readonly seconds: number;
}

const stateCeiling = 20_000;

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
const isTime = (key: string): boolean => /(?:AtMs|UntilMs|untilMs)$/.test(key);

/** Moves every absolute time back by `shiftMs`, so that the next transition starts at the same instant again. */
function shiftTimes(value: unknown, shiftMs: number, omit: readonly string[], key = ""): unknown {
  if (typeof value === "number") return isTime(key) ? value - shiftMs : value;
  if (Array.isArray(value)) return value.map((item) => shiftTimes(item, shiftMs, omit, key));
  if (!isPlain(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      omit.includes(name) ? inner : shiftTimes(inner, shiftMs, omit, name),
    ]),
  );
}

/** What tells two states apart: absolute times become past or future, counters are capped, functions and actors vanish. */
function reduce(value: unknown, spec: Exploration, key = ""): unknown {
  if (typeof value === "number") {
    if (isTime(key)) return value > startMs ? "future" : value > startMs - recentMs ? "past" : "long past";
    return Math.min(value, spec.caps?.[key] ?? Number.POSITIVE_INFINITY);
  }
  if (Array.isArray(value))
    return value.slice(0, spec.caps?.[key] ?? value.length).map((item) => reduce(item, spec, key));
  if (!isPlain(value))
    return typeof value === "object" && value !== null
      ? `<${value.constructor?.name}>`
      : typeof value === "function"
        ? null
        : value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !spec.omit.includes(name))
      .map(([name, inner]) => [name, reduce(inner, spec, name)]),
  );
}

function pathOf(value: unknown): string {
  return typeof value === "string"
    ? value
    : Object.entries(value as object)
        .map(([key, inner]) => `${key}.${pathOf(inner)}`)
        .join("+");
}

/** Invoke id → actor source, over the whole machine. */
function sourcesOf(node: AnyStateNode): Map<string, string> {
  const own = node.invoke.map((invoke): [string, string] => [invoke.id, invoke.src as string]);
  return new Map([...own, ...Object.values(node.states).flatMap((child) => [...sourcesOf(child)])]);
}

/** Timers and ends of invoked actors that the snapshot itself waits for. */
function pendingEvents(
  snapshot: AnyMachineSnapshot,
  sources: ReadonlyMap<string, string>,
  spec: Exploration,
): SampleEvent[] {
  const types = new Set(getNextTransitions(snapshot).map((next) => next.eventType));
  return [...types].flatMap((type): SampleEvent[] => {
    if (type.startsWith("xstate.after.")) return [{ type }];
    const [, kind, id] = /^xstate\.(done|error)\.actor\.(.+)$/.exec(type) ?? [];
    if (kind === undefined || id === undefined) return [];
    if (kind === "error") return [{ type, actorId: id, error: new Error("explored") }];
    const source = sources.get(id) ?? id;
    const outputs = spec.outputs[source];
    if (outputs === undefined)
      throw new Error(`the exploration of ${spec.machine.id} has no outputs for the actor ${source}`);
    return outputs.map((output) => ({ type, actorId: id, output }));
  });
}

interface Node {
  readonly snapshot: AnyMachineSnapshot;
  readonly state: ReachedState;
}

/** A state that was seen before is not looked at again. */
function nodeOf(
  snapshot: AnyMachineSnapshot,
  world: World,
  spec: Exploration,
  seen: ReadonlyMap<string, ReachedState>,
): Node {
  const context = snapshot.context as Record<string, unknown>;
  const path = pathOf(snapshot.value);
  const isDone = snapshot.status === "done";
  const canonical = isDone ? {} : (spec.canonical?.(path, context) ?? context);
  const key = JSON.stringify([path, reduce(canonical, spec), isDone ? {} : world]);
  const known = seen.get(key);
  if (known !== undefined) return { snapshot, state: known };
  const isTimed = getNextTransitions(snapshot).some((next) => next.eventType.startsWith("xstate.after."));
  return {
    snapshot,
    state: { key, path, tags: snapshot.tags as ReadonlySet<string>, isDone, hasTimedWayOut: isTimed, context, world },
  };
}

function stepsFrom(
  node: Node,
  spec: Exploration,
  sources: ReadonlyMap<string, string>,
  seen: ReadonlyMap<string, ReachedState>,
): { readonly event: SampleEvent; readonly node: Node }[] {
  if (node.state.isDone) return [];
  const events = [...pendingEvents(node.snapshot, sources, spec), ...spec.events];
  return events.flatMap((event) => {
    const world =
      spec.stepWorld === undefined ? node.state.world : spec.stepWorld(node.state.world, event, node.state.path);
    if (world === null) return [];
    return [0, muchLaterMs].map((laterMs) => {
      explorationClock.atMs = startMs + laterMs;
      const [next] = transition(spec.machine, node.snapshot, event as never) as [AnyMachineSnapshot, unknown];
      if (next.status === "error")
        throw new Error(`${spec.machine.id} ended by an error in ${node.state.path} on ${event.type}`, {
          cause: next.error,
        });
      const context = shiftTimes(next.context, laterMs, spec.omit);
      return { event, node: nodeOf({ ...next, context } as AnyMachineSnapshot, world, spec, seen) };
    });
  });
}

/** Every state that the machine can reach, breadth first, over pure transitions. Throws above the ceiling. */
export function explore(spec: Exploration): Graph {
  const { stackTraceLimit } = Error;
  // A pure transition builds a machine without input first, and drops the error; where it was thrown costs a third of the time.
  Error.stackTraceLimit = 0;
  try {
    return exploreAll(spec);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function exploreAll(spec: Exploration): Graph {
  const beganAt = process.resourceUsage().userCPUTime;
  const sources = sourcesOf(spec.machine.root);
  const states = new Map<string, ReachedState>();
  const edges = new Map<string, Edge>();
  const queue: Node[] = [];
  const visit = (node: Node): void => {
    if (states.has(node.state.key)) return;
    if (states.size >= stateCeiling)
      throw new Error(`${spec.machine.id} has more than ${stateCeiling} states; bound its context`);
    states.set(node.state.key, node.state);
    queue.push(node);
  };
  for (const input of spec.inputs) {
    explorationClock.atMs = startMs;
    const [snapshot] = initialTransition(spec.machine, input as never) as [AnyMachineSnapshot, unknown];
    visit(nodeOf(snapshot, spec.world ?? {}, spec, states));
  }
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    for (const { event, node: next } of stepsFrom(node, spec, sources, states)) {
      const edge = {
        from: node.state.key,
        to: next.state.key,
        event: event.type,
        isOperator: event.isOperator === true,
        isTimed: event.type.startsWith("xstate.after."),
      };
      edges.set(`${edge.from}→${edge.to}→${edge.event}`, edge);
      visit(next);
    }
  }
  return { states, edges: [...edges.values()], seconds: (process.resourceUsage().userCPUTime - beganAt) / 1e6 };
}

/** Keys of the states from which some state with `isGoal` can be reached over edges with `isAllowed`. */
export function canReach(
  graph: Graph,
  isGoal: (state: ReachedState) => boolean,
  isAllowed: (edge: Edge) => boolean = () => true,
): ReadonlySet<string> {
  const into = new Map<string, string[]>();
  for (const edge of graph.edges) if (isAllowed(edge)) into.set(edge.to, [...(into.get(edge.to) ?? []), edge.from]);
  const reached = new Set([...graph.states.values()].filter(isGoal).map((state) => state.key));
  const queue = [...reached];
  for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
    for (const from of into.get(key) ?? []) {
      if (reached.has(from)) continue;
      reached.add(from);
      queue.push(from);
    }
  }
  return reached;
}

/** The longest way through the states with `isInside`, in edges; null when there is a cycle among them. Self-loops do not count. */
export function longestWay(
  graph: Graph,
  isInside: (state: ReachedState) => boolean,
  isAllowed: (edge: Edge) => boolean,
): number | null {
  const next = new Map<string, string[]>();
  const inside = new Set([...graph.states.values()].filter(isInside).map((state) => state.key));
  for (const edge of graph.edges) {
    if (edge.from === edge.to || !isAllowed(edge) || !inside.has(edge.from) || !inside.has(edge.to)) continue;
    next.set(edge.from, [...(next.get(edge.from) ?? []), edge.to]);
  }
  const lengths = new Map<string, number>();
  const onWay = new Set<string>();
  const walk = (key: string): number | null => {
    const known = lengths.get(key);
    if (known !== undefined) return known;
    if (onWay.has(key)) return null;
    onWay.add(key);
    let longest = 0;
    for (const to of next.get(key) ?? []) {
      const length = walk(to);
      if (length === null) return null;
      longest = Math.max(longest, length + 1);
    }
    onWay.delete(key);
    lengths.set(key, longest);
    return longest;
  };
  let longest = 0;
  for (const key of inside) {
    const length = walk(key);
    if (length === null) return null;
    longest = Math.max(longest, length);
  }
  return longest;
}
