/** What docs/operations.md says of drills is what the drills are. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Drill, drills } from "../../src/app/drills/drill-list.ts";
import { type DrillStage, drillStages } from "../../src/core/drill.ts";
import { secondMs } from "../../src/core/units.ts";

const page = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
const [, section = ""] = /\n## Drills\n(.*?)\n## /s.exec(page) ?? [];
const rows = section
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

const limitText = ({ limits }: Drill, stage: DrillStage): string => {
  const limitMs = limits[stage];
  return limitMs === undefined ? "–" : `${limitMs / secondMs} s`;
};

describe("the page about drills", () => {
  it("has a row for every drill, with what it does and its limits", () => {
    const listed = drills.map((drill) => [
      `\`${drill.name}\``,
      drill.description,
      ...drillStages.map((stage) => limitText(drill, stage)),
    ]);
    expect(rows).toEqual(listed);
  });

  it("names every drill that shows more than its stages, and no other", () => {
    const [, more = ""] = /\nSome show more: (.*?) Of `/s.exec(`${section}\n\n`) ?? [];
    const named = [...more.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name);
    const showing = drills.filter(({ shows = [] }) => shows.length > 0).map(({ name }) => name);
    expect(new Set(named)).toEqual(new Set(showing));
  });

  it("says which drill the service is told nothing of, and which needs two workers", () => {
    const [, named = ""] = /Of ([^.]*?) the service is\ntold nothing/.exec(section) ?? [];
    expect(drills.filter(({ isSecret }) => isSecret === true).map(({ name }) => `\`${name}\``)).toEqual(
      named.split(" and "),
    );
    expect(drills.filter(({ workerCount = 1 }) => workerCount > 1).map(({ name }) => name)).toEqual([
      "bad-request-two-workers",
    ]);
    expect(section).toContain("`bad-request-two-workers` needs two of them");
  });
});
