import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFactHub } from "../../../src/app/incidents/recovery-operations.ts";
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

  it("behind a job in hand says that it waits for it", async () => {
    await world.reachMode("ready");
    const jobId = await world.order();
    await world.clock.advance(2 * secondMs);
    world.workers.get(workerId)?.freeze();
    const askedAtMs = world.clock.nowMs();
    expect(await trigger()).toMatchObject({ isPending: true, message: `Recovery queued behind job ${jobId}` });
    expect(world.clock.nowMs() - askedAtMs).toBe(30 * secondMs);
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
