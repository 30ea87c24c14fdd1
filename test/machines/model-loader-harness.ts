/**
 * Runs the model loader on a virtual clock in a world that a test steers: files, source and worker answer, fail or hang
 * as it says.
 */
import { afterEach } from "vitest";
import { type Actor, createActor, fromCallback, fromPromise } from "xstate";
import { toActorClock } from "../../src/core/clock.ts";
import type { Fault } from "../../src/core/fault.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { modelLoaderMachine } from "../../src/machines/model-loader.machine.ts";
import type {
  LoadOrder,
  ModelLoaderEvent,
  ModelLoaderReport,
  ModelProof,
  ProveOrder,
  Resolution,
  VerifyOrder,
} from "../../src/machines/model-loader-types.ts";
import { type RetryTable, retryTables } from "../../src/recovery/retry-delays.ts";
import { pathOfValue } from "../../src/telemetry/transitions.ts";
import { createListeningParent, type ListeningParent } from "./listening-parent.ts";

type Answer<Value> = Value | "hangs" | "fails";

/** Nothing outside answers within the same turn; a machine that asks in circles must not hold up the clock. */
async function given<Value>(answer: Answer<Value>, clock: VirtualClock, what: string): Promise<Value> {
  await clock.turn();
  if (answer === "hangs") return new Promise(() => undefined);
  if (answer === "fails") throw new Error(`${what} is away`);
  return answer;
}

/** The disk, the source of models and the worker around one loader. */
export interface LoaderWorld {
  readonly actor: Actor<typeof modelLoaderMachine>;
  readonly clock: VirtualClock;
  readonly parent: ListeningParent<ModelLoaderReport>;
  readonly state: () => string;
  /** Sends events one after the other and lets every answer come. */
  readonly send: (...events: readonly ModelLoaderEvent[]) => Promise<void>;
  resolution: Answer<Resolution>;
  /** One answer a verification, sound when there is none left. */
  verifications: Answer<string | null>[];
  /** One answer a test render, passed when there is none left. */
  proofs: Answer<Fault | null>[];
  unloading: Answer<void>;
  clearing: Answer<void>;
  /** A test render waits for it. */
  beforeProof: Promise<void>;
  /** How often a load is tried, and after which waits. */
  loadTries: RetryTable;
  canDownload: boolean;
  canLoad: boolean;
  /** Orders in the order in which they were given. */
  readonly loads: LoadOrder[];
  /** The test renders that were begun. */
  readonly tests: ("job" | "canary")[];
  /** Transfers that were begun, and how many of them still run. */
  downloadCount: number;
  runningDownloadCount: number;
  /** Cache clears, tests of files and looks at the disk. */
  clearCount: number;
  verifyCount: number;
  /** Of the verifications: those that read every file again. */
  rehashCount: number;
  resolveCount: number;
}

function provide(world: Omit<LoaderWorld, "actor">) {
  const { clock } = world;
  return modelLoaderMachine.provide({
    actors: {
      resolveModel: fromPromise<Resolution, LoadOrder>(() => {
        world.resolveCount += 1;
        return given(world.resolution, clock, "the disk");
      }),
      downloadModel: fromCallback<ModelLoaderEvent, LoadOrder>(() => {
        if (!world.canDownload) throw new Error("the source is away");
        world.downloadCount += 1;
        world.runningDownloadCount += 1;
        return () => {
          world.runningDownloadCount -= 1;
        };
      }),
      verifyModel: fromPromise<string | null, VerifyOrder>(({ input }) => {
        world.verifyCount += 1;
        world.rehashCount += input.isRehash ? 1 : 0;
        return given(world.verifications.length > 0 ? (world.verifications.shift() ?? null) : null, clock, "the disk");
      }),
      loadModel: fromCallback<ModelLoaderEvent, LoadOrder>(({ input }) => {
        if (!world.canLoad) throw new Error("the worker is away");
        world.loads.push(input);
      }),
      proveModel: fromPromise<ModelProof, ProveOrder>(async ({ input }) => {
        world.tests.push(input.isJobSize ? "job" : "canary");
        await world.beforeProof;
        const fault = await given(world.proofs.shift() ?? null, clock, "the worker");
        return { fault, size: input.isJobSize ? "job" : "canary", what: "a test render" };
      }),
      unloadModel: fromPromise<void, { workerId: string }>(() => given(world.unloading, clock, "the worker")),
      clearCache: fromPromise<void, { workerId: string }>(() => {
        world.clearCount += 1;
        return given(world.clearing, clock, "the worker");
      }),
    },
  });
}

