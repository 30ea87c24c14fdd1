/** Lays a chart out with ELK and draws it as an SVG that needs no script and no font of its own. */
import elkBundle, { type ELK, type ElkExtendedEdge, type ElkNode, type ElkPoint } from "elkjs/lib/elk.bundled.js";
import type { Chart, ChartEdge, ChartState } from "../../src/core/ports/machine-feed.ts";
import { anyStateId } from "../../src/telemetry/chart.ts";

/** Under nodenext the bundle's default import has no construct signature. */
const Elk = elkBundle as unknown as new () => ELK;

const sizes = { name: 13, small: 10.5, label: 10.5, character: 0.58, padding: 12, line: 15 } as const;
/** More lines than this on one arrow hide the chart; the Mermaid file has them all. */
const labelLineCount = 4;

const layoutOptions = {
  "elk.algorithm": "layered",
  "elk.direction": "DOWN",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.json.edgeCoords": "ROOT",
  "elk.json.shapeCoords": "ROOT",
  "elk.layered.spacing.nodeNodeBetweenLayers": "38",
  "elk.spacing.nodeNode": "34",
  "elk.spacing.edgeEdge": "14",
  "elk.spacing.edgeNode": "18",
  "elk.edgeLabels.placement": "CENTER",
  "elk.padding": "[top=20,left=20,bottom=20,right=20]",
};

const styles = `
  .chart { font-family: ui-sans-serif, system-ui, sans-serif; }
  .paper { fill: #ffffff; }
  .state { fill: #f6f8fa; stroke: #57606a; stroke-width: 1.2; }
  .group { fill: none; stroke: #8c959f; stroke-dasharray: 5 3; }
  .final { stroke-width: 3; }
  .name { fill: #1f2328; font-weight: 600; }
  .small { fill: #57606a; }
  .edge { fill: none; stroke: #0969da; stroke-width: 1.1; }
  .head { fill: #0969da; }
  .start { fill: #1f2328; }
  .label { fill: #0a3069; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; }
    .state { fill: #161b22; stroke: #8b949e; }
    .group { stroke: #6e7681; }
    .name { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .edge { stroke: #58a6ff; }
    .head { fill: #58a6ff; }
    .start { fill: #e6edf3; }
    .label { fill: #a5d6ff; }
  }`;

const widthOf = (text: string, size: number): number => text.length * size * sizes.character;
const escapeText = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const round = (value: number | undefined): number => Math.round((value ?? 0) * 10) / 10;

function captionOf(state: ChartState): readonly string[] {
  return [...(state.tags.length === 0 ? [] : [state.tags.join(" · ")]), ...state.actors.map((actor) => `▸ ${actor}`)];
}

function nodeOf(state: ChartState): ElkNode {
  const captions = captionOf(state);
  const width =
    Math.max(widthOf(state.name, sizes.name + 1), ...captions.map((caption) => widthOf(caption, sizes.small))) +
    2 * sizes.padding;
  const headHeight = 2 * sizes.padding + sizes.line * (0.6 + captions.length);
  if (state.children.length === 0) return { id: state.id, width: Math.max(90, width), height: headHeight };
  const padding = `[top=${headHeight + 8},left=20,bottom=20,right=20]`;
  const options = {
    ...layoutOptions,
    "elk.padding": padding,
    "elk.nodeSize.constraints": "MINIMUM_SIZE",
    "elk.nodeSize.minimum": `(${width}, 60)`,
  };
  return { id: state.id, layoutOptions: options, children: state.children.map(nodeOf) };
}

function shownLabels({ labels }: ChartEdge): readonly string[] {
  return labels.length <= labelLineCount
    ? labels
    : [...labels.slice(0, labelLineCount - 1), `and ${labels.length - labelLineCount + 1} more`];
}

function edgeOf(edge: ChartEdge, index: number): ElkExtendedEdge {
  const lines = shownLabels(edge);
  const label = {
    text: lines.join("\n"),
    width: Math.max(...lines.map((line) => widthOf(line, sizes.label))) + 6,
    height: lines.length * 13,
  };
  return { id: `edge${index}`, sources: [edge.from], targets: [edge.to], labels: [label] };
}

