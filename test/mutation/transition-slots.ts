/** The raw configuration of one state, as far as mutation changes it. */
export interface RawState {
  id?: string;
  initial?: string;
  on?: Record<string, unknown>;
  after?: Record<string, unknown>;
  always?: unknown;
  onDone?: unknown;
  invoke?: unknown;
  states?: Record<string, RawState>;
  options?: { maxIterations: number };
}

export interface RawTransition {
  target?: string;
  guard?: unknown;
  readonly [key: string]: unknown;
}

interface RawInvoke {
  readonly src?: unknown;
  onDone?: unknown;
  onError?: unknown;
}

/** One place of a state that holds transitions, to be read and written. */
export interface Slot {
  /** Keys from the root to the state. */
  readonly path: readonly string[];
  /** `on worker.exited`, `after stallMs`, `always`, `onDone of claimJob`. */
  readonly label: string;
  readonly isDelay: boolean;
  readonly transitions: readonly RawTransition[];
  /** An empty list takes the whole slot away. */
  readonly write: (transitions: readonly RawTransition[]) => void;
}

const listOf = (value: unknown): readonly unknown[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];
const transitionsOf = (value: unknown): RawTransition[] =>
  listOf(value).map((one) => (typeof one === "string" ? { target: one } : (one as RawTransition)));

function slotOf(owner: object, key: string, at: Pick<Slot, "path" | "label">, isDelay = false): Slot {
  const record = owner as Record<string, unknown>;
  return {
    ...at,
    isDelay,
    transitions: transitionsOf(record[key]),
    write: (transitions) => {
      if (transitions.length === 0) delete record[key];
      else record[key] = transitions;
    },
  };
}

function ownSlots(state: RawState, path: readonly string[]): Slot[] {
  const { on = {}, after = {} } = state;
  const invokes = listOf(state.invoke) as readonly RawInvoke[];
  const present = (owner: object, key: string): boolean => (owner as Record<string, unknown>)[key] !== undefined;
  return [
    ...(["always", "onDone"] as const)
      .filter((key) => present(state, key))
      .map((key) => slotOf(state, key, { path, label: key })),
    ...Object.keys(on).map((event) => slotOf(on, event, { path, label: `on ${event}` })),
    ...Object.keys(after).map((delay) => slotOf(after, delay, { path, label: `after ${delay}` }, true)),
    ...invokes.flatMap((invoke) =>
      (["onDone", "onError"] as const)
        .filter((key) => present(invoke, key))
        .map((key) => slotOf(invoke, key, { path, label: `${key} of ${String(invoke.src)}` })),
    ),
  ];
}

/** Every slot of a configuration, in its order. */
export function slotsOf(state: RawState, path: readonly string[] = []): readonly Slot[] {
  return [
    ...ownSlots(state, path),
    ...Object.entries(state.states ?? {}).flatMap(([key, child]) => slotsOf(child, [...path, key])),
  ];
}

/** A copy of its own down to the functions, which stay the same. */
export function copyConfig<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(copyConfig) as Value;
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyConfig(inner)])) as Value;
}
