import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { behindDrills } from "../../../src/app/drills/blind-spots.ts";
import { drills, findDrill } from "../../../src/app/drills/drill-list.ts";
import { DrillState } from "../../../src/app/drills/drill-state.ts";
import { DrillObserver, type ServiceView } from "../../../src/app/drills/observe-drill.ts";
import type { ScoreCard } from "../../../src/core/drill.ts";
import type { ErrorCode } from "../../../src/core/error-codes.ts";
import type { NewEvent } from "../../../src/core/events.ts";
import { hourMs, minuteMs, secondMs } from "../../../src/core/units.ts";
import { unknownWorker } from "../../../src/machines/supervisor-facts.ts";
import { classify } from "../../../src/recovery/classify.ts";
import { type AppWorld, createAppWorld, settled, workerId } from "../app-world.ts";
import { type ServiceWorld, startServiceWorld } from "../service-world.ts";

describe("a drill on a running service", () => {
  let world: ServiceWorld;
  beforeEach(async () => {
    world = await startServiceWorld();
    await world.reachMode("ready");
  });
  afterEach(() => world.stop());

  const run = (name: string): Promise<ScoreCard | null> =>
    settled(
      world,
      world.ports.drills.run(name, "operator:a").then((card) => card as ScoreCard | null),
    );

  it("that kills the worker is detected, answered and recovered from within its targets", async () => {
    const card = await run("kill");
    expect(card).toMatchObject({ drill: "kill", isPassed: true, lostJobCount: 0, falseClaims: [] });
    expect(card?.recognisedAs).toContain("WORKER_EXITED");
    expect(card?.recoveredMs ?? 0).toBeGreaterThan(card?.detectedMs ?? Number.POSITIVE_INFINITY);
    const [kept] = (await world.ports.drills.list()).filter(({ name }) => name === "kill");
    expect(kept?.cards).toEqual([card]);
    expect(await world.rows("drill.began", "drill.ended")).toMatchObject([
      { actor: "operator:a", data: { drill: "kill" } },
      { actor: "operator:a", data: { drill: "kill", passed: true, lost_jobs: 0 } },
    ]);
  });

  it("that blinds the telemetry ends by itself, and nothing stays hidden", async () => {
    const card = await run("telemetry-lost");
    expect(card).toMatchObject({ drill: "telemetry-lost", lostJobCount: 0 });
    await world.clock.advance(minuteMs);
    expect((await world.ports.telemetry.measure()).atMs).toBeGreaterThan(0);
  });

  it("that fills the disk is over when the disk has room again", async () => {
    const card = await run("disk-full");
    expect(card).toMatchObject({ lostJobCount: 0, falseClaims: [] });
    expect(card?.recoveredMs).toBeGreaterThanOrEqual(15 * secondMs);
    expect(card?.recoveredMs).toBeLessThan(2 * minuteMs);
  });

  it("nobody knows is none", async () => {
    expect(await run("no-such-drill")).toBeNull();
  });

  it("needs workers that play faults where it plays one", async () => {
    await expect(run("hang")).rejects.toMatchObject({
      code: "DRILL_NOT_POSSIBLE",
      message: expect.stringContaining("play faults"),
    });
    const obstacles = (await world.ports.drills.list()).filter(({ obstacle }) => obstacle !== null);
    expect(obstacles.map(({ name }) => name)).not.toContain("kill");
  });

  it.each<[string, (service: ServiceWorld) => Promise<unknown>, RegExp]>([
    ["paused", (service) => service.ports.intake.pause({ isReleasing: false, waitMs: 0, by: "operator:a" }), /paused/],
    ["drained", (service) => service.ports.intake.drain("operator:a"), /drained/],
    [
      "not ready",
      async (service) => {
        service.workers.get(workerId)?.die({ code: null, signal: "SIGKILL" });
        await service.clock.advance(100);
      },
      /not ready/,
    ],
  ])("begins from a sound service only: not while it is %s", async (_, disturb, reason) => {
    await disturb(world);
    await expect(run("kill")).rejects.toMatchObject({
      code: "DRILL_NOT_POSSIBLE",
      message: expect.stringMatching(reason),
    });
    expect(await world.rows("drill.began")).toEqual([]);
  });

  it("begins only when the one before it has ended", async () => {
    const first = world.ports.drills.run("kill", "operator:a");
    await world.clock.settle();
    await expect(world.ports.drills.run("stop", "operator:a")).rejects.toMatchObject({
      message: expect.stringContaining("The drill kill is running"),
    });
    await settled(world, first);
  });

  it("waits out what recovery has to cool down from", async () => {
    await run("kill");
    const { cooldowns } = world.context();
    if (Math.max(0, ...Object.values(cooldowns)) > world.clock.nowMs())
      await expect(run("kill")).rejects.toMatchObject({ message: expect.stringContaining("cools down") });
    await world.clock.advance(10 * minuteMs);
    expect(await run("kill")).toMatchObject({ isPassed: true });
  });
});

describe("the list of drills", () => {
  it("names each once, and finds it by its name", () => {
    expect(new Set(drills.map(({ name }) => name)).size).toBe(drills.length);
    for (const drill of drills) expect(findDrill(drill.name)).toBe(drill);
    expect(findDrill("nobody")).toBeNull();
  });
});

