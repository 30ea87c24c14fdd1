/** Draws a chart as Mermaid text, which code hosts render by themselves and in which a diff shows what changed. */
import type { Chart, ChartState } from "../../src/core/ports/machine-feed.ts";
import { anyStateId } from "../../src/telemetry/chart.ts";

const idOf = (id: string): string => id.replaceAll(/[^A-Za-z0-9]/g, "_");
/** Colons and semicolons end a label in Mermaid. */
const textOf = (text: string): string => text.replaceAll(/[:;#]/g, " ");

function linesOf(state: ChartState, indent: string): string[] {
  const id = idOf(state.id);
  const final = state.isFinal ? [`${indent}${id} --> [*]`] : [];
  const initial = state.isInitial ? [`${indent}[*] --> ${id}`] : [];
  if (state.children.length === 0) {
    const tags = state.tags.length === 0 ? "" : ` (${state.tags.join(", ")})`;
    return [`${indent}state "${textOf(state.name + tags)}" as ${id}`, ...initial, ...final];
  }
  const inner = state.children.flatMap((child, index) => [
    ...(state.isParallel && index > 0 ? [`${indent}  --`] : []),
    ...linesOf(child, `${indent}  `),
  ]);
  return [`${indent}state "${textOf(state.name)}" as ${id} {`, ...inner, `${indent}}`, ...initial];
}

/** Mermaid's stateDiagram-v2 of a chart. */
export function drawMermaid(chart: Chart): string {
  const any = chart.hasAnyState ? [`  state "any state" as ${anyStateId}`] : [];
  const states = chart.states.flatMap((state) => linesOf(state, "  "));
  const edges = chart.edges.map(
    ({ from, to, labels }) => `  ${idOf(from)} --> ${idOf(to)}: ${textOf(labels.join(" | "))}`,
  );
  return ["stateDiagram-v2", ...any, ...states, ...edges, ""].join("\n");
}