/** A loader that wants T2V-A14B in full, without a worker; `set` prepares the world before it starts. */
function startLoader(set: Partial<LoaderWorld> = {}): LoaderWorld {
  const clock = createVirtualClock();
  const parent = createListeningParent<ModelLoaderReport>();
  const world = {
    clock,
    parent,
    resolution: { kind: "present" },
    verifications: [],
    proofs: [],
    unloading: undefined,
    clearing: undefined,
    beforeProof: Promise.resolve(),
    loadTries: retryTables.model_loading,
    canDownload: true,
    canLoad: true,
    loads: [],
    tests: [],
    downloadCount: 0,
    runningDownloadCount: 0,
    clearCount: 0,
    verifyCount: 0,
    rehashCount: 0,
    resolveCount: 0,
    state: () => pathOfValue(actor.getSnapshot().value),
    send: async (...events: readonly ModelLoaderEvent[]) => {
      for (const event of events) {
        actor.send(event);
        await clock.settle();
      }
    },
    ...set,
  } satisfies Omit<LoaderWorld, "actor">;
  const actor: Actor<typeof modelLoaderMachine> = createActor(provide(world), {
    clock: toActorClock(clock),
    input: {
      workerId: "w0",
      parent: parent.ref,
      clock,
      model: "T2V-A14B",
      profile: "full",
      limits: { loads: world.loadTries },
    },
  });
  actor.start();
  return Object.assign(world, { actor });
}

export const connected: ModelLoaderEvent = {
  type: "worker.connected",
  residentModel: null,
  profile: null,
  isAdopted: false,
};
export const loaded: ModelLoaderEvent = { type: "load.succeeded" };
export const ensure: ModelLoaderEvent = { type: "model.ensure" };
export const reload: ModelLoaderEvent = { type: "model.reload" };
export const same: ModelLoaderEvent = { type: "model.load", model: "T2V-A14B", profile: "full" };
export const leaner: ModelLoaderEvent = { type: "model.load", model: "T2V-A14B", profile: "tiling" };
export const exited: ModelLoaderEvent = { type: "worker.exited" };
export const adopted = (residentModel: "T2V-A14B" | "TI2V-5B", isAdopted = true): ModelLoaderEvent => ({
  type: "worker.connected",
  residentModel,
  profile: "tiling",
  isAdopted,
});

const running: LoaderWorld[] = [];
afterEach(() => {
  for (const world of running.splice(0)) world.actor.stop();
});

/** A loader that ends with its test. */
export const begin = (set: Partial<LoaderWorld> = {}): LoaderWorld => {
  const world = startLoader(set);
  running.push(world);
  return world;
};
/** A loader whose worker is there: it waits for whatever the world holds up first. */
export const load = async (set: Partial<LoaderWorld> = {}): Promise<LoaderWorld> => {
  const world = begin(set);
  await world.send(connected);
  return world;
};
/** A loader whose worker has loaded its own model. */
export const ready = async (set: Partial<LoaderWorld> = {}): Promise<LoaderWorld> => {
  const world = await load(set);
  await world.send(loaded);
  return world;
};

export const provenCount = (world: LoaderWorld): number => world.parent.ofType("model.proven").length;
