import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createActor, toPromise } from "xstate";
import { LoadGate } from "../../../src/app/models/load-gate.ts";
import { type LoaderNeeds, loaderActors } from "../../../src/app/models/loader-actors.ts";
import { prepareLoad } from "../../../src/app/models/prepare-load.ts";
import { largestMachine } from "../../../src/app/models/serving-machine.ts";
import { createUnavailableModels } from "../../../src/app/models/unavailable-models.ts";
import type { Fault } from "../../../src/core/fault.ts";
import { canaryRequest } from "../../../src/core/model-figures.ts";
import { gibibyte, minuteMs, secondMs } from "../../../src/core/units.ts";
import type { ModelId } from "../../../src/core/words.ts";
import type { ModelProof } from "../../../src/machines/model-loader-types.ts";
import type { SupervisorFact } from "../../../src/machines/supervisor-types.ts";
import { makeJob } from "../../unit/job-store-world.ts";
import { type AppWorld, createAppWorld, foundClean, settled, workerId } from "../app-world.ts";
import { listenTo } from "../listen-to.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld();
});
afterEach(() => world.close());

const order = { workerId, model: "T2V-A14B", profile: "model-offload" } as const;
const load = (needs: LoaderNeeds = world) => listenTo(loaderActors(needs).loadModel, order);

/** The same worker on a card of so many GiB, as one that renders for real. */
async function connectReal(gibibytes: number, id = workerId) {
  const { worker, ref } = await world.connect(id);
  const client = await world.host.connect(ref, AbortSignal.any([]));
  const { identity } = client;
  const device = { ...identity.device, uuid: `GPU-${id}`, totalBytes: gibibytes * gibibyte };
  const open = { ...client, identity: { ...identity, isSimulated: false, device }, close: () => undefined };
  world.links.open({ workerId: id, ref, client: open });
  return worker;
}

const withHost = (gibibytes: number): LoaderNeeds => ({
  ...world,
  hostMemory: { measure: async () => gibibytes * gibibyte },
});

describe("loading a model", () => {
  it("tells how far it is, and ends with the model on the card", async () => {
    const { worker } = await world.connect();
    const told = load();
    await world.clock.advance(5 * secondMs);
    expect(told.ofType("load.progressed").map(({ ratio }) => ratio)).toEqual([0.25, 0.5, 0.75, 1]);
    expect([told.types().at(-1), worker.model, worker.profile]).toEqual([
      "load.succeeded",
      "T2V-A14B",
      "model-offload",
    ]);
    told.stop();
  });

  it("that the worker refuses is told with its reason", async () => {
    await world.connect();
    world.setNeighbour(79 * gibibyte);
    const told = load();
    await world.clock.advance(5 * secondMs);
    expect(told.ofType("load.failed")).toMatchObject([{ fault: { code: "GPU_OUT_OF_MEMORY" } }]);
    told.stop();
  });

  it("without a connection fails as the worker's end", async () => {
    const told = load();
    await world.clock.advance(secondMs);
    expect(told.ofType("load.failed")).toMatchObject([{ fault: { code: "WORKER_EXITED", retryable: true } }]);
    told.stop();
  });

  it("that was given up says nothing more", async () => {
    await world.connect();
    const told = load();
    await world.clock.advance(600);
    const count = told.types().length;
    told.stop();
    await world.clock.advance(minuteMs);
    expect(told.types()).toHaveLength(count);
  });

  it("that waits for another's turn says each minute that it is not stuck, and then begins", async () => {
    await connectReal(80);
    const weights = world.catalog.entryOf("T2V-A14B").weightBytes;
    const loadGate = new LoadGate({ measureFreeBytes: async () => weights });
    const leave = await loadGate.enter(weights, AbortSignal.any([]));
    const told = load({ ...withHost(512), loadGate });
    await world.clock.advance(2 * minuteMs + secondMs);
    expect(told.ofType("load.progressed").map(({ ratio }) => ratio)).toEqual([0, 0]);
    leave();
    await world.clock.advance(5 * secondMs);
    expect(told.ofType("load.failed")).toEqual([]);
    expect(told.types().at(-1)).toBe("load.succeeded");
    told.stop();
  });
});

