import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { figuresOf } from "../../../src/app/status/scrape.ts";
import { healthViewOf } from "../../../src/app/status/service-status.ts";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import { unknownWorker } from "../../../src/machines/supervisor-facts.ts";
import { healthOf } from "../../../src/machines/supervisor-view.ts";
import type { LeakTrend } from "../../../src/recovery/leak.ts";
import { workerId } from "../app-world.ts";
import { type ServiceWorld, startServiceWorld } from "../service-world.ts";

let world: ServiceWorld;
beforeEach(async () => {
  world = await startServiceWorld({ "health.sample": "5s" });
});
afterEach(() => world.stop());

const status = () => world.ports.status();

describe("what the service says of itself", () => {
  it("while it begins nothing can be rendered, and a video would be kept", () => {
    expect(status()).toMatchObject({ mode: "loading", isSimulated: true, version: "1.2.3", model: "T2V-A14B" });
    expect(status().sentence).toMatch(/^The main model is loading\./);
    expect(status().workers).toMatchObject([{ id: workerId, pid: null }]);
  });

  it("ready, it says that the card is simulated", async () => {
    await world.reachMode("ready");
    expect(status().sentence).toContain("rendered at once");
    expect(status().sentence).toContain("simulated");
    expect(status().workers).toMatchObject([{ id: workerId, state: "living.idle", kind: "simulator" }]);
    expect(status().workers[0]?.pid).toBe(world.workers.get(workerId)?.pid);
  });

  it("a worker that died has no process, and its incident is shown", async () => {
    await world.reachMode("ready");
    world.workers.get(workerId)?.die({ code: null, signal: "SIGKILL" });
    await world.clock.advance(100);
    expect(status().workers).toMatchObject([{ pid: null }]);
    expect(status().openIncidents).toMatchObject([
      { workerId, sentence: "being repaired; its worker is started again in 1 s" },
    ]);
    expect(status().isDegradedActive).toBe(true);
    await world.reachMode("ready");
    await world.clock.advance(5 * minuteMs);
    expect(status().openIncidents).toEqual([]);
    expect(status().recoveryAttempts.length).toBeGreaterThan(0);
  });

  it("a job in hand is shown where it is", async () => {
    await world.reachMode("ready");
    const jobId = await world.order();
    await world.clock.advance(5 * secondMs);
    expect(status().running).toMatchObject([{ jobId, workerId }]);
    expect(world.ports.progressOf(jobId)?.ratio).toBeGreaterThan(0);
    expect(await world.ended(jobId)).toBe("succeeded");
    expect(status().running).toEqual([]);
  });

  it("health is unknown until something was measured, and can be switched off", async () => {
    expect(status()).toMatchObject({ health: null });
    await world.reachMode("ready");
    await world.clock.advance(20 * secondMs);
    expect(status()).toMatchObject({ isHealthMonitored: true, health: { overallStatus: "healthy", issues: [] } });
    expect(await world.ports.recovery.setMonitoring(false, "operator:a")).toBe(true);
    await world.clock.settle();
    expect(status().isHealthMonitored).toBe(false);
  });

  it("a full disk makes it unready, with the reason, and it comes back by itself", async () => {
    await world.reachMode("ready");
    expect(status().unreadyReason).toBeNull();
    world.troubles.begin("disk", minuteMs);
    await world.clock.advance(10 * secondMs);
    expect(status().unreadyReason).toMatchObject({ code: "DISK_FULL" });
    await world.clock.advance(2 * minuteMs);
    expect(status().unreadyReason).toBeNull();
    expect((await world.rows("disk.short", "disk.recovered")).map(({ kind }) => kind)).toEqual([
      "disk.short",
      "disk.recovered",
    ]);
  });

  it("an operator's pause and drain are said, the drain as the reason why nothing is taken", async () => {
    await world.reachMode("ready");
    await world.ports.intake.pause({ isReleasing: false, waitMs: 0, by: "operator:a" });
    expect(status().sentence).toMatch(/^Paused by an operator\./);
    expect(status().unreadyReason).toBeNull();
    await world.ports.intake.drain("operator:a");
    expect(status().sentence).toMatch(/^Drained by an operator\./);
    expect(status().unreadyReason).toMatchObject({ code: "INTAKE_DRAINED" });
    await world.ports.intake.resume("operator:a");
    await world.clock.settle();
    expect(status().unreadyReason).toBeNull();
  });
});

const trend: LeakTrend = { bytesPerJob: 2 ** 30, confidence: 1, jobsLeft: 4, limitAtMs: null };

