/**
 * Makes the contents of `visualizations/`: an index, a Mermaid file and an SVG for each machine; and tells which of the
 * files there are stale. `npm run visualize` writes them, `npm run check` compares them.
 */
import type { Chart } from "../../src/core/ports/machine-feed.ts";
import { chartOf, flatten } from "../../src/telemetry/chart.ts";
import { drawMermaid } from "./draw-mermaid.ts";
import { drawSvg } from "./draw-svg.ts";
import { loadMachines } from "./machine-files.ts";

function drawIndex(charts: readonly Chart[]): string {
  const sections = charts.map((chart) => {
    const rows = flatten(chart.states).map(
      ({ id, description, tags }) => `| \`${id.replace(`${chart.id}.`, "")}\` | ${tags.join(", ")} | ${description} |`,
    );
    return [
      `## ${chart.name}`,
      "",
      `![Statechart of ${chart.name}](${chart.name}.svg)`,
      "",
      `As Mermaid: [${chart.name}.mmd](${chart.name}.mmd)`,
      "",
      "| state | tags | what it means |",
      "|---|---|---|",
      ...rows,
      "",
    ].join("\n");
  });
  return [
    "# Statecharts",
    "",
    "Drawn from the machines in `src/machines` by `node scripts/visualize.ts`; a test fails when they are not current. An arrow names its event and, in brackets, its guard; `▸` marks an actor that runs while the state lasts. Internal transitions are left out.",
    "",
    ...sections,
  ].join("\n");
}

/** Every generated file by its name in this folder. */
export async function drawAll(): Promise<ReadonlyMap<string, string>> {
  const machines = await loadMachines();
  const charts = machines.map(({ name, machine }) => chartOf(name, machine));
  const files = new Map<string, string>([["README.md", drawIndex(charts)]]);
  for (const chart of charts) {
    files.set(`${chart.name}.mmd`, drawMermaid(chart));
    files.set(`${chart.name}.svg`, await drawSvg(chart));
  }
  return files;
}

const isGenerated = (name: string): boolean => name === "README.md" || name.endsWith(".svg") || name.endsWith(".mmd");

/** Sentences about files that are not what the machines say; empty when all are current. */
export function listStale(
  wanted: ReadonlyMap<string, string>,
  present: ReadonlyMap<string, string>,
): readonly string[] {
  const stale = [...wanted]
    .filter(([name, text]) => present.get(name) !== text)
    .map(([name]) => `${name} is not current; run node scripts/visualize.ts`);
  const extra = [...present.keys()]
    .filter((name) => isGenerated(name) && !wanted.has(name))
    .map((name) => `${name} belongs to no machine; delete it`);
  return [...stale, ...extra];
}
