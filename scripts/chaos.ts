/** `npm run chaos -- [--kills 100] [--seed 1] [--state-dir DIR]`: kills processes under load and compares what was promised with what exists. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createSystemChance } from "../src/core/chance.ts";
import { generousLimits, runChaos, violationsOf } from "../test/chaos/chaos.ts";
import { type Standstill, standStill } from "../test/chaos/standstill.ts";
import { endService, startService } from "../test/harness/running-service.ts";

/** Longer than the lease of 30 s, so that a stopped supervisor comes back to a job that it no longer holds. */
const stopMs = 40_000;
const standstillSteps = 100;
/** The simulator is slowed down so far that the render is still in its middle when the supervisor goes on. */
const slowly = { UNDERSTUDY_SIM_SPEED: "0.1" };

const { values } = parseArgs({
  options: { kills: { type: "string", default: "100" }, seed: { type: "string" }, "state-dir": { type: "string" } },
});
const kills = Number(values.kills);
const seed = Number(values.seed ?? Math.floor(createSystemChance().next() * 1_000_000));
if (!(Number.isInteger(kills) && kills > 0 && Number.isInteger(seed) && seed >= 0)) {
  console.error("--kills is a whole number above 0, --seed a whole number.");
  process.exit(2);
}
const replay = `npm run chaos -- --kills ${kills} --seed ${seed}`;
const stateDir = values["state-dir"] ?? mkdtempSync(join(tmpdir(), "understudy-chaos-"));

mkdirSync(stateDir, { recursive: true });

async function proveStandstill(): Promise<Standstill> {
  const service = await startService({ stateDir, env: { ...generousLimits, ...slowly } });
  try {
    return await standStill(service, stopMs, standstillSteps);
  } finally {
    await endService(service);
  }
}

function problemsOf({ isWorkerTheSame, stepsRendered, stepsResumed, workerExits }: Standstill): string[] {
  const isRenderedOnce = stepsRendered === standstillSteps && stepsResumed === 0;
  return [
    ...(isWorkerTheSame && workerExits === 0 ? [] : ["the worker was ended because its supervisor had been stopped"]),
    ...(isRenderedOnce ? [] : [`${stepsRendered} steps were rendered of ${standstillSteps}`]),
  ];
}

console.log(`chaos: ${kills} kills, seed ${seed}; the same order again: ${replay}`);
const problems: string[] = [];
try {
  const standstill = await proveStandstill();
  console.log(`supervisor stopped for ${stopMs / 1_000} s in mid-denoise: ${JSON.stringify(standstill)}`);
  problems.push(...problemsOf(standstill));
  const figures = await runChaos({
    kills,
    seed,
    stateDir,
    stopMs,
    env: generousLimits,
    report: (line) => console.log(line),
  });
  console.log(JSON.stringify(figures, null, 2));
  problems.push(...violationsOf(figures));
} catch (thrown) {
  problems.push(String(thrown instanceof Error ? thrown.stack : thrown));
}
if (problems.length === 0) {
  console.log("chaos: nothing lost, nothing committed twice, every job succeeded, no process left behind");
  if (values["state-dir"] === undefined) rmSync(stateDir, { recursive: true, force: true });
} else {
  console.log(
    `chaos: FAILED\n  ${problems.join("\n  ")}\nThe state is kept in ${stateDir}. The same order again: ${replay}`,
  );
}
process.exit(problems.length === 0 ? 0 : 1);