describe("memory that stays", () => {
  const view = (found: LeakTrend | null) => {
    const report = healthOf(world.supervisor.getSnapshot());
    if (report === null) throw new Error("there is no monitor");
    const parts = { ...world, leaks: { trendOf: () => found }, promises: { isServing: () => true } };
    return healthViewOf(report, { isMonitored: true, isProven: true, isConnected: true, incidents: [], parts });
  };
  const limitAtMs = (): number => world.clock.nowMs() + 10 * minuteMs;

  it("is an issue that says when the limit is reached, and that nobody has to do anything", async () => {
    await world.reachMode("ready");
    const { issues, recommendations } = view({ ...trend, limitAtMs: limitAtMs() });
    expect(issues).toEqual([`${workerId} keeps about 1.0 GiB of every job: limit in about 4 jobs (10 min).`]);
    expect(recommendations).toHaveLength(1);
  });

  it.each<[string, Partial<LeakTrend>]>([
    ["is not clear", { confidence: 0.3 }],
    ["does not grow", { jobsLeft: null }],
  ])("is none while the trend %s", async (_, change) => {
    await world.reachMode("ready");
    expect(view({ ...trend, limitAtMs: limitAtMs(), ...change }).issues).toEqual([]);
  });
});

describe("a scrape", () => {
  const drills = {
    list: async () => [
      {
        name: "kill",
        cards: [
          { isPassed: false, endedAtMs: 9 },
          { isPassed: true, endedAtMs: 5 },
        ],
      },
      { name: "hang", cards: [{ isPassed: false, endedAtMs: 7 }] },
    ],
  };
  const leaks = (found: LeakTrend | null) => ({ trendOf: () => found, residueOf: () => 12 });
  const supervisor = {
    getSnapshot: () => ({
      context: {
        mode: "ready" as const,
        incidents: {},
        workers: { [workerId]: { ...unknownWorker, process: "connected" as const, jobId: "job-1" } },
      },
    }),
  };

  it("tells how long the longest wait is, and when a drill last passed", async () => {
    await world.submit();
    await world.clock.advance(minuteMs);
    const figures = await figuresOf({ ...world, leaks: leaks(null) }, supervisor, drills);
    expect(figures).toMatchObject({
      mode: "ready",
      openIncidentCount: 0,
      workers: [{ id: workerId, condition: "connected", isBusy: true, residueBytes: 12, exhaustionInMs: null }],
      passedDrills: [{ drill: "kill", atMs: 5 }],
    });
  });

  it("has no wait where no job waits", async () => {
    const { queue } = await figuresOf({ ...world, leaks: leaks(null) }, supervisor, drills);
    expect(queue).toEqual({ queuedCount: 0, runningCount: 0, longestWaitMs: null });
  });

  it("tells when memory runs out, never a time that is past", async () => {
    const at = (limitAtMs: number) =>
      figuresOf({ ...world, leaks: leaks({ ...trend, limitAtMs }) }, supervisor, drills).then(
        ({ workers }) => workers[0]?.exhaustionInMs,
      );
    expect(await at(world.clock.nowMs() + minuteMs)).toBe(minuteMs);
    expect(await at(world.clock.nowMs() - minuteMs)).toBe(0);
  });

  it("is what the page of metrics shows", async () => {
    await world.reachMode("ready");
    expect(await world.ports.metrics(3)).toMatch(/understudy_mode\{mode="ready"\} 1/);
  });
});

describe("streams", () => {
  const kinds = (): string[] => [...new Set(world.frames.map(({ kind }) => kind))].toSorted();

  it("tell modes with their sentence, steps, samples, progress and rungs that were tried", async () => {
    await world.reachMode("ready");
    const jobId = await world.order();
    await world.clock.advance(5 * secondMs);
    world.workers.get(workerId)?.die({ code: null, signal: "SIGKILL" });
    await world.ended(jobId);
    expect(kinds()).toEqual(["health", "mode", "progress", "recoveryAttempt", "sample", "sentence", "step"]);
    const ready = world.frames.find((frame) => frame.kind === "mode" && frame.mode === "ready");
    expect(ready).toMatchObject({ sentence: expect.stringContaining("rendered at once") });
    const tried = world.frames.flatMap((frame) => (frame.kind === "recoveryAttempt" ? [frame.attempt.outcome] : []));
    expect(tried).not.toContain("skipped");
  });

  it("tell the sentence again when others wait before the next video, in one frame for many of them", async () => {
    await world.reachMode("ready");
    await world.clock.advance(secondMs);
    const before = world.frames.length;
    for (let count = 0; count < 12; count += 1) await world.order();
    await world.clock.advance(secondMs);
    const sentences = world.frames.slice(before).flatMap((frame) => (frame.kind === "sentence" ? [frame] : []));
    expect(sentences.length).toBeLessThan(4);
    expect(sentences.at(-1)).toMatchObject({ mode: "ready", sentence: expect.stringContaining("before it") });
    expect(sentences.at(-1)?.sentence).toBe(world.ports.status().sentence);
  });
});
