import { expect, it } from "vitest";
import { makeStateDir } from "../harness/running-service.ts";
import { runChaos } from "./chaos.ts";

/** A lease shorter than a stop, and limits so high that nothing is given up for the number of kills alone. */
const env = {
  UNDERSTUDY_LEASE: "3s",
  UNDERSTUDY_QUEUE_QUARANTINE_DEATHS: "100",
  UNDERSTUDY_QUEUE_HOST_LOSSES: "100000",
  UNDERSTUDY_QUEUE_ATTEMPTS: "1000",
  UNDERSTUDY_SUPERVISION_CRASH_LOOP_DEATHS: "100000",
  UNDERSTUDY_RECOVERY_BUDGET_ACTIONS: "100000",
};

it("loses no acknowledged job and commits none twice while processes are killed and stopped", { timeout: 240_000 }, async () => {
  const directory = makeStateDir();
  try {
    const figures = await runChaos({ kills: 20, seed: 1, stateDir: directory.path, stopMs: 4_000, env, report: () => undefined });
    console.log(`chaos: ${JSON.stringify(figures)}`);
    expect(figures).toMatchObject({ lost: 0, committedTwice: 0, otherStates: {} });
    expect(figures.acknowledged).toBeGreaterThan(3);
    expect(figures.succeeded).toBeGreaterThanOrEqual(figures.acknowledged);
  } finally {
    directory.remove();
  }
});
