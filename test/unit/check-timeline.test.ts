import { expect, it } from "vitest";
import { findLooseCasts, findUnwrittenKinds, judgeCasts } from "../../scripts/check-timeline.ts";

const source = (text: string, path = "src/a.ts") => ({ path, text });

it("finds a kind that nobody writes, also where somebody reads it", () => {
  const sources = [
    source('events.append([{ kind: "worker.killed", data: {} }]);'),
    source('const kind = isLate ? "disk.short" : "disk.recovered";'),
    source('tell({ type: "worker.exited", data: {} });', "src/machines/a.ts"),
    source('if (row.kind === "worker.adopted") show(row); const words = { "worker.adopted": () => "" };'),
    source('send({ type: "worker.danced" });'),
  ];
  const kinds = ["worker.killed", "disk.short", "disk.recovered", "worker.exited", "worker.adopted", "worker.danced"];
  expect(findUnwrittenKinds(kinds, sources)).toEqual(["worker.adopted", "worker.danced"]);
});

it.each([
  ["x as any", 1],
  ["x as never", 1],
  ["x as unknown as Y", 1],
  ["f(x as never) as never", 2],
  ["const x: any = 1", 1],
  ["x as Y; const z: unknown = x; type N = never;", 0],
])("counts the casts of %s", (text, count) => {
  expect(findLooseCasts(source(text))).toHaveLength(count);
});

it("allows six of them, each with its reason before it, and in the machines none", () => {
  const explained = "// The package's type leaves it out.\nx as never;\n";
  expect(judgeCasts([source(explained.repeat(6))])).toEqual([]);
  expect(judgeCasts([source(explained.repeat(7))])).toHaveLength(7);
  expect(judgeCasts([source("x as never;")])).toEqual(["src/a.ts:1 loose-cast-without-reason: x as never"]);
  expect(judgeCasts([source(explained, "src/machines/a.ts")])).toHaveLength(1);
});
