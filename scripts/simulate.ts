/**
 * `npm run simulate -- [--seed 1] [--hours 100] [--jobs 1] [--seeds 1] [--workers 3]`: hours of the whole service on a virtual
 * clock. Without `--workers` each seed has two, three or four of them. `--jobs 2` is two processes with seeds of their own; `--seeds 10` goes through ten seeds in each. A failing seed prints its replay.
 */
import { fork } from "node:child_process";
import { parseArgs } from "node:util";
import { createSystemClock } from "../src/core/clock.ts";
import { describeFigures, type Run, replayOf, sumOf } from "../test/simulation/report.ts";
import { runSimulation } from "../test/simulation/simulation.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "1" },
    hours: { type: "string", default: "100" },
    jobs: { type: "string", default: "1" },
    workers: { type: "string" },
    "job-faults": { type: "boolean", default: false },
    promises: { type: "boolean", default: false },
    patient: { type: "boolean", default: false },
  },
});
const [seed, seedCount, hours, jobCount] = [values.seed, values.seeds, values.hours, values.jobs].map(Number) as [
  number,
  number,
  number,
  number,
];
const oversight = { jobFaults: values["job-faults"], promises: values.promises, isPatient: values.patient };
const workers = values.workers === undefined ? {} : { workers: Number(values.workers) };
const wholeNumbers = [seed, seedCount, jobCount, workers.workers ?? 1].every(
  (number) => Number.isSafeInteger(number) && number > 0,
);
if (!wholeNumbers || !(Number.isFinite(hours) && hours > 0)) {
  console.error(
    "seed, seeds, hours, jobs and workers must be numbers above 0; for instance: npm run simulate -- --seed 7 --hours 50 --jobs 2",
  );
  process.exit(2);
}

async function runSeed(one: number): Promise<Run> {
  const clock = createSystemClock();
  const startedAtMs = clock.nowMs();
  const figures = await runSimulation({ seed: one, hours, ...workers, ...oversight });
  clock.stop();
  const run: Run = { figures, seconds: (clock.nowMs() - startedAtMs) / 1_000 };
  console.log(`seed ${one}: ${describeFigures(sumOf([run]))}; sha256 ${figures.digest}`);
  for (const problem of figures.problems.slice(0, 20)) console.log(`  ${problem}`);
  if (figures.problems.length > 0) console.log(`  replay: ${replayOf(figures)}`);
  return run;
}

async function runSeeds(first: number): Promise<Run[]> {
  const runs: Run[] = [];
  for (let one = first; one < first + seedCount; one += 1) runs.push(await runSeed(one));
  return runs;
}

function runElsewhere(first: number): Promise<Run[]> {
  const flags = { seed: first, seeds: seedCount, hours, ...workers };
  const list = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = fork(import.meta.filename, list, { serialization: "advanced" });
  return new Promise((resolve, reject) => {
    let runs: Run[] = [];
    child.on("message", (message: Run[]) => {
      runs = message;
    });
    child.once("error", reject);
    child.once("exit", (code) =>
      runs.length > 0 ? resolve(runs) : reject(new Error(`the simulation from seed ${first} ended with ${code}`)),
    );
  });
}

const secondsOf = (runs: readonly Run[]): number => runs.reduce((sum, run) => sum + run.seconds, 0);

const processes =
  jobCount === 1
    ? [await runSeeds(seed)]
    : await Promise.all(Array.from({ length: jobCount }, (_, index) => runElsewhere(seed + index * seedCount)));
const runs = processes.flat();
if (runs.length > 1)
  console.log(`all: ${describeFigures({ ...sumOf(runs), seconds: Math.max(...processes.map(secondsOf)) })}`);
process.exitCode = runs.every(({ figures }) => figures.problems.length === 0) ? 0 : 1;
if (process.send !== undefined) process.send(runs, () => process.disconnect());