function drawState(state: ChartState, placed: ReadonlyMap<string, ElkNode>): string {
  const box = placed.get(state.id);
  const [x, y] = [round(box?.x), round(box?.y)];
  const kind = state.children.length > 0 ? "group" : state.isFinal ? "state final" : "state";
  const captions = captionOf(state).map(
    (caption, index) =>
      `<text class="small" x="${x + sizes.padding}" y="${round(y + 35 + index * sizes.line)}" font-size="${sizes.small}">${escapeText(caption)}</text>`,
  );
  return [
    `<g data-state="${state.id.slice(state.id.indexOf(".") + 1)}"><title>${escapeText(state.description)}</title>`,
    `<rect class="${kind}" x="${x}" y="${y}" width="${round(box?.width)}" height="${round(box?.height)}" rx="9"/>`,
    state.isInitial ? `<circle class="start" cx="${x}" cy="${y}" r="5"/>` : "",
    `<text class="name" x="${x + sizes.padding}" y="${y + 20}" font-size="${sizes.name}">${escapeText(state.name)}</text>`,
    ...captions,
    "</g>",
    ...state.children.map((child) => drawState(child, placed)),
  ]
    .filter((line) => line !== "")
    .join("\n");
}

/** A triangle at the end of an arrow; markers are not drawn by every viewer. */
function drawHead(before: ElkPoint, tip: ElkPoint): string {
  const along = { x: Math.sign(tip.x - before.x), y: Math.sign(tip.y - before.y) };
  const base = { x: tip.x - along.x * 8, y: tip.y - along.y * 8 };
  const points = [
    tip,
    { x: base.x + along.y * 4, y: base.y + along.x * 4 },
    { x: base.x - along.y * 4, y: base.y - along.x * 4 },
  ];
  return `<path class="head" d="M ${points.map(({ x, y }) => `${round(x)} ${round(y)}`).join(" L ")} Z"/>`;
}

function drawEdge(edge: ElkExtendedEdge): string {
  const paths = (edge.sections ?? []).map(({ startPoint, bendPoints, endPoint }) => {
    const points = [startPoint, ...(bendPoints ?? []), endPoint];
    const line = points.map((point) => `${round(point.x)} ${round(point.y)}`).join(" L ");
    return `<path class="edge" d="M ${line}"/>${drawHead(points.at(-2) ?? startPoint, endPoint)}`;
  });
  return paths.join("\n");
}

function drawLabels(edge: ElkExtendedEdge): string {
  return (edge.labels ?? [])
    .flatMap(({ text, x, y, width, height }) => [
      `<rect class="paper" x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="3"/>`,
      ...(text ?? "").split("\n").map((line, index) => {
        const [left, base] = [round((x ?? 0) + 3), round((y ?? 0) + 10 + index * 13)];
        return `<text class="label" x="${left}" y="${base}" font-size="${sizes.label}">${escapeText(line)}</text>`;
      }),
    ])
    .join("\n");
}

const placedNodes = (node: ElkNode): [string, ElkNode][] => [
  [node.id, node],
  ...(node.children ?? []).flatMap(placedNodes),
];

/** The chart as one SVG that fits light and dark pages. The same chart always gives the same bytes. */
export async function drawSvg(chart: Chart): Promise<string> {
  const any: ChartState = {
    id: anyStateId,
    name: "any state",
    description: "Holds in every state.",
    tags: [],
    actors: [],
    isInitial: false,
    isFinal: false,
    isParallel: false,
    children: [],
  };
  const states = chart.hasAnyState ? [any, ...chart.states] : chart.states;
  const graph: ElkNode = { id: "root", layoutOptions, children: states.map(nodeOf), edges: chart.edges.map(edgeOf) };
  const laidOut = await new Elk().layout(graph);
  const placed = new Map(placedNodes(laidOut));
  const edges = laidOut.edges ?? [];
  const [width, height] = [round(laidOut.width), round(laidOut.height)];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" class="chart" role="img" aria-label="Statechart ${chart.id}">`,
    `<style>${styles}\n</style>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    ...states.map((state) => drawState(state, placed)),
    ...edges.map(drawEdge),
    ...edges.map(drawLabels),
    "</svg>",
    "",
  ].join("\n");
}
