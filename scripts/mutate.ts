/**
 * `npm run mutate -- [--machine worker] [--sample 20 --seed 1] [--jobs 2] [--quick]`: small wrong changes of the statecharts, each
 * run against the machine's proofs, to see whether these would notice. `--machine` may be given several times; `--sample` draws
 * so many mutants, by their seed, among those that are not declared equivalent; `--quick` leaves the explorations out.
 */
import { parseArgs } from "node:util";
import { createSeededChance } from "../src/core/chance.ts";
import { createSystemClock } from "../src/core/clock.ts";
import type { Assignment, Finding } from "../test/mutation/assignment.ts";
import { equivalents } from "../test/mutation/equivalents.ts";
import { mutantsOf } from "../test/mutation/in-force.ts";
import { describeScores, judge } from "../test/mutation/judgement.ts";
import { type Mutant, nameOf } from "../test/mutation/mutant.ts";
import { provenMachines } from "../test/mutation/proofs.ts";
import { runAssignments } from "./mutation/run-assignments.ts";

const { values } = parseArgs({
  options: {
    machine: { type: "string", multiple: true, default: provenMachines },
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "1" },
    quick: { type: "boolean", default: false },
  },
});
const [sampleCount, seed, jobCount] = [values.sample ?? "1", values.seed, values.jobs].map(Number) as [
  number,
  number,
  number,
];
const unknown = values.machine.filter((machine) => !provenMachines.includes(machine));
if (
  unknown.length > 0 ||
  ![sampleCount, seed, jobCount].every((number) => Number.isSafeInteger(number) && number > 0)
) {
  console.error(`machines are ${provenMachines.join(", ")}; sample, seed and jobs are whole numbers above 0`);
  process.exit(2);
}

/** Draws `count` mutants, in an order that the seed decides. */
function draw(mutants: readonly Mutant[], count: number): readonly Mutant[] {
  const chance = createSeededChance(seed);
  const drawn = mutants.map((mutant) => ({ mutant, at: chance.next() })).toSorted((one, other) => one.at - other.at);
  return drawn.slice(0, count).map(({ mutant }) => mutant);
}

const known = provenMachines.flatMap(mutantsOf);
const wanted = known.filter(({ machine }) => values.machine.includes(machine));
const isSampled = values.sample !== undefined;
const declaredNames = new Set(equivalents.map(nameOf));
const chosen = isSampled
  ? draw(
      wanted.filter((mutant) => !declaredNames.has(nameOf(mutant))),
      sampleCount,
    )
  : wanted;
const unchanged = [...new Set(chosen.map(({ machine }) => machine))].map(
  (machine): Assignment => ({
    mutant: { machine, operator: "nothing", path: "unchanged" },
    isQuick: isSampled || values.quick,
  }),
);
const assignments = [...unchanged, ...chosen.map((mutant): Assignment => ({ mutant, isQuick: values.quick }))];

const clock = createSystemClock();
const startedAtMs = clock.nowMs();
let doneCount = 0;
const onFinding = ({ mutant, killedBy }: Finding): void => {
  doneCount += 1;
  if (killedBy === null && mutant.operator !== "nothing" && !declaredNames.has(nameOf(mutant)))
    console.log(`survived: ${nameOf(mutant)}`);
  if (process.env["VERBOSE"]) console.log(`${killedBy === null ? "S" : "K"} ${nameOf(mutant)} BY ${killedBy}`);
  const seconds = (clock.nowMs() - startedAtMs) / 1_000;
  if (doneCount % 25 === 0) console.log(`${doneCount} of ${assignments.length} in ${seconds.toFixed(0)} s`);
};
console.log(
  isSampled ? `${chosen.length} of ${wanted.length} mutants, drawn by seed ${seed}` : `${chosen.length} mutants`,
);
const findings = await runAssignments(assignments, jobCount, onFinding);
clock.stop();
const { scores, survivors, problems } = judge(findings, equivalents, known, isSampled);
console.log(describeScores(scores));
for (const problem of problems) console.error(problem);
console.log(`${survivors.length} survived; ${((clock.nowMs() - startedAtMs) / 1_000).toFixed(0)} s`);
process.exitCode = problems.length === 0 ? 0 : 1;
