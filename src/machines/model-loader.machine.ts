/**
 * Owns which model a worker holds, and in which memory mode.
 * Life: unloaded → resolving → (downloading →) verifying → loading → proving → ready; failed {retryable, permanent}.
 * Survives: a worker that ends (it loads again when the next one connects), a load that stands still, and one failed try,
 * before whose repetition it asks for a cache clear. A failed reload keeps the old model's name out of `resident` only
 * when the worker says so.
 */
import { assign, fromCallback, fromPromise, sendTo, setup } from "xstate";
import type { Fault } from "../core/fault.ts";
import type { LoadProfile, MachineTag, ModelId } from "../core/words.ts";
import { retryDelayMs } from "../recovery/retry-delays.ts";
import {
  defaultModelLoaderLimits,
  type LoadOrder,
  type ModelLoaderContext,
  type ModelLoaderEvent,
  type ModelLoaderInput,
  type ModelLoaderReport,
  type Resolution,
} from "./model-loader-types.ts";

const orderOf = ({ context }: { context: ModelLoaderContext }): LoadOrder => ({ workerId: context.workerId, ...context.wanted });

/** A step of loading that did not answer within its time. */
function overdueFault(what: string): Fault {
  return {
    code: "MODEL_NOT_AVAILABLE",
    attribution: "worker",
    failureType: "model_loading_failure",
    confidence: 0.6,
    decidedBy: `${what} gave no sign of activity`,
    message: `${what} gave no sign of activity within its time.`,
    contextPoisoned: false,
    retryable: true,
    operatorAction: null,
    evidence: { phase: "load" },
  };
}

/** Fetched again and again, the file still does not match its hash: another fetch would give the same. */
function corruptFault(brokenFile: string | null): Fault {
  const message = `${brokenFile ?? "A model file"} does not match its hash, however often it is fetched.`;
  return {
    ...overdueFault("verifying"),
    code: "MODEL_FILE_CORRUPT",
    attribution: "model",
    confidence: 0.9,
    decidedBy: "a fetched file does not match its hash",
    message,
    retryable: false,
    operatorAction: "Check the model's source: what it serves is not what it promises.",
    evidence: { phase: "load", message },
  };
}

function rejectionFault(what: string, thrown: unknown): Fault {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { ...overdueFault(what), decidedBy: `${what} was rejected`, message, evidence: { phase: "load", message } };
}

type ModelLoad = Extract<ModelLoaderEvent, { type: "model.load" }>;

/** Whoever asks for the model that is being made ready waits for the same load. */
const joinSameLoad = {
  "model.ensure": { description: "Joins the load that is under way." },
  "model.load": [
    {
      guard: {
        type: "isWantedAlready" as const,
        params: ({ event }: { event: ModelLoad }) => ({ model: event.model, profile: event.profile }),
      },
      description: "Joins the load that is under way.",
    },
    {
      guard: "isConnected" as const,
      target: "#modelLoader.resolving",
      actions: { type: "want" as const, params: ({ event }: { event: ModelLoad }) => ({ model: event.model, profile: event.profile }) },
    },
  ],
} as const;

