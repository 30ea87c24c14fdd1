import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { plantedBugs } from "../../scripts/planted/all-bugs.ts";
import { planted } from "../../scripts/planted/find-bug.ts";

const inProject = (path: string): URL => new URL(`../../${path}`, import.meta.url);

describe("the planted bugs", () => {
  it.each(plantedBugs.map((bug) => [bug.name, bug] as const))(
    "%s: is planted in one place that there is",
    (_name, bug) => {
      const text = readFileSync(inProject(bug.file), "utf8");
      expect(planted(bug, text)).not.toBe(text);
    },
  );

  it("are many, each with a name of its own", () => {
    const names = new Set(plantedBugs.map(({ name }) => name));
    expect(names.size).toBe(plantedBugs.length);
    expect(names.size).toBeGreaterThanOrEqual(25);
  });

  it.each([...new Set(plantedBugs.flatMap(({ tests }) => tests))])("%s, which is to find some, is there", (path) => {
    expect(existsSync(inProject(path))).toBe(true);
  });
});
