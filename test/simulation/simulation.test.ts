import { describe, expect, it } from "vitest";
import { drawInteger } from "../../src/core/chance.ts";
import { createSystemClock } from "../../src/core/clock.ts";
import { minuteMs } from "../../src/core/units.ts";
import { createHang } from "./planted.ts";
import { describeFigures, type Run, replayOf, sumOf } from "./report.ts";
import { runSimulation } from "./simulation.ts";

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
    const ports = [
      "jobs",
      "events",
      "incidents",
      "facts",
      "store",
      "artifacts",
      "disk",
      "media",
      "host",
      "client",
      "probe",
    ];
    const places = ports.flatMap((only) => (["before", "after"] as const).map((side) => ({ only, side })));
    const planned = [...places];
    const { problems, crashPlaces, keptResults } = await runSimulation({
      seed: 301,
      hours: 24,
      faultsPerHour: 8,
      crashesPerHour: 0,
      // Long enough for the render in hand to be complete when the next supervisor comes.
      absenceMs: 5 * minuteMs,
      onConceived: (points, { chance, isOver }) => {
        const next = planned.shift();
        if (next !== undefined && !isOver) points.arm(next.only === "store" ? 1 : drawInteger(chance, 1, 8), next);
      },
    });
    expect(problems).toEqual([]);
    const crashed = [...crashPlaces.keys()].map((place) => place.replace(/\..*$/, ""));
    expect(crashed.toSorted()).toEqual(expect.arrayContaining(places.map(({ only, side }) => `${side} ${only}`)));
    expect(keptResults, "results that were complete while no supervisor lived").toBeGreaterThan(0);
  });

  it("ends a render that hangs although every supervisor lives for less than the stall limit", async () => {
    // Once each new supervisor gave the hanging render its whole limit again, and adopted it for hours.
    const hang = createHang();
    const { problems, crashes, answers } = await runSimulation({
      seed: 5,
      hours: 5,
      faultsPerHour: 0,
      crashesPerHour: 0,
      onBegun: ({ points }, world) => {
        hang(world);
        if (!world.isOver) world.clock.setTimer(() => points.end("planted"), 6 * minuteMs);
      },
    });
    expect(problems).toEqual([]);
    expect(crashes).toBeGreaterThan(20);
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
