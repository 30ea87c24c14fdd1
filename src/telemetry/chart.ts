/**
 * Reads a machine's states and transitions for drawing. The pictures in `visualizations/` and the live page show the
 * same chart.
 */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from "xstate";
import type { Chart, ChartState } from "../core/ports/machine-feed.ts";

export const anyStateId = "any";

const typeOf = (reference: unknown): string =>
  typeof reference === "string" ? reference : String((reference as { readonly type?: unknown }).type);

/** Shortens `xstate.after.suspendMs.recovery.diagnosing` to `after suspendMs`. */
function eventLabel(eventType: string): string {
  const after = /^xstate\.after\.([^.]+)\./.exec(eventType)?.[1];
  if (after !== undefined) return `after ${after}`;
  if (eventType.startsWith("xstate.done.")) return "done";
  if (eventType.startsWith("xstate.error.")) return "error";
  return eventType;
}

function transitionLabel(definition: AnyTransitionDefinition): string {
  const guard = definition.guard === undefined ? "" : ` [${typeOf(definition.guard)}]`;
  return `${eventLabel(definition.eventType)}${guard}`.trim() || "always";
}

function stateOf(node: AnyStateNode): ChartState {
  const { parent } = node;
  const isInitial =
    parent !== undefined &&
    (parent.type === "parallel" || parent.initial.target.some((target) => target.id === node.id));
  return {
    id: node.id,
    name: node.key,
    description: node.description ?? "",
    tags: node.tags,
    actors: node.invoke.map((invoke) => typeOf(invoke.src)),
    isInitial,
    isFinal: node.type === "final",
    isParallel: node.type === "parallel",
    children: Object.values(node.states).map(stateOf),
  };
}

function definitionsOf(node: AnyStateNode): AnyTransitionDefinition[] {
  const own = [...node.transitions.values()].flat().concat(node.always ?? []);
  return [...own, ...Object.values(node.states).flatMap(definitionsOf)];
}

/** Lists what is drawn of a machine: states with tags and actors, and their transitions; internal ones are left out. */
export function chartOf(name: string, machine: AnyStateMachine): Chart {
  const edges = new Map<string, { from: string; to: string; labels: string[] }>();
  for (const definition of definitionsOf(machine.root)) {
    for (const target of definition.target ?? []) {
      const from = definition.source === machine.root ? anyStateId : definition.source.id;
      const edge = edges.get(`${from}→${target.id}`) ?? { from, to: target.id, labels: [] };
      const label = transitionLabel(definition);
      if (!edge.labels.includes(label)) edge.labels.push(label);
      edges.set(`${from}→${target.id}`, edge);
    }
  }
  const list = [...edges.values()];
  return {
    id: machine.id,
    name,
    states: Object.values(machine.root.states).map(stateOf),
    edges: list,
    hasAnyState: list.some((edge) => edge.from === anyStateId),
  };
}

/** Lists every state of a chart, parents before their children. */
export const flatten = (states: readonly ChartState[]): readonly ChartState[] =>
  states.flatMap((state) => [state, ...flatten(state.children)]);
