/** Every check of `npm run check`, also those after one that failed, with its seconds. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createSystemClock } from "../src/core/clock.ts";

const root = new URL("..", import.meta.url).pathname;
const binary = (...path: readonly string[]): string => join(root, "node_modules", ...path);

const checks: Readonly<Record<string, readonly string[]>> = {
  types: [binary("typescript7", "bin", "tsc"), "-p", "."],
  "format and lint": [binary("@biomejs", "biome", "bin", "biome"), "ci", "--colors=off", "--max-diagnostics=40", "."],
  "dead code": [binary("knip", "bin", "knip.js"), "--no-progress"],
  arrows: ["scripts/check-arrows.ts"],
  "time, chance and shape": ["scripts/check-time-and-chance.ts"],
  "rows and casts": ["scripts/check-timeline.ts"],
  "settings are read": ["scripts/check-config-read.ts"],
  "generated documents": ["scripts/generate-docs.ts", "--check"],
  "statechart pictures": ["scripts/visualize.ts", "--check"],
};

const clock = createSystemClock();
const failed: string[] = [];
for (const [name, args] of Object.entries(checks)) {
  const startedAtMs = clock.nowMs();
  const [program = ""] = args;
  const isThere = existsSync(program.startsWith("/") ? program : join(root, program));
  const { status } = isThere ? spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }) : { status: null };
  if (!isThere) console.error(`${program} is missing`);
  if (status !== 0) failed.push(name);
  console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} (${((clock.nowMs() - startedAtMs) / 1_000).toFixed(1)} s)`);
}
clock.stop();
console.log(
  failed.length === 0 ? `check: all ${Object.keys(checks).length} passed` : `check: failed: ${failed.join(", ")}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
