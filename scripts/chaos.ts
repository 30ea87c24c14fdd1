/** `npm run chaos -- [--kills 40] [--seed 1] [--state-dir DIR]`: kills processes under load and compares what was promised with what exists. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runChaos } from "../test/chaos/chaos.ts";

const { values } = parseArgs({
  options: { kills: { type: "string", default: "40" }, seed: { type: "string", default: "1" }, "state-dir": { type: "string" } },
});
const stateDir = values["state-dir"] ?? mkdtempSync(join(tmpdir(), "understudy-chaos-"));
/** High limits, so that nothing is given up for the number of kills alone: every job must succeed. */
const env = {
  UNDERSTUDY_QUEUE_QUARANTINE_DEATHS: "100",
  UNDERSTUDY_QUEUE_HOST_LOSSES: "100000",
  UNDERSTUDY_QUEUE_ATTEMPTS: "1000",
  UNDERSTUDY_SUPERVISION_CRASH_LOOP_DEATHS: "100000",
  UNDERSTUDY_RECOVERY_BUDGET_ACTIONS: "100000",
};
const figures = await runChaos({
  kills: Number(values.kills),
  seed: Number(values.seed),
  stateDir,
  // Longer than the lease of 30 s, so that a stopped supervisor comes back to a job that it no longer holds.
  stopMs: 40_000,
  env,
  report: (line) => console.log(line),
});
console.log(JSON.stringify(figures, null, 2));
const isSound = figures.lost === 0 && figures.committedTwice === 0 && Object.keys(figures.otherStates).length === 0;
console.log(
  isSound ? "chaos: nothing lost, nothing committed twice, every job succeeded" : `chaos: FAILED; the state is kept in ${stateDir}`,
);
if (isSound && values["state-dir"] === undefined) rmSync(stateDir, { recursive: true, force: true });
process.exit(isSound ? 0 : 1);
