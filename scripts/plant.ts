/**
 * `npm run plant -- [--only WORDS] [--jobs 1]`: plants each small wrong change of scripts/planted in a copy of the project,
 * and says which proof finds it. The exit code is 1 when one survives, or when a proof fails without any bug.
 */
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { createSystemClock } from "../src/core/clock.ts";
import { plantedBugs } from "./planted/all-bugs.ts";
import { ask, copyProject, findBug, type Proof, proofsOf, typesProof } from "./planted/find-bug.ts";

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

/** A proof that fails by itself would find everything. */
async function failingUnchanged(): Promise<readonly string[]> {
  const all = chosen.flatMap(proofsOf).filter((proof) => proof !== typesProof);
  const proofs = new Map<string, Proof>(all.map((proof) => [proof.name, proof]));
  const copy = copyProject(files);
  const failing: string[] = [];
  for (const proof of proofs.values()) {
    const { hasFailed, output } = await ask(proof, copy.path);
    if (hasFailed) failing.push(`${proof.name} fails without a bug:\n${output.slice(-2_000)}`);
  }
  copy.remove();
  return failing;
}

const failing = await failingUnchanged();
for (const line of failing) console.error(line);
const waiting = [...chosen];
const survivors: string[] = [];
async function work(): Promise<void> {
  for (let bug = waiting.shift(); bug !== undefined; bug = waiting.shift()) {
    const startedAtMs = clock.nowMs();
    const foundBy = await findBug(bug, files);
    if (foundBy === null) survivors.push(bug.name);
    console.log(
      foundBy === null
        ? `SURVIVED: ${bug.name}. ${bug.why}`
        : `found by ${foundBy} in ${secondsSince(startedAtMs)}: ${bug.name}`,
    );
  }
}
if (failing.length === 0) await Promise.all(Array.from({ length: jobCount }, work));
clock.stop();
console.log(`${chosen.length} planted bugs, ${survivors.length} survived`);
process.exitCode = failing.length + survivors.length === 0 ? 0 : 1;
