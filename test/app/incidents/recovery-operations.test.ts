import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFactHub } from "../../../src/app/incidents/fact-hub.ts";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import type { RecoveryOrder } from "../../../src/server/server-ports.ts";
import { settled, workerId } from "../app-world.ts";
import { type ServiceWorld, startServiceWorld } from "../service-world.ts";

let world: ServiceWorld;
beforeEach(async () => {
  world = await startServiceWorld();
});
afterEach(() => world.stop());

const trigger = (change: Partial<RecoveryOrder> = {}) =>
  settled(
    world,
    world.ports.recovery.trigger({
      failureType: "vram_exhaustion",
      workerId: null,
      isForced: false,
      waitMs: 10 * minuteMs,
      by: "operator:a",
      ...change,
    }),
  );

describe("an operator's trigger", () => {
  it("on a sound worker repairs nothing, because a test render passed", async () => {
    await world.reachMode("ready");
    expect(await trigger()).toMatchObject({
      isSuccess: true,
      isPending: false,
      isRealGenerationEnabled: true,
      message: "Nothing to repair: test render passed",
    });
    expect(await world.rows("recovery.triggered")).toMatchObject([
      { actor: "operator:a", workerId, data: { failure_type: "vram_exhaustion", forced: false } },
    ]);
  });

  it("that is forced climbs in any case, and says what helped", async () => {
    await world.reachMode("ready");
    const answer = await trigger({ isForced: true });
    expect(answer.actions.some(({ outcome }) => outcome !== "skipped")).toBe(true);
    expect(answer.incidentId).not.toBeNull();
  });

  it("that asks for a quick answer gets one while the recovery goes on", async () => {
    await world.reachMode("ready");
    expect(await trigger({ isForced: true, waitMs: 1 })).toMatchObject({ isPending: true, isSuccess: false });
  });

  it("behind a job in hand waits for it as long as was asked, and says so", async () => {
    await world.reachMode("ready");
    const jobId = await world.order();
    await world.clock.advance(2 * secondMs);
    world.workers.get(workerId)?.freeze();
    const askedAtMs = world.clock.nowMs();
    expect(await trigger({ waitMs: 90 * secondMs })).toMatchObject({
      isPending: true,
      message: `Recovery queued behind job ${jobId}`,
    });
    expect(world.clock.nowMs() - askedAtMs).toBe(90 * secondMs);
  });
});

describe("a reset", () => {
  it("on a service that is ready says that real output is there", async () => {
    await world.reachMode("ready");
    expect(await settled(world, world.ports.recovery.reset("operator:a"))).toMatchObject({
      isRealGenerationEnabled: true,
      isMockDisabled: true,
      probe: "passed",
    });
    expect(await world.rows("recovery.reset")).toMatchObject([{ actor: "operator:a" }]);
  });

  const reset = async () => {
    const beganAtMs = world.clock.nowMs();
    const answer = await settled(world, world.ports.recovery.reset("operator:a"));
    expect(world.clock.nowMs() - beganAtMs).toBeLessThanOrEqual(10 * secondMs);
    // What held before it holds no more; a climb that followed it and failed begins a new one.
    const hasClimbed = (await world.rows("cooldown.started")).some(({ atMs }) => atMs >= beganAtMs);
    if (!hasClimbed) expect(world.context().cooldowns).toEqual({});
    return answer;
  };
  /** No model loads and no test render passes any more, and an incident stands in for that. */
  const sicken = async (): Promise<void> => {
    await world.reachMode("ready");
    world.brokenModels.add("T2V-A14B");
    for (const worker of world.workers.values()) worker.bad.probes = Number.POSITIVE_INFINITY;
    await trigger();
    expect(world.context().mode).toBe("mock");
  };

  it("looks at once at what was stood in for, and says that real output is there when the test render passed", async () => {
    await sicken();
    world.brokenModels.clear();
    for (const worker of world.workers.values()) worker.bad.probes = 0;
    expect(await reset()).toMatchObject({ isRealGenerationEnabled: true, isMockDisabled: true, probe: "passed" });
    const [failed, passed] = [await world.rows("canary.failed"), await world.rows("canary.passed")];
    expect(passed.at(-1)?.seq).toBeGreaterThan(failed.at(-1)?.seq ?? 0);
    expect((await trigger()).message).not.toMatch(/cooldown/);
  });

  it("says that the test render failed, and calls nothing enabled", async () => {
    await sicken();
    expect(await reset()).toMatchObject({ isRealGenerationEnabled: false, isMockDisabled: false, probe: "failed" });
  });

  it("says that a test render is still to come when there is none in time", async () => {
    await sicken();
    for (const worker of world.workers.values()) worker.freeze();
    const { isRealGenerationEnabled, probe } = await reset();
    expect([isRealGenerationEnabled, probe]).toEqual([false, "running"]);
  });

  it("waits for a model that is being loaded, and calls it enabled only then", async () => {
    expect(world.context().mode).toBe("loading");
    expect(await reset()).toMatchObject({ isRealGenerationEnabled: true, probe: "passed" });
    expect((await world.rows("model.proven")).length).toBe(1);
  });

  it("makes no test render while the service stops, or while its workers rest", async () => {
    await world.reachMode("ready");
    await settled(world, world.ports.intake.pause({ isReleasing: true, waitMs: 20 * secondMs, by: "operator:a" }));
    expect(await reset()).toMatchObject({ isRealGenerationEnabled: false, probe: "none" });
    const finished = world.service.finishJobs(60 * secondMs);
    expect(await reset()).toMatchObject({ isRealGenerationEnabled: false, probe: "none" });
    await settled(world, finished);
  });

  it("lets a model that was set aside be tried again", async () => {
    await world.reachMode("ready");
    const order = { model: "T2V-A14B", code: "WORKER_STALLED", message: "it stood still" } as const;
    world.unavailableModels.note({ type: "model.setAside", workerId, data: order });
    expect(world.unavailableModels.isUnavailable(workerId, "T2V-A14B")).toBe(true);
    world.unavailableModels.retryAll();
    expect(world.unavailableModels.isUnavailable(workerId, "T2V-A14B")).toBe(false);
  });
});

describe("monitoring", () => {
  it("is switched once, with a row that says by whom", async () => {
    await world.reachMode("ready");
    const set = async (isOn: boolean): Promise<boolean> => {
      const hasChanged = await world.ports.recovery.setMonitoring(isOn, "operator:a");
      await world.clock.advance(secondMs);
      return hasChanged;
    };
    expect([await set(true), await set(false), await set(false), await set(true)]).toEqual([false, true, false, true]);
    expect((await world.rows("monitoring.stopped", "monitoring.started")).map(({ kind }) => kind)).toEqual([
      "monitoring.stopped",
      "monitoring.started",
    ]);
  });

  it("a check answers with what was measured", async () => {
    await world.reachMode("ready");
    const view = await settled(world, world.ports.recovery.checkHealth());
    expect(view).toMatchObject({ overallStatus: "healthy", isModelLoadingFunctional: true, isGpuAvailable: true });
  });
});

it("a listener that fails holds up neither the others nor the record", () => {
  const errors: unknown[] = [];
  const hub = createFactHub({ error: (line) => errors.push(line) });
  const heard: string[] = [];
  hub.subscribe(() => {
    throw new Error("a listener's defect");
  });
  const leave = hub.subscribe(({ type }) => heard.push(type));
  hub.publish({ type: "mode.changed", from: "ready", to: "mock" });
  leave();
  hub.publish({ type: "mode.changed", from: "mock", to: "ready" });
  expect(heard).toEqual(["mode.changed"]);
  expect(errors).toHaveLength(2);
});