describe("the memory mode of a load", () => {
  const choose = (needs: LoaderNeeds = world) => prepareLoad(needs, workerId, "T2V-A14B");

  it("is the one that is asked for where the card carries it, and is remembered", async () => {
    await world.connect();
    world.profiles.set(workerId, "tiling", "a test asked");
    expect([await choose(), world.profiles.of(workerId)]).toEqual(["tiling", "tiling"]);
  });

  it("is a leaner one on a card that does not carry the one that is asked for", async () => {
    await connectReal(24);
    const chosen = await choose(withHost(512));
    expect(chosen).not.toBe("model-offload");
    expect(world.profiles.of(workerId)).toBe(chosen);
  });

  it("passes over one that ran out of memory a moment ago, while another is left", async () => {
    await world.connect();
    const model = world.catalog.entryOf("T2V-A14B");
    const request = { model, ...canaryRequest(model) };
    await world.envelopes.noteMisfit({ deviceUuid: world.deviceUuid, profile: "model-offload" }, request, foundClean);
    expect(await choose()).not.toBe("model-offload");
  });

  it("on a machine that carries the model in no mode there is none, and the refusal says what it lacks", async () => {
    await connectReal(4);
    await expect(choose(withHost(8))).rejects.toMatchObject({ code: "MODEL_DOES_NOT_FIT" });
  });
});

describe("the proof of a load", () => {
  const proofOf = (isJobSize: boolean): Promise<ModelProof> =>
    settled(world, toPromise(createActor(loaderActors(world).proveModel, { input: { ...order, isJobSize } }).start()));
  const prove = async (): Promise<Fault | null> => (await proofOf(false)).fault;

  it.each([
    ["is a small one where nobody asked for another", false, true, ["canary"], "canary"],
    ["is of the size that was rendered last, where that is asked for", true, true, ["phase"], "job"],
    ["is a small one where nothing was rendered yet", true, false, ["canary"], "canary"],
  ] as const)("%s", async (_, isJobSize, wasRendered, kinds, size) => {
    const { worker } = await world.connect();
    worker.model = "T2V-A14B";
    worker.profile = "model-offload";
    const { request } = makeJob(0).spec;
    if (wasRendered) world.lastRenders.note(workerId, "j1", request);
    const asked: string[] = [];
    const client = world.links.connected(workerId);
    const { probe } = client;
    client.probe = (order, signal) => {
      asked.push(order.kind);
      return probe(order, signal);
    };
    const proof = await proofOf(isJobSize);
    expect([asked, proof.size, proof.fault]).toEqual([kinds, size, null]);
    expect(proof.what).toContain(size === "job" ? "denoise of 832x480 with 81 frames" : "a small test render");
  });

  it("passes when the test render did", async () => {
    const { worker } = await world.connect();
    worker.model = "T2V-A14B";
    worker.profile = "model-offload";
    expect(await prove()).toBeNull();
  });

  it("fails when another model is on the card by now: its test render would prove nothing", async () => {
    const { worker } = await world.connect();
    worker.model = "TI2V-5B";
    worker.profile = "model-offload";
    expect(await prove()).toMatchObject({ message: "T2V-A14B is not on the card" });
  });

  it("that did not finish is a fault of its own", async () => {
    const { worker } = await world.connect();
    worker.model = "T2V-A14B";
    worker.profile = "model-offload";
    worker.bad.probes = 1;
    expect(await prove()).toMatchObject({ message: expect.stringContaining("did not finish") });
  });

  it("that ran out of memory is that", async () => {
    const { worker } = await world.connect();
    worker.model = "T2V-A14B";
    worker.profile = "model-offload";
    world.setNeighbour(79 * gibibyte);
    expect(await prove()).toMatchObject({ code: "GPU_OUT_OF_MEMORY" });
  });
});

