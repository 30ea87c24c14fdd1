import { describe, expect, it } from "vitest";
import { hourMs, minuteMs } from "../../src/core/units.ts";
import { deviceOf } from "./sim-host.ts";
import { runSimulation } from "./simulation.ts";

describe("a card that computes nothing right", { timeout: 120_000 }, () => {
  it("ends nobody's job, and nobody is told meanwhile that it renders", async () => {
    const { problems, answers, compared, excused, stoodInMeanwhile } = await runSimulation({
      seed: 11,
      hours: 4,
      workers: 1,
      faultsPerHour: 0,
      crashesPerHour: 0,
      promises: true,
      onBegun: (_life, { clock, sickCards }) => {
        clock.setTimer(() => sickCards.begin(deviceOf("worker-0"), 2 * hourMs), 30 * minuteMs);
      },
    });
    expect(problems).toEqual([]);
    expect(answers.real).toBeGreaterThan(5);
    expect(stoodInMeanwhile).toBeGreaterThan(0);
    expect(compared).toBeGreaterThan(20);
    expect(excused).toBeLessThan(compared / 2);
  });
});
