/**
 * `npm run plant -- [--only WORDS] [--jobs 1]`: plants each small wrong change of scripts/planted in a copy of the project,
 * and says which proof finds it. The exit code is 1 when one survives, or when a proof fails without any bug.
 */
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { createSystemClock } from "../src/core/clock.ts";
import { plantedBugs } from "./planted/all-bugs.ts";
import { createBaseline, findBug } from "./planted/find-bug.ts";

const { values } = parseArgs({
  options: { only: { type: "string", default: "" }, jobs: { type: "string", default: "1" } },
});
const jobCount = Number(values.jobs);
const chosen = plantedBugs.filter(({ name }) => name.includes(values.only));
if (chosen.length === 0 || !Number.isSafeInteger(jobCount) || jobCount < 1) {
  console.error("jobs is a whole number above 0, and --only part of the name of a planted bug");
  process.exit(2);
}

const clock = createSystemClock();
const secondsSince = (startedAtMs: number): string => `${((clock.nowMs() - startedAtMs) / 1_000).toFixed(0)} s`;
const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
  cwd: `${import.meta.dirname}/..`,
  encoding: "utf8",
  maxBuffer: 64 * 1_024 * 1_024,
})
  .split("\0")
  .filter((file) => file !== "");

const baseline = createBaseline(files);
const waiting = [...chosen];
const counts = { found: 0, survived: 0, unsound: 0 };
async function work(): Promise<void> {
  for (let bug = waiting.shift(); bug !== undefined; bug = waiting.shift()) {
    const startedAtMs = clock.nowMs();
    const finding = await findBug(bug, files, baseline);
    counts[finding.kind] += 1;
    const { name, why } = bug;
    if (finding.kind === "survived") console.log(`SURVIVED: ${name}. ${why}`);
    else if (finding.kind === "unsound")
      console.log(`${finding.proof} fails without any bug, and says nothing of: ${name}`);
    else console.log(`found by ${finding.proof} in ${secondsSince(startedAtMs)}: ${name}`);
  }
}
await Promise.all(Array.from({ length: jobCount }, work));
baseline.remove();
clock.stop();
const { found, survived, unsound } = counts;
console.log(
  `${chosen.length} planted bugs: ${found} found, ${survived} survived, ${unsound} were asked of a broken proof`,
);
process.exitCode = found === chosen.length ? 0 : 1;
