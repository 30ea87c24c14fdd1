/** What docs/recovery.md says of decisions is what the rules decide, and what it names is there. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { errorCodes } from "../../src/core/error-codes.ts";
import { eventKinds } from "../../src/core/events.ts";
import { judgeBlame, sameSignatureWithinMs } from "../../src/recovery/blame.ts";
import type { ProbeVerdict } from "../../src/recovery/verdicts.ts";

const page = readFileSync(new URL("../../docs/recovery.md", import.meta.url), "utf8");
const verdicts: Readonly<Record<string, ProbeVerdict>> = {
  passed: "passed",
  failed: "failed",
  "no answer": "unknown",
  "not asked": "unknown",
};
const table = page
  .split("\n")
  .filter((line) => /^\| (?:passed|failed|no answer) \|/.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()));

describe("the page about decisions", () => {
  it.each(table)("says who is to blame%s: test render %s, failed phase %s, %s jobs: %s", (...cells) => {
    const [, testRender = "", failedPhase = "", jobCount = "", blamed] = cells;
    const experiment = {
      testRender: verdicts[testRender] ?? "unknown",
      failedPhase: verdicts[failedPhase] ?? "unknown",
      jobCount: Number(jobCount),
    };
    expect(judgeBlame(experiment)).toBe(blamed);
  });

  it("has a row for each way in which an experiment may turn out", () => {
    expect(new Set(table.map(([, , , , blamed]) => blamed))).toEqual(new Set(["job", "size", "route"]));
    expect(page).toContain(`within ${sameSignatureWithinMs / 60_000} min`);
  });

  it("names only rows and codes that there are", () => {
    const named = [...page.matchAll(/`([^`\s]+)`/g)].map(([, name = ""]) => name);
    const kinds = named.filter((name) => /^[a-z]+\.[a-zA-Z]+$/.test(name));
    const codes = named.filter((name) => /^[A-Z]+_[A-Z_]+$/.test(name));
    expect(kinds.filter((kind) => !(eventKinds as readonly string[]).includes(kind))).toEqual([]);
    expect(codes.filter((code) => !Object.hasOwn(errorCodes, code))).toEqual([]);
    expect([kinds.length > 5, codes.length > 1]).toEqual([true, true]);
  });
});
