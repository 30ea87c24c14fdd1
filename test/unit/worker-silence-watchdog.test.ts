import { beforeEach, describe, expect, it } from "vitest";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { createSilenceWatchdog, type SilenceWatchdog } from "../../src/workers/silence-watchdog.ts";

const servingMs = 10_000;
const loadingMs = 60_000;
let clock: VirtualClock;
let told: string[];
let standStill: () => void;
let watchdog: SilenceWatchdog;

beforeEach(() => {
  clock = createVirtualClock();
  told = [];
  const onStandstill = (listener: (gapMs: number) => void): (() => void) => {
    standStill = () => listener(20_000);
    return () => {
      standStill = () => undefined;
    };
  };
  watchdog = createSilenceWatchdog({
    clock: { ...clock, onStandstill },
    limitMs: servingMs,
    onSilent: (silentForMs) => told.push(`silent for ${silentForMs}`),
    onHeard: () => told.push("heard"),
  });
});

describe("the silence watchdog", () => {
  it("is quiet while something is heard in time", async () => {
    for (let second = 0; second < 60; second += 1) {
      await clock.advance(9_999);
      watchdog.hear();
    }
    expect(told).toEqual([]);
  });

  it("tells of a silence once, at its limit, and of its end once", async () => {
    await clock.advance(9_999);
    expect(told).toEqual([]);
    await clock.advance(1);
    await clock.advance(60_000);
    expect(told).toEqual(["silent for 10000"]);
    watchdog.hear();
    watchdog.hear();
    expect(told).toEqual(["silent for 10000", "heard"]);
    await clock.advance(10_000);
    expect(told).toHaveLength(3);
  });

  it("waits longer while a model loads, and counts from the last notice when that is over", async () => {
    watchdog.setLimit(loadingMs);
    await clock.advance(59_999);
    expect(told).toEqual([]);
    watchdog.setLimit(servingMs);
    await clock.advance(0);
    expect(told).toEqual(["silent for 59999"]);
  });

  it("starts its deadline anew after this process stood still", async () => {
    await clock.advance(9_000);
    standStill();
    await clock.advance(9_999);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual(["silent for 10000"]);
  });

  it("says nothing more and holds no timer once stopped", async () => {
    watchdog.stop();
    watchdog.hear();
    standStill();
    await clock.advance(120_000);
    expect(told).toEqual([]);
    expect(clock.pendingCount).toBe(0);
  });
});
