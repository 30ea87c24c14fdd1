/**
 * Checks the house rules of machine files on the loaded machines: nothing inline, every invoke with both ends, every
 * wait with a way out in time.
 */
import type { AnyStateMachine, AnyStateNode } from "xstate";

type Kind = "action" | "guard" | "actor" | "delay";
type Used = Readonly<Record<Kind, Set<string>>>;

const list = (value: unknown): readonly unknown[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

/** Promise logic resolves its promise when it starts; xstate marks it in no other way. */
export function isPromiseLogic(logic: unknown): boolean {
  const { start } = logic as { readonly start?: () => unknown };
  return start?.toString().includes("Promise.resolve") === true;
}

interface RawTransition {
  readonly guard?: unknown;
  readonly actions?: unknown;
}

interface RawInvoke {
  readonly src?: unknown;
  readonly onDone?: unknown;
  readonly onError?: unknown;
}

interface RawState {
  readonly description?: string;
  readonly type?: string;
  readonly output?: unknown;
  readonly entry?: unknown;
  readonly exit?: unknown;
  readonly invoke?: unknown;
  readonly always?: unknown;
  readonly on?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
  readonly onDone?: unknown;
}

function transitionsOf(raw: RawState): readonly RawTransition[] {
  const invokes = list(raw.invoke) as readonly RawInvoke[];
  const sources = [
    raw.always,
    raw.onDone,
    ...Object.values(raw.on ?? {}),
    ...Object.values(raw.after ?? {}),
    ...invokes.flatMap(({ onDone, onError }) => [onDone, onError]),
  ];
  return sources
    .flatMap(list)
    .filter((transition): transition is RawTransition => typeof transition === "object" && transition !== null);
}

function nameOf(reference: unknown, kind: Kind, where: string, problems: string[]): string | null {
  if (typeof reference === "string") return reference;
  const type = (reference as { readonly type?: unknown } | null)?.type;
  if (typeof reference === "object" && typeof type === "string") return type;
  problems.push(`${where}: an inline ${kind}`);
  return null;
}

function lintInvokes(
  node: AnyStateNode,
  raw: RawState,
  machine: AnyStateMachine,
  used: Used,
  problems: string[],
): void {
  for (const invoke of list(raw.invoke) as readonly RawInvoke[]) {
    const name = nameOf(invoke.src, "actor", node.id, problems);
    if (name === null) continue;
    used.actor.add(name);
    if (invoke.onError === undefined) problems.push(`${node.id}: the invoke of ${name} has no onError`);
    if (!isPromiseLogic(machine.implementations.actors[name] ?? {})) continue;
    if (invoke.onDone === undefined) problems.push(`${node.id}: the invoke of ${name} has no onDone`);
    if (!hasTimedWayOut(node)) problems.push(`${node.id}: the invoke of ${name} has no way out in time`);
  }
}

const hasTimedWayOut = (node: AnyStateNode | undefined): boolean =>
  node !== undefined && (Object.keys((node.config as RawState).after ?? {}).length > 0 || hasTimedWayOut(node.parent));

function lintNode(node: AnyStateNode, machine: AnyStateMachine, used: Used, problems: string[]): void {
  const raw = node.config as RawState;
  const isRoot = node.parent === undefined;
  if (!isRoot && (raw.description ?? "").trim() === "") problems.push(`${node.id}: no description`);
  if (node.type === "final" && raw.output === undefined && machine.config.output === undefined)
    problems.push(`${node.id}: no output`);
  const transitions = transitionsOf(raw);
  const actions = [
    ...list(raw.entry),
    ...list(raw.exit),
    ...transitions.flatMap((transition) => list(transition.actions)),
  ];
  for (const action of actions) {
    const name = nameOf(action, "action", node.id, problems);
    if (name !== null) used.action.add(name);
  }
  for (const { guard } of transitions) {
    const name = guard === undefined ? null : nameOf(guard, "guard", node.id, problems);
    if (name !== null) used.guard.add(name);
  }
  for (const delay of Object.keys(raw.after ?? {})) used.delay.add(delay);
  lintInvokes(node, raw, machine, used, problems);
  for (const child of Object.values(node.states)) lintNode(child, machine, used, problems);
}

/** Sentences about everything in a machine that the house rules forbid; empty when there is nothing. */
export function lintMachine(machine: AnyStateMachine): readonly string[] {
  const problems: string[] = [];
  const used: Used = { action: new Set(), guard: new Set(), actor: new Set(), delay: new Set() };
  lintNode(machine.root, machine, used, problems);
  const { actions, guards, actors, delays } = machine.implementations;
  const implemented: Readonly<Record<Kind, object>> = { action: actions, guard: guards, actor: actors, delay: delays };
  for (const kind of ["action", "guard", "actor", "delay"] as const) {
    const names = Object.keys(implemented[kind]);
    for (const name of used[kind]) if (!names.includes(name)) problems.push(`the ${kind} ${name} is not implemented`);
    // Spawned actors and combined guards are named in code, where this lint cannot see them.
    const unused = kind === "actor" ? [] : names.filter((name) => !used[kind].has(name));
    for (const name of unused) problems.push(`the ${kind} ${name} is never used`);
  }
  return problems;
}
