import { describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/core/clock.ts";
import { minuteMs } from "../../src/core/units.ts";
import { describeFigures, type Run, replayOf, sumOf } from "./report.ts";
import { runSimulation } from "./simulation.ts";
import type { World } from "./world.ts";

const budgetMs = 25_000;

describe("the simulated service", { timeout: 180_000 }, () => {
  it("loses nothing, commits nothing twice and tells no lie through hours of faults and crashes", async () => {
    const clock = createSystemClock();
    const startedAtMs = clock.nowMs();
    const runs: Run[] = [];
    for (let seed = 1; clock.nowMs() - startedAtMs < budgetMs; seed += 1) {
      const figures = await runSimulation({ seed, hours: 24 });
      expect(figures.problems, replayOf(figures)).toEqual([]);
      expect(figures.jobs).toBeGreaterThan(50);
      expect(figures.looks).toBeGreaterThan(figures.jobs);
      runs.push({ figures, seconds: 0 });
    }
    console.log(`simulation: ${describeFigures({ ...sumOf(runs), seconds: (clock.nowMs() - startedAtMs) / 1_000 })}`);
    clock.stop();
    expect(runs.length).toBeGreaterThan(0);
  });

  it("survives a crash at every port, before and after the call's effect", async () => {
    const places = new Set<string>();
    for (const seed of [301, 302, 303]) {
      const figures = await runSimulation({ seed, hours: 12, crashesPerHour: 12 });
      expect(figures.problems, `seed ${seed}, 12 h, 12 crashes an hour`).toEqual([]);
      expect(figures.keptResults, "results that were complete while no supervisor lived").toBeGreaterThan(0);
      for (const place of figures.crashPlaces.keys()) places.add(place.replace(/\..*$/, ""));
    }
    const ports = ["jobs", "events", "incidents", "facts", "store", "artifacts", "disk", "media", "host", "client", "probe"];
    expect([...places].toSorted()).toEqual(expect.arrayContaining(ports.flatMap((port) => [`after ${port}`, `before ${port}`])));
  });

  it("ends a render that hangs although every supervisor lives for less than the stall limit", async () => {
    // Once each new supervisor gave the hanging render its whole limit again, and adopted it for hours.
    let hangingCount = 0;
    const hang = (world: World): void => {
      const worker = [...world.workers.values()].find(({ isAlive }) => isAlive);
      if (worker === undefined || hangingCount > 0) return;
      hangingCount += 1;
      worker.armed = { fault: "stall", atStep: 3 };
    };
    const { problems, crashes, answers } = await runSimulation({
      seed: 5,
      hours: 5,
      faultsPerHour: 0,
      crashesPerHour: 0,
      onBegun: ({ points }, world) => {
        world.clock.setTimer(() => hang(world), minuteMs);
        if (!world.isOver) world.clock.setTimer(() => points.end("planted"), 6 * minuteMs);
      },
    });
    expect(problems).toEqual([]);
    expect(crashes).toBeGreaterThan(20);
    expect(hangingCount).toBe(1);
    expect(answers.real).toBeGreaterThan(5);
  });

  it("repeats itself row by row from the same seed", async () => {
    const [first, second, other] = [
      await runSimulation({ seed: 77, hours: 6 }),
      await runSimulation({ seed: 77, hours: 6 }),
      await runSimulation({ seed: 78, hours: 6 }),
    ];
    expect(second.digest).toBe(first.digest);
    expect(second).toEqual(first);
    expect(other.digest).not.toBe(first.digest);
  });
});
