import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { setup } from "xstate";
import { drawAll, listStale } from "../../scripts/statecharts/draw-all.ts";
import { drawMermaid } from "../../scripts/statecharts/draw-mermaid.ts";
import { drawSvg } from "../../scripts/statecharts/draw-svg.ts";
import { loadMachines } from "../../scripts/statecharts/machine-files.ts";
import { chartOf, flatten } from "../../src/telemetry/chart.ts";

const folder = new URL("../../visualizations/", import.meta.url);
const present = new Map(
  readdirSync(folder).map((name): [string, string] => [name, readFileSync(new URL(name, folder), "utf8")]),
);

describe("the drawn statecharts", () => {
  it("are current", async () => {
    expect(listStale(await drawAll(), present)).toEqual([]);
  });
  it("show every state of every machine", async () => {
    for (const { name, machine } of await loadMachines()) {
      const names = flatten(chartOf(name, machine).states).map((state) => state.name);
      expect(
        names.filter((state) => !present.get(`${name}.svg`)?.includes(`>${state}</text>`)),
        name,
      ).toEqual([]);
    }
  });
});

describe("the drawing", () => {
  const machine = setup({ guards: { holds: () => true }, delays: { waitMs: 1 } }).createMachine({
    id: "toy",
    initial: "first",
    on: { stop: { target: ".last" } },
    states: {
      first: { description: "One.", tags: ["busy"], after: { waitMs: { guard: "holds", target: "pair.inner" } } },
      pair: { initial: "inner", states: { inner: { on: { "a.happened": { target: "#toy.last" } } } } },
      last: { type: "final" },
    },
  });
  const chart = chartOf("toy", machine);
  it("names event and guard of each transition, and those that hold everywhere", () => {
    expect(chart.edges).toEqual([
      { from: "any", to: "toy.last", labels: ["stop"] },
      { from: "toy.first", to: "toy.pair.inner", labels: ["after waitMs [holds]"] },
      { from: "toy.pair.inner", to: "toy.last", labels: ["a.happened"] },
    ]);
  });
  it("is the same bytes each time", async () => {
    expect(await drawSvg(chart)).toBe(await drawSvg(chart));
  });
  it("is a Mermaid state diagram with nested states, a start and an end", () => {
    const text = drawMermaid(chart);
    expect(text.startsWith("stateDiagram-v2\n")).toBe(true);
    for (const line of [
      "[*] --> toy_first",
      'state "pair" as toy_pair {',
      "toy_last --> [*]",
      "toy_first --> toy_pair_inner: after waitMs [holds]",
    ]) {
      expect(text).toContain(line);
    }
  });
  it("that changed, went missing or is left over is reported", () => {
    const wanted = new Map([
      ["a.svg", "1"],
      ["b.svg", "2"],
    ]);
    expect(
      listStale(
        wanted,
        new Map([
          ["a.svg", "1"],
          ["b.svg", "3"],
          ["c.mmd", ""],
          ["chart.ts", ""],
        ]),
      ),
    ).toHaveLength(2);
    expect(listStale(wanted, wanted)).toEqual([]);
  });
});