export const modelLoaderMachine = setup({
  types: {
    context: {} as ModelLoaderContext,
    events: {} as ModelLoaderEvent,
    input: {} as ModelLoaderInput,
    tags: {} as MachineTag,
  },
  actors: {
    /** Looks which files the model needs and which are missing; asks no worker. */
    resolveModel: fromPromise<Resolution, LoadOrder>(() => Promise.reject(new Error("resolveModel was not provided"))),
    downloadModel: fromCallback<ModelLoaderEvent, LoadOrder>(() => {
      throw new Error("downloadModel was not provided");
    }),
    /** Every file matches its hash; resolves with the name of the first that does not, or null. */
    verifyModel: fromPromise<string | null, LoadOrder>(() => Promise.reject(new Error("verifyModel was not provided"))),
    loadModel: fromCallback<ModelLoaderEvent, LoadOrder>(() => {
      throw new Error("loadModel was not provided");
    }),
    /** The test render; resolves with null when it passed, else with the fault. */
    proveModel: fromPromise<Fault | null, LoadOrder>(() => Promise.reject(new Error("proveModel was not provided"))),
    unloadModel: fromPromise<void, { workerId: string }>(() => Promise.reject(new Error("unloadModel was not provided"))),
    /** Asked before a second try: leftovers of the first may hold the memory. */
    clearCache: fromPromise<void, { workerId: string }>(() => Promise.reject(new Error("clearCache was not provided"))),
  },
  guards: {
    isConnected: ({ context }) => context.isWorkerConnected,
    triesRemain: ({ context }) => context.tryCount < context.limits.retryCount && context.fault?.retryable === true,
    isPresent: (_, params: { resolution: Resolution }) => params.resolution.kind === "present",
    isSound: (_, params: { brokenFile: string | null }) => params.brokenFile === null,
    isProven: (_, params: { fault: Fault | null }) => params.fault === null,
    isAlreadyServing: ({ context }, params: { model: ModelId; profile: LoadProfile; isForced: boolean }) =>
      !params.isForced && context.resident?.model === params.model && context.resident.profile === params.profile,
    isWantedAlready: ({ context }, params: { model: ModelId; profile: LoadProfile }) =>
      context.wanted.model === params.model && context.wanted.profile === params.profile,
    fetchesRemain: ({ context }) => context.fetchCount < context.limits.fetchCount,
    holdsWanted: ({ context }, params: { residentModel: ModelId | null; isAdopted: boolean }) =>
      params.isAdopted && params.residentModel === context.wanted.model,
  },
  actions: {
    noteConnected: assign({ isWorkerConnected: true, tryCount: 0 }),
    noteExited: assign({ isWorkerConnected: false, resident: null }),
    want: assign((_, params: { model: ModelId; profile: LoadProfile }) => ({
      wanted: { model: params.model, profile: params.profile },
      tryCount: 0,
    })),
    countFetch: assign({ fetchCount: ({ context }) => context.fetchCount + 1 }),
    forgetFetches: assign({ fetchCount: 0 }),
    countTry: assign({ tryCount: ({ context }) => context.tryCount + 1 }),
    forgetTries: assign({ tryCount: 0, fault: null }),
    noteResident: assign(({ context }) => ({ resident: context.wanted })),
    noteAdopted: assign(({ context }, params: { profile: LoadProfile | null }) => ({
      isWorkerConnected: true,
      resident: { model: context.wanted.model, profile: params.profile ?? context.wanted.profile },
      wanted: { model: context.wanted.model, profile: params.profile ?? context.wanted.profile },
    })),
    noteUnloaded: assign({ resident: null }),
    noteFault: assign((_, params: { fault: Fault | null }) => ({ fault: params.fault })),
    reportProven: sendTo(
      ({ context }) => context.parent,
      ({ context }): ModelLoaderReport => ({ type: "model.proven", workerId: context.workerId, ...context.wanted }),
    ),
    reportUnloaded: sendTo(
      ({ context }) => context.parent,
      ({ context }): ModelLoaderReport => ({ type: "model.unloaded", workerId: context.workerId }),
    ),
    reportFailed: sendTo(
      ({ context }) => context.parent,
      ({ context }): ModelLoaderReport => ({
        type: "model.loadFailed",
        workerId: context.workerId,
        model: context.wanted.model,
        fault: context.fault ?? overdueFault("loading"),
      }),
    ),
    raiseFault: sendTo(
      ({ context }) => context.parent,
      ({ context }): ModelLoaderReport => ({
        type: "fault.raised",
        isHealthOnly: false,
        report: {
          fault: context.fault ?? overdueFault("loading"),
          workerId: context.workerId,
          model: context.wanted.model,
          jobId: null,
          atMs: context.clock.nowMs(),
        },
      }),
    ),
  },
  delays: {
    resolveMs: ({ context }) => context.limits.resolveMs,
    downloadStallMs: ({ context }) => context.limits.downloadStallMs,
    verifyMs: ({ context }) => context.limits.verifyMs,
    stuckMs: ({ context }) => context.limits.stuckMs,
    proveMs: ({ context }) => context.limits.proveMs,
    unloadMs: ({ context }) => context.limits.unloadMs,
    retryMs: ({ context }) => retryDelayMs("model_loading", context.tryCount, 0.5) ?? 0,
    permanentRestMs: ({ context }) => context.limits.permanentRestMs,
  },
}).createMachine({
  id: "modelLoader",
  context: ({ input }) => ({
    workerId: input.workerId,
    parent: input.parent,
    clock: input.clock,
    limits: { ...defaultModelLoaderLimits, ...input.limits },
    wanted: { model: input.model, profile: input.profile },
    resident: null,
    isWorkerConnected: false,
    tryCount: 0,
    fetchCount: 0,
    fault: null,
  }),
  initial: "unloaded",
  on: {
    "worker.exited": { target: ".unloaded", actions: { type: "noteExited" } },
    "worker.connected": [
      {
        guard: { type: "holdsWanted", params: ({ event }) => ({ residentModel: event.residentModel, isAdopted: event.isAdopted }) },
        target: ".ready",
        actions: { type: "noteAdopted", params: ({ event }) => ({ profile: event.profile }) },
      },
      { target: ".resolving", actions: { type: "noteConnected" } },
    ],
    "model.reload": { guard: "isConnected", target: ".resolving" },
    "model.ensure": { guard: "isConnected", target: ".resolving" },
    "model.load": {
      guard: "isConnected",
      target: ".resolving",
      actions: { type: "want", params: ({ event }) => ({ model: event.model, profile: event.profile }) },
    },
  },
  states: {
    unloaded: {
      description: "No model is on the card.",
      tags: ["loading"],
      on: {
        "model.load": [
          {
            guard: "isConnected",
            target: "resolving",
            actions: { type: "want", params: ({ event }) => ({ model: event.model, profile: event.profile }) },
          },
          { actions: { type: "want", params: ({ event }) => ({ model: event.model, profile: event.profile }) } },
        ],
      },
    },
    resolving: {
      description: "Looks which files the model needs.",
      tags: ["loading"],
      entry: { type: "forgetFetches" },
      on: joinSameLoad,
      invoke: {
        src: "resolveModel",
        input: orderOf,
        onDone: [
          { guard: { type: "isPresent", params: ({ event }) => ({ resolution: event.output }) }, target: "verifying" },
          { target: "downloading" },
        ],
        onError: {
          target: "failed",
          actions: { type: "noteFault", params: ({ event }) => ({ fault: rejectionFault("resolving", event.error) }) },
        },
      },
      after: { resolveMs: { target: "failed", actions: { type: "noteFault", params: { fault: overdueFault("resolving") } } } },
    },
    downloading: {
      description: "Fetches the files that are missing.",
      tags: ["loading"],
      initial: "transferring",
      invoke: {
        src: "downloadModel",
        input: orderOf,
        onError: {
          target: "failed",
          actions: { type: "noteFault", params: ({ event }) => ({ fault: rejectionFault("the download", event.error) }) },
        },
      },
      on: {
        ...joinSameLoad,
        "download.succeeded": { target: "verifying" },
        "download.failed": { target: "failed", actions: { type: "noteFault", params: ({ event }) => ({ fault: event.fault }) } },
        "download.cancel": { target: "unloaded" },
      },
      states: {
        transferring: {
          description: "Bytes arrive.",
          on: { "download.progressed": { target: "transferring", reenter: true }, "download.pause": { target: "backingOff" } },
          after: { downloadStallMs: { target: "stalled" } },
        },
        stalled: {
          description: "No byte has arrived for half a minute.",
          on: { "download.progressed": { target: "transferring" } },
          after: {
            stuckMs: { target: "#modelLoader.failed", actions: { type: "noteFault", params: { fault: overdueFault("the download") } } },
          },
        },
        backingOff: {
          description: "The transfer rests until it is asked to go on.",
          on: { "download.resume": { target: "transferring" }, "download.progressed": { target: "transferring" } },
          after: { permanentRestMs: { target: "transferring" } },
        },
      },
    },
    verifying: {
      description: "Compares every file with its hash.",
      tags: ["loading"],
      on: joinSameLoad,
      invoke: {
        src: "verifyModel",
        input: orderOf,
        onDone: [
          { guard: { type: "isSound", params: ({ event }) => ({ brokenFile: event.output }) }, target: "loading" },
          { guard: "fetchesRemain", target: "downloading", actions: { type: "countFetch" } },
          { target: "failed", actions: { type: "noteFault", params: ({ event }) => ({ fault: corruptFault(event.output) }) } },
        ],
        onError: {
          target: "failed",
          actions: { type: "noteFault", params: ({ event }) => ({ fault: rejectionFault("verifying", event.error) }) },
        },
      },
      after: { verifyMs: { target: "failed", actions: { type: "noteFault", params: { fault: overdueFault("verifying") } } } },
    },
    loading: {
      description: "The worker puts the model on the card.",
      tags: ["loading"],
      initial: "moving",
      invoke: {
        src: "loadModel",
        input: orderOf,
        onError: {
          target: "failed",
          actions: { type: "noteFault", params: ({ event }) => ({ fault: rejectionFault("loading", event.error) }) },
        },
      },
      on: {
        "load.succeeded": { target: "proving" },
        "load.failed": { target: "failed", actions: { type: "noteFault", params: ({ event }) => ({ fault: event.fault }) } },
        ...joinSameLoad,
      },
      states: {
        moving: {
          description: "The load shows activity.",
          on: { "load.progressed": { target: "moving", reenter: true } },
          after: { stuckMs: { target: "#modelLoader.failed", actions: { type: "noteFault", params: { fault: overdueFault("loading") } } } },
        },
      },
    },
    proving: {
      description: "A test render decides whether the model works.",
      tags: ["loading"],
      on: joinSameLoad,
      invoke: {
        src: "proveModel",
        input: orderOf,
        onDone: [
          {
            guard: { type: "isProven", params: ({ event }) => ({ fault: event.output }) },
            target: "ready",
            actions: [{ type: "noteResident" }, { type: "forgetTries" }],
          },
          { target: "failed", actions: { type: "noteFault", params: ({ event }) => ({ fault: event.output }) } },
        ],
        onError: {
          target: "failed",
          actions: { type: "noteFault", params: ({ event }) => ({ fault: rejectionFault("the test render", event.error) }) },
        },
      },
      after: { proveMs: { target: "failed", actions: { type: "noteFault", params: { fault: overdueFault("the test render") } } } },
    },
    ready: {
      description: "The model is on the card and its last proof passed.",
      tags: ["servable"],
      entry: { type: "reportProven" },
      on: {
        "model.ensure": { actions: { type: "reportProven" } },
        "model.load": [
          {
            guard: {
              type: "isAlreadyServing",
              params: ({ event }) => ({ model: event.model, profile: event.profile, isForced: event.isForced ?? false }),
            },
            actions: { type: "reportProven" },
          },
          { target: "resolving", actions: { type: "want", params: ({ event }) => ({ model: event.model, profile: event.profile }) } },
        ],
        "model.unload": { target: "unloading" },
        "model.verify": { target: "verifying" },
      },
    },
    unloading: {
      description: "Takes the model off the card.",
      invoke: {
        src: "unloadModel",
        input: ({ context }) => ({ workerId: context.workerId }),
        onDone: { target: "unloaded", actions: [{ type: "noteUnloaded" }, { type: "reportUnloaded" }] },
        onError: {
          target: "failed",
          actions: { type: "noteFault", params: ({ event }) => ({ fault: rejectionFault("unloading", event.error) }) },
        },
      },
      after: { unloadMs: { target: "failed", actions: { type: "noteFault", params: { fault: overdueFault("unloading") } } } },
    },
    failed: {
      description: "The model could not be made ready.",
      tags: ["degraded"],
      initial: "deciding",
      // What recovery mended meanwhile is proven as it lies on the card: a reload would undo what was applied in place.
      on: { "model.ensure": { guard: "isConnected", target: "proving", actions: { type: "forgetTries" } } },
      states: {
        deciding: {
          description: "Decides whether another try can help.",
          always: [{ guard: "triesRemain", target: "retryable" }, { target: "permanent" }],
        },
        retryable: {
          description: "Clears the cache, waits, and tries again.",
          entry: { type: "countTry" },
          invoke: {
            src: "clearCache",
            input: ({ context }) => ({ workerId: context.workerId }),
            onDone: { actions: [] },
            onError: { actions: [] },
          },
          after: { retryMs: { target: "#modelLoader.resolving" } },
        },
        permanent: {
          description: "Waits for recovery or an operator; looks again by itself after a rest.",
          entry: [{ type: "reportFailed" }, { type: "raiseFault" }],
          after: { permanentRestMs: { target: "#modelLoader.resolving" } },
        },
      },
    },
  },
});
