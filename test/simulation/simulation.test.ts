import { describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/core/clock.ts";
import { runSimulation } from "./simulation.ts";

const budgetMs = 25_000;

describe("the simulated service", { timeout: 120_000 }, () => {
  it("loses nothing, commits nothing twice and tells no lie through hours of faults and crashes", async () => {
    const clock = createSystemClock();
    const startedAtMs = clock.nowMs();
    let hours = 0;
    for (let seed = 1; clock.nowMs() - startedAtMs < budgetMs; seed += 1) {
      const figures = await runSimulation({ seed, hours: 24 });
      expect(figures.problems, `npm run simulate -- --seed ${seed} --hours 24`).toEqual([]);
      expect(figures.jobs).toBeGreaterThan(50);
      hours += figures.hours;
    }
    const minutes = (clock.nowMs() - startedAtMs) / 60_000;
    clock.stop();
    console.log(`simulation: ${hours} h at ${Math.round(hours / minutes)} h a minute`);
    expect(hours).toBeGreaterThan(0);
  });

  it("repeats itself row by row from the same seed", async () => {
    const [first, second, other] = [
      await runSimulation({ seed: 77, hours: 6 }),
      await runSimulation({ seed: 77, hours: 6 }),
      await runSimulation({ seed: 78, hours: 6 }),
    ];
    expect(second.digest).toBe(first.digest);
    expect(other.digest).not.toBe(first.digest);
  });
});
