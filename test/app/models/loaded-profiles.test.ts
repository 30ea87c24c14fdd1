import { beforeEach, describe, expect, it } from "vitest";
import {
  createLoadedProfiles,
  type LoadedProfiles,
  type ProfileChange,
} from "../../../src/app/models/loaded-profiles.ts";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../../src/core/virtual-clock.ts";

let clock: VirtualClock;
let changes: ProfileChange[];
let profiles: LoadedProfiles;
beforeEach(() => {
  clock = createVirtualClock();
  changes = [];
  profiles = createLoadedProfiles({
    first: "model-offload",
    clock,
    richerAfterMs: () => 5 * minuteMs,
    onChange: (change) => void changes.push(change),
  });
});

/** How long there must be room until the next step is due, in minutes. */
async function minutesUntilDue(): Promise<number> {
  const beganAtMs = clock.nowMs();
  while (!profiles.isDue("w0") && clock.nowMs() - beganAtMs < 200 * minuteMs) {
    profiles.noteRoom("w0", true);
    await clock.advance(5 * secondMs);
  }
  return Math.round((clock.nowMs() - beganAtMs) / minuteMs);
}

describe("the memory mode of a worker", () => {
  it("is the configured one until something changes it, and says then since when and why", async () => {
    expect(profiles.standingOf("w0")).toEqual({ profile: "model-offload", sinceMs: null, why: null });
    await clock.advance(minuteMs);
    profiles.set("w0", "fp8", "a repair");
    profiles.set("w0", "fp8", "again");
    expect(profiles.standingOf("w0")).toEqual({ profile: "fp8", sinceMs: clock.nowMs(), why: "a repair" });
    expect(profiles.of("w1")).toBe("model-offload");
    expect(changes).toEqual([{ workerId: "w0", from: "model-offload", to: "fp8", why: "a repair" }]);
  });

  it("is the configured one again with a new process", () => {
    profiles.set("w0", "fp8", "a repair");
    profiles.reset("w0", "a new process began");
    expect(changes.at(-1)).toEqual({ workerId: "w0", from: "fp8", to: "model-offload", why: "a new process began" });
  });
});

describe("a step to a richer mode", () => {
  beforeEach(() => profiles.set("w0", "group-offload", "a repair"));

  it("is due when there was room for five minutes without a gap", async () => {
    profiles.noteRoom("w0", true);
    await clock.advance(4 * minuteMs);
    profiles.noteRoom("w0", false);
    expect(profiles.isDue("w0")).toBe(false);
    expect(await minutesUntilDue()).toBe(5);
  });

  it("must be earned again for each step", async () => {
    await minutesUntilDue();
    profiles.stepTo("w0", "tiling");
    profiles.confirm("w0");
    expect([profiles.of("w0"), profiles.isDue("w0")]).toEqual(["tiling", false]);
    expect(await minutesUntilDue()).toBe(5);
  });

  it("that fails goes back, and each failure doubles the wait for the next one, an hour at most", async () => {
    const waits = [];
    for (let step = 0; step < 6; step += 1) {
      waits.push(await minutesUntilDue());
      profiles.stepTo("w0", "tiling");
      expect(profiles.stepBack("w0", "its load failed")).toBe(true);
      expect(profiles.of("w0")).toBe("group-offload");
    }
    expect(waits).toEqual([5, 10, 20, 40, 60, 60]);
    expect(changes.slice(-2)).toEqual([
      { workerId: "w0", from: "group-offload", to: "tiling", why: "there was room for it all the time" },
      { workerId: "w0", from: "tiling", to: "group-offload", why: "its load failed" },
    ]);
  });

  it("that was made is not taken back by the failure of a later load", async () => {
    await minutesUntilDue();
    profiles.stepTo("w0", "tiling");
    profiles.confirm("w0");
    expect([profiles.stepBack("w0", "its load failed"), profiles.of("w0")]).toEqual([false, "tiling"]);
  });

  it("after which a repair makes it leaner within the hour waits twice as long; after an hour it does not", async () => {
    await minutesUntilDue();
    profiles.stepTo("w0", "tiling");
    profiles.confirm("w0");
    await clock.advance(59 * minuteMs);
    profiles.set("w0", "group-offload", "a repair");
    expect(await minutesUntilDue()).toBe(10);
    profiles.stepTo("w0", "tiling");
    profiles.confirm("w0");
    await clock.advance(61 * minuteMs);
    profiles.set("w0", "group-offload", "a repair");
    expect(await minutesUntilDue()).toBe(5);
  });

  it("is made by a job that could have the richer mode, where one is due, and only then", async () => {
    profiles.choose("w0", "tiling");
    expect(profiles.stepBack("w0", "its load failed")).toBe(false);
    profiles.set("w0", "group-offload", "a repair");
    await minutesUntilDue();
    profiles.choose("w0", "tiling");
    expect([profiles.stepBack("w0", "its load failed"), profiles.of("w0")]).toEqual([true, "group-offload"]);
    await minutesUntilDue();
    profiles.choose("w0", "fp8");
    expect([profiles.stepBack("w0", "its load failed"), profiles.of("w0")]).toEqual([false, "fp8"]);
  });
});