describe("what a drill hides from the service", () => {
  let world: AppWorld;
  beforeEach(async () => {
    world = await createAppWorld();
  });
  afterEach(() => world.close());

  it("is the disk's free space, the telemetry, or nothing", async () => {
    const state = new DrillState();
    const { disk, probe } = behindDrills(world, state);
    state.begin("disk-full");
    state.hide("disk");
    expect(await disk.freeBytes()).toBe(0);
    expect((await probe.measure()).atMs).toBe(world.clock.nowMs());
    state.hide("telemetry");
    await expect(probe.measure()).rejects.toMatchObject({ code: "SYSTEM_RESOURCE" });
    state.show("disk");
    expect(await disk.freeBytes()).toBeGreaterThan(0);
    state.end();
    expect([state.running, (await probe.measure()).atMs]).toEqual([null, world.clock.nowMs()]);
  });
});

describe("the observer of a drill", () => {
  let world: AppWorld;
  let observer: DrillObserver;
  let context: ReturnType<ServiceView["getSnapshot"]>["context"];
  const usable = { [workerId]: { ...unknownWorker, process: "connected", isProven: true } } as const;

  beforeEach(async () => {
    world = await createAppWorld();
    context = { mode: "ready", workers: usable, incidents: {} };
    observer = observe(false);
  });
  afterEach(async () => {
    observer.end();
    await world.close();
  });

  const observe = (isHarmless: boolean): DrillObserver =>
    new DrillObserver(world, { getSnapshot: () => ({ context }) }, isHarmless);
  const append = (event: NewEvent): Promise<unknown> => world.store.events.append([event]);
  const about = { incidentId: "incident-1", workerId } as const;
  const connected: NewEvent = {
    kind: "worker.connected",
    workerId,
    data: { pid: 7, adopted: false, device: "GPU-0" },
  };
  const exited: NewEvent = {
    kind: "worker.exited",
    workerId,
    data: { code: null, signal: "SIGKILL", expected: false },
  };
  const stalled: NewEvent = {
    kind: "pipeline.stalled",
    workerId,
    data: { job_id: "job-1", main_thread_idle_ms: null },
  };
  const failureType = "generation_pipeline_error" as const;
  const exit = classify({ exitSignal: "SIGKILL" });
  const retried = (code: ErrorCode): NewEvent => ({
    kind: "job.retried",
    workerId,
    data: {
      fence: 1,
      attempt_ended_as: "death",
      code,
      message: "",
      attempts: 1,
      deaths: 0,
      host_losses: 0,
      model: "T2V-A14B",
      age_ms: 1,
    },
  });

  it("a fault is detected by the first row that tells of it, counted from the fault on", async () => {
    observer.begin(world.clock.nowMs());
    await append(connected);
    expect(observer.score().detectedMs).toBeNull();
    await world.clock.advance(3 * secondMs);
    await append(exited);
    await world.clock.advance(secondMs);
    await append(stalled);
    expect(observer.score().detectedMs).toBe(3 * secondMs);
  });

  it("a fault that fires when the worker likes is known by its first consequence", async () => {
    expect(observer.hasBegun).toBe(false);
    await append(exited);
    expect([observer.hasBegun, observer.score().detectedMs]).toEqual([true, 0]);
  });

  it("keeps what was recognised and what was done, each once in a row", async () => {
    const cause = { fault: exit, model: null, job_id: null, key: "worker-0", failure_type: failureType };
    await append({ ...about, kind: "incident.opened", data: cause });
    await append(retried("WORKER_EXITED"));
    await append(retried("GPU_OUT_OF_MEMORY"));
    const rung = { action: "restart_pipeline", outcome: "effective", reason: "it renders", climb: 1 } as const;
    const took = { failure_type: failureType, started_at_ms: 0, ended_at_ms: 1, evidence: null };
    await append({ ...about, kind: "rung.ended", data: { ...rung, ...took } });
    expect(observer.score()).toMatchObject({
      recognisedAs: ["WORKER_EXITED", "GPU_OUT_OF_MEMORY"],
      actions: ["restart_pipeline: effective"],
    });
  });

  it("the owner is answered by a place in the queue, not by a render under a dead worker", async () => {
    const lease = await world.claimNew();
    observer.follow(lease.jobId);
    observer.begin(world.clock.nowMs());
    await append(exited);
    await observer.look(true);
    expect(observer.score().answeredMs).toBeNull();
    await world.clock.advance(2 * secondMs);
    await world.store.jobs.release(lease, "its worker died");
    await observer.look(true);
    expect(observer.score().answeredMs).toBe(2 * secondMs);
  });

  it("a harmless fault needs nobody to notice it", () => {
    observer.end();
    observer = observe(true);
    observer.begin(world.clock.nowMs());
    expect(observer.score().detectedMs).toBe(0);
  });

  it("a service that calls itself ready while no worker can render has claimed what is false", async () => {
    context = { ...context, workers: { [workerId]: unknownWorker } };
    await observer.look(false);
    expect(observer.score().falseClaims).toEqual(["the mode was ready while no worker could render"]);
  });

  it("is over only when the fault is, the service calm, and the job done", async () => {
    const jobId = await world.submit();
    observer.follow(jobId);
    observer.begin(world.clock.nowMs());
    expect(await observer.look(true)).toBe(false);
    await world.clock.advance(hourMs);
    expect(observer.score().recoveredMs).toBeNull();
  });

  it("what came before the fault, or after its end, does not count", async () => {
    observer.end();
    await append(exited);
    expect(observer.score()).toMatchObject({ detectedMs: null, recognisedAs: [] });
  });
});
