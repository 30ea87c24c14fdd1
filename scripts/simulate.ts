/** `npm run simulate -- [--seed 1] [--hours 100] [--jobs 1]`: hours of the whole service on a virtual clock; a failing seed prints its replay. */
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { createSystemClock } from "../src/core/clock.ts";
import { runSimulation, type SimulationFigures } from "../test/simulation/simulation.ts";

const { values } = parseArgs({
  options: { seed: { type: "string", default: "1" }, hours: { type: "string", default: "100" }, jobs: { type: "string", default: "1" } },
});
const seed = Number(values.seed);
const hours = Number(values.hours);
const jobs = Number(values.jobs);
if (![seed, hours, jobs].every((number) => Number.isFinite(number) && number > 0)) {
  console.error("seed, hours and jobs must be numbers above 0; for instance: npm run simulate -- --seed 7 --hours 50 --jobs 2");
  process.exit(2);
}

function report(figures: SimulationFigures, seconds: number): boolean {
  const perMinute = (figures.hours / seconds) * 60;
  const { jobs: jobCount, faults, crashes, cancels, rows, digest, problems } = figures;
  console.log(
    `seed ${figures.seed}: ${figures.hours} h in ${seconds.toFixed(1)} s (${Math.round(perMinute)} h a minute), ${jobCount} jobs, ${faults} faults, ${crashes} crashes, ${cancels} cancels, ${rows} rows, sha256 ${digest.slice(0, 16)}`,
  );
  for (const problem of problems.slice(0, 20)) console.log(`  ${problem}`);
  if (problems.length > 0) console.log(`  replay: npm run simulate -- --seed ${figures.seed} --hours ${figures.hours}`);
  return problems.length === 0;
}

async function runHere(): Promise<number> {
  const clock = createSystemClock();
  const startedAtMs = clock.nowMs();
  const figures = await runSimulation({ seed, hours });
  clock.stop();
  return report(figures, (clock.nowMs() - startedAtMs) / 1_000) ? 0 : 1;
}

function runElsewhere(childSeed: number): Promise<number> {
  const child = spawn(process.execPath, [import.meta.filename, "--seed", String(childSeed), "--hours", String(hours)], {
    stdio: "inherit",
  });
  return new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}

const codes = jobs === 1 ? [await runHere()] : await Promise.all(Array.from({ length: jobs }, (_, index) => runElsewhere(seed + index)));
process.exit(Math.max(...codes));
