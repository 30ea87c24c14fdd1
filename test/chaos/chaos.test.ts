import { expect, it } from "vitest";
import { makeStateDir } from "../harness/running-service.ts";
import { generousLimits, runChaos, violationsOf } from "./chaos.ts";
import { planStrikes } from "./strikes.ts";

it("loses no acknowledged job and commits none twice while processes are killed and stopped", {
  timeout: 240_000,
}, async () => {
  const directory = makeStateDir();
  // A lease shorter than a stop.
  const env = { ...generousLimits, UNDERSTUDY_LEASE: "3s", UNDERSTUDY_SUPERVISION_SILENCE: "3s" };
  try {
    const figures = await runChaos({
      kills: 20,
      seed: 1,
      stateDir: directory.path,
      stopMs: 4_000,
      env,
      report: () => undefined,
    });
    console.log(`chaos: ${JSON.stringify(figures)}`);
    expect(violationsOf(figures)).toEqual([]);
    expect(figures.killCount).toBe(20);
    expect(figures.acknowledged).toBeGreaterThan(3);
    expect(figures.succeeded).toBeGreaterThanOrEqual(figures.acknowledged);
  } finally {
    directory.remove();
  }
});

it("strikes in another order with every seed, in the same order with the same one, and in every way within twenty", () => {
  expect(planStrikes(7, 40)).toEqual(planStrikes(7, 40));
  expect(planStrikes(7, 20)).not.toEqual(planStrikes(8, 20));
  expect(new Set(planStrikes(7, 20).map(({ name }) => name)).size).toBe(10);
});