describe("a step to a richer memory mode", () => {
  async function stepping() {
    const { worker } = await world.connect();
    worker.model = "T2V-A14B";
    worker.profile = "tiling";
    world.profiles.set(workerId, "tiling", "a test asked");
    world.profiles.stepTo(workerId, "model-offload");
    return worker;
  }

  it("whose load fails is no fault: the mode before it is loaded instead", async () => {
    const worker = await stepping();
    worker.bad.loads = 1;
    const told = load();
    await world.clock.advance(minuteMs);
    expect(told.ofType("load.failed")).toEqual([]);
    expect(told.ofType("load.succeeded")).toHaveLength(1);
    expect([worker.profile, world.profiles.of(workerId)]).toEqual(["tiling", "tiling"]);
    expect(world.profileChanges.at(-1)?.why).toMatch(/^its load failed: CUDA out of memory/);
    told.stop();
  });

  it("whose test render fails is no fault either, and a load that fails without a step is one", async () => {
    const worker = await stepping();
    worker.profile = "model-offload";
    worker.bad.probes = 1;
    expect(
      await settled(
        world,
        toPromise(createActor(loaderActors(world).proveModel, { input: { ...order, isJobSize: false } }).start()),
      ),
    ).toMatchObject({ fault: null });
    expect([worker.profile, world.profiles.of(workerId)]).toEqual(["tiling", "tiling"]);
    worker.bad.loads = 1;
    const told = load();
    await world.clock.advance(minuteMs);
    expect(told.ofType("load.failed")).toHaveLength(1);
    told.stop();
  });
});

describe("models that could not be loaded", () => {
  const setAside = (id: string, model: ModelId): SupervisorFact => ({
    type: "model.setAside",
    workerId: id,
    data: { model, code: "WORKER_STALLED", message: "it stood still" },
  });
  const unavailableModels = () => createUnavailableModels(world.clock, () => ({ firstMs: 30_000, longestMs: 600_000 }));

  it("are left alone for a while that doubles with each time", async () => {
    const aside = unavailableModels();
    for (const waitMs of [30_000, 60_000, 120_000]) {
      aside.note(setAside("a", "TI2V-5B"));
      await world.clock.advance(waitMs - 1);
      expect(aside.isUnavailable("a", "TI2V-5B")).toBe(true);
      await world.clock.advance(1);
      expect(aside.isUnavailable("a", "TI2V-5B")).toBe(false);
    }
  });

  it("concern the one worker and the one model", () => {
    const aside = unavailableModels();
    aside.note(setAside("a", "TI2V-5B"));
    expect([aside.isUnavailable("b", "TI2V-5B"), aside.isUnavailable("a", "T2V-A14B")]).toEqual([false, false]);
  });

  it("are told by worker, with the time at which they are tried again", async () => {
    const aside = unavailableModels();
    aside.note(setAside("a", "TI2V-5B"));
    expect(aside.asideOn("a")).toMatchObject([{ model: "TI2V-5B", untilMs: world.clock.nowMs() + 30_000 }]);
    expect(aside.asideOn("b")).toEqual([]);
    await world.clock.advance(30_000);
    expect(aside.asideOn("a")).toEqual([]);
  });

  it.each<[string, (aside: ReturnType<typeof unavailableModels>) => void]>([
    [
      "was loaded after all",
      (aside) =>
        aside.note({ type: "model.proven", workerId: "a", data: { model: "TI2V-5B", profile: "model-offload" } }),
    ],
    ["is forgiven by an operator", (aside) => aside.retryAll()],
  ])("one that %s is tried at once, and its waits begin anew", async (_, end) => {
    const aside = unavailableModels();
    aside.note(setAside("a", "TI2V-5B"));
    aside.note(setAside("a", "TI2V-5B"));
    end(aside);
    expect(aside.isUnavailable("a", "TI2V-5B")).toBe(false);
    aside.note(setAside("a", "TI2V-5B"));
    await world.clock.advance(30_000);
    expect(aside.isUnavailable("a", "TI2V-5B")).toBe(false);
  });
});

it("the machine that serves is the one with the largest card, and nobody while no worker is connected", async () => {
  expect(largestMachine(world)).toBeNull();
  await connectReal(24, "a");
  await connectReal(80, "b");
  expect(largestMachine(world)?.machine.device).toMatchObject({ uuid: "GPU-b", totalBytes: 80 * gibibyte });
});
