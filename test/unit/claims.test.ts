import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/parse-config.ts";
import { minuteMs, secondMs } from "../../src/core/units.ts";

const root = new URL("../../", import.meta.url).pathname;
const page = readFileSync(`${root}docs/claims.md`, "utf8");

interface Claim {
  readonly claim: string;
  readonly verdict: string;
  readonly tests: readonly { readonly path: string; readonly title: string }[];
}

function readClaims(text: string): Claim[] {
  const rows = text.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| Claim |"));
  return rows.map((row) => {
    const [, claim = "", verdict = "", shownBy = ""] = row.split("|").map((cell) => cell.trim());
    const tests = [...shownBy.matchAll(/`([^`]+)` "([^"]+)"/g)].map(([, path = "", title = ""]) => ({ path, title }));
    return { claim, verdict, tests };
  });
}

/** What a test of this name would stand under in its file; null where it does. */
function absence({ path, title }: Claim["tests"][number]): string | null {
  if (!existsSync(`${root}${path}`)) return `there is no file ${path}`;
  const source = readFileSync(`${root}${path}`, "utf8");
  // `it("title", …` or `it.each(…)("title", …`
  const isThere = source
    .split(`${JSON.stringify(title)},`)
    .slice(0, -1)
    .some((before) => /(?:\bit|\))\($/.test(before.trimEnd()));
  return isThere ? null : `${path} has no test "${title}"`;
}

const claims = readClaims(page);

describe("the page of the predecessor's claims", () => {
  it("has every section of the predecessor's claims", () => {
    const headings = page.split("\n").filter((line) => line.startsWith("## "));
    for (const section of [
      "7.1",
      "7.2",
      "7.3",
      "7.4",
      "Features",
      "ticked off",
      "configuration",
      "retry tables",
      "wishes",
    ])
      expect(
        headings.some((heading) => heading.includes(section)),
        section,
      ).toBe(true);
    expect(claims.length).toBeGreaterThan(50);
  });

  it.each(claims.map(({ claim, verdict, tests }) => [claim, verdict, tests] as const))(
    "judges: %s",
    (_claim, verdict, tests) => {
      expect(verdict).toMatch(/^(?:true|changed|left out)\b/);
      if (!verdict.startsWith("true")) expect(verdict).toMatch(/^(?:changed|left out): .{10,}/);
      if (verdict.startsWith("left out")) expect(tests).toEqual([]);
      else expect(tests.length).toBeGreaterThan(0);
    },
  );

  it("names only tests that exist", () => {
    expect(claims.flatMap(({ tests }) => tests.map(absence)).filter((problem) => problem !== null)).toEqual([]);
  });

  it("would be found out if it named one that does not", () => {
    expect(absence({ path: "test/unit/claims.test.ts", title: "repairs everything" })).toContain("has no test");
    expect(absence({ path: "test/unit/nowhere.test.ts", title: "names only tests that exist" })).toContain(
      "there is no file",
    );
    expect(readClaims('| A claim | true | `test/a.test.ts` "one"; `test/b.test.ts` "two" |')[0]?.tests).toHaveLength(2);
  });
});

describe("the predecessor's values", () => {
  it("are the defaults of this configuration", () => {
    const answer = parseConfig({ environment: { HOME: "/home/somebody" } });
    if (answer.kind === "refused") throw new Error(answer.message);
    const { health, recovery } = answer.config;
    expect(health.checkEveryMs).toBe(minuteMs);
    expect(health.thresholds).toMatchObject({
      cpuRatio: { warning: 0.8, critical: 0.95 },
      memoryRatio: { warning: 0.8, critical: 0.95 },
      vramRatio: { warning: 0.9, critical: 0.95 },
    });
    expect(recovery).toMatchObject({ cooldownMs: 30 * secondMs, climbCount: 3 });
  });
});
