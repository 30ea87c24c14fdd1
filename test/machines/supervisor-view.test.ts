import { afterEach, describe, expect, it } from "vitest";
import { createActor, fromCallback, fromPromise } from "xstate";
import { toActorClock } from "../../src/core/clock.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { healthMonitorMachine } from "../../src/machines/health-monitor.machine.ts";
import { modelLoaderMachine } from "../../src/machines/model-loader.machine.ts";
import type {
  LoadOrder,
  ModelLoaderEvent,
  ModelProof,
  ProveOrder,
  Resolution,
  VerifyOrder,
} from "../../src/machines/model-loader-types.ts";
import { supervisorMachine } from "../../src/machines/supervisor.machine.ts";
import { childIds } from "../../src/machines/supervisor-children.ts";
import type { SupervisorFact } from "../../src/machines/supervisor-types.ts";
import {
  healthOf,
  isAdopting,
  isHealthMonitored,
  modelHeldBy,
  type Supervisor,
  workerStandingOf,
} from "../../src/machines/supervisor-view.ts";
import { workerMachine } from "../../src/machines/worker.machine.ts";
import { defaultLadders } from "../../src/recovery/ladders.ts";

let running: Supervisor | undefined;
afterEach(() => running?.stop());

const never = <Output>(): Promise<Output> => new Promise(() => undefined);

/** One worker that is being adopted, a loader whose every load succeeds, and a monitor without samples. */
function start() {
  const clock = createVirtualClock();
  const machine = supervisorMachine.provide({
    actors: {
      recorder: fromCallback<SupervisorFact, undefined>(() => undefined),
      healthMonitor: healthMonitorMachine.provide({ actors: { takeSamples: fromCallback(() => undefined) } }),
      worker: workerMachine.provide({ actors: { adoptProcess: fromPromise(() => never()) } }),
      modelLoader: modelLoaderMachine.provide({
        actors: {
          resolveModel: fromPromise<Resolution, LoadOrder>(async () => ({ kind: "present" })),
          verifyModel: fromPromise<string | null, VerifyOrder>(async () => null),
          loadModel: fromCallback<ModelLoaderEvent, LoadOrder>(({ sendBack }) => sendBack({ type: "load.succeeded" })),
          proveModel: fromPromise<ModelProof, ProveOrder>(async () => ({
            fault: null,
            size: "canary",
            what: "a test render",
          })),
        },
      }),
    },
  });
  const workers = [{ id: "a", model: "T2V-A14B", profile: "model-offload" }] as const;
  const input = {
    epoch: 1,
    lead: "T2V-A14B",
    workers,
    ladders: defaultLadders,
    clock,
    catalog: createModelCatalog(),
    gpuExpectation: "never",
  } as const;
  const supervisor: Supervisor = createActor(machine, { input, clock: toActorClock(clock) }).start();
  running = supervisor;
  return { clock, supervisor, snapshot: () => supervisor.getSnapshot() };
}

describe("what those outside read of the machines", () => {
  it("tells that a worker is being adopted", () => {
    const { snapshot } = start();
    expect(workerStandingOf(snapshot(), "a")).toEqual({ value: "adopting", tags: ["loading"] });
    expect(isAdopting(snapshot(), "a")).toBe(true);
  });

  it("is nothing about a worker that nobody knows", () => {
    const { snapshot } = start();
    expect(workerStandingOf(snapshot(), "z")).toBeNull();
    expect([isAdopting(snapshot(), "z"), modelHeldBy(snapshot(), "z")]).toEqual([false, null]);
  });

  it("names the model and memory mode that a worker holds once its proof has passed", async () => {
    const { clock, supervisor, snapshot } = start();
    await clock.advance(1);
    expect(modelHeldBy(snapshot(), "a")).toBeNull();
    supervisor.send({ type: "model.reload", workerId: "a" });
    expect(modelHeldBy(snapshot(), "a")).toBeNull();
    const loader = snapshot().children[childIds.loader("a")];
    loader?.send({ type: "worker.connected", residentModel: null, profile: null, isAdopted: false });
    await clock.advance(1);
    expect(modelHeldBy(snapshot(), "a")).toEqual({ model: "T2V-A14B", profile: "model-offload" });
    loader?.send({ type: "worker.exited" });
    expect(modelHeldBy(snapshot(), "a")).toBeNull();
  });

  it("tells whether health is measured: until an operator stops it, and from when one starts it again", async () => {
    const { clock, supervisor, snapshot } = start();
    await clock.advance(1);
    expect(isHealthMonitored(snapshot())).toBe(true);
    supervisor.send({ type: "monitor.stop" });
    expect(isHealthMonitored(snapshot())).toBe(false);
    supervisor.send({ type: "monitor.start" });
    expect(isHealthMonitored(snapshot())).toBe(true);
    expect(healthOf(snapshot())).toMatchObject({ status: "unknown", measuredAtMs: null });
  });
});
