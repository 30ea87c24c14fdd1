/**
 * Owns which model a worker holds, and in which memory mode.
 * Life: unloaded → resolving → (downloading →) verifying → loading → proving → ready; failed {retryable, permanent}.
 * Survives: a worker that ends (it loads again when the next one connects), a load that stands still, and one failed try,
 * before whose repetition it asks for a cache clear. What is on the card is known to the worker alone (recovery loads
 * too), so nothing here remembers it: a wish for a model begins a load, and a proof begins with a look.
 * A model of a job that cannot be loaded is set aside, and the worker has its own model back: it fails nobody else.
 */
import {
  contextOf,
  corruptFault,
  joinSameLoad,
  modelLoaderSetup,
  orderOf,
  overdueFault,
  rejectionFault,
} from "./model-loader-setup.ts";

export const modelLoaderMachine = modelLoaderSetup.createMachine({
  id: "modelLoader",
  context: ({ input }) => contextOf(input),
  initial: "unloaded",
  on: {
    // What it died over is not tried again by the next process.
    "worker.exited": { target: ".unloaded", actions: ["wantOwn", "noteExited"] },
    "worker.connected": [
      {
        guard: {
          type: "holdsWanted",
          params: ({ event }) => ({ residentModel: event.residentModel, isAdopted: event.isAdopted }),
        },
        target: ".ready",
        actions: { type: "noteAdopted", params: ({ event }) => ({ profile: event.profile }) },
      },
      { target: ".resolving", actions: "noteConnected" },
    ],
    // Asked for while there is nothing to render with, it is done as soon as there is.
    "model.verify": { actions: "oweTrial" },
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
        "model.verify": [{ guard: "isConnected", target: "resolving", actions: "oweTrial" }, { actions: "oweTrial" }],
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
      entry: "forgetDownloads",
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
      after: {
        resolveMs: { target: "failed", actions: { type: "noteFault", params: { fault: overdueFault("resolving") } } },
      },
    },
    downloading: {
      description: "Fetches the files that are missing; what fails is tried again by the transfer itself.",
      tags: ["loading"],
      entry: "countDownload",
      initial: "transferring",
      invoke: {
        src: "downloadModel",
        input: orderOf,
        onError: {
          target: "#modelLoader.failed.givingUp",
          actions: {
            type: "noteFault",
            params: ({ event }) => ({ fault: rejectionFault("the download", event.error) }),
          },
        },
      },
      on: {
        ...joinSameLoad,
        "download.succeeded": { target: "verifying" },
        "download.failed": {
          target: "#modelLoader.failed.givingUp",
          actions: { type: "noteFault", params: ({ event }) => ({ fault: event.fault }) },
        },
        "download.cancel": { target: "unloaded" },
      },
      states: {
        transferring: {
          description: "Bytes arrive.",
          on: {
            "download.progressed": { target: "transferring", reenter: true },
            "download.pause": { target: "backingOff" },
          },
          after: { downloadStallMs: { target: "stalled" } },
        },
        stalled: {
          description: "No byte has arrived for half a minute.",
          on: { "download.progressed": { target: "transferring" } },
          after: {
            stuckMs: {
              target: "#modelLoader.failed.givingUp",
              actions: { type: "noteFault", params: { fault: overdueFault("the download") } },
            },
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
        input: ({ context }) => ({ ...orderOf({ context }), isRehash: context.areFilesReadAgain }),
        onDone: [
          { guard: { type: "isSound", params: ({ event }) => ({ brokenFile: event.output }) }, target: "loading" },
          { guard: "downloadsRemain", target: "downloading" },
          {
            target: "failed",
            actions: { type: "noteFault", params: ({ event }) => ({ fault: corruptFault(event.output) }) },
          },
        ],
        onError: {
          target: "failed",
          actions: { type: "noteFault", params: ({ event }) => ({ fault: rejectionFault("verifying", event.error) }) },
        },
      },
      after: {
        verifyMs: { target: "failed", actions: { type: "noteFault", params: { fault: overdueFault("verifying") } } },
      },
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
        "load.failed": {
          target: "failed",
          actions: { type: "noteFault", params: ({ event }) => ({ fault: event.fault }) },
        },
        ...joinSameLoad,
      },
      states: {
        moving: {
          description: "The load shows activity.",
          on: { "load.progressed": { target: "moving", reenter: true } },
          after: {
            stuckMs: {
              target: "#modelLoader.failed",
              actions: { type: "noteFault", params: { fault: overdueFault("loading") } },
            },
          },
        },
      },
    },
    proving: {
      description: "A test render decides whether the model works.",
      tags: ["loading"],
      entry: "beginTrial",
      on: joinSameLoad,
      invoke: {
        src: "proveModel",
        input: ({ context }) => ({ ...orderOf({ context }), isJobSize: context.trial === "running" }),
        onDone: [
          {
            guard: { type: "isProven", params: ({ event }) => ({ proof: event.output }) },
            target: "ready",
            actions: ["forgetTries", { type: "noteProof", params: ({ event }) => ({ proof: event.output }) }],
          },
          { target: "failed", actions: { type: "noteFault", params: ({ event }) => ({ fault: event.output.fault }) } },
        ],
        onError: {
          target: "failed",
          actions: {
            type: "noteFault",
            params: ({ event }) => ({ fault: rejectionFault("the test render", event.error) }),
          },
        },
      },
      after: {
        proveMs: {
          target: "failed",
          actions: { type: "noteFault", params: { fault: overdueFault("the test render") } },
        },
      },
    },
    ready: {
      description: "The model is on the card and its last proof passed.",
      tags: ["servable"],
      entry: ["reportProven", "forgetProof"],
      // The trial may have been asked for while the model was being made ready.
      always: { guard: "isTrialOwed", target: "proving" },
      on: {
        "worker.exited": { target: "unloaded", actions: "noteExited" },
        "model.ensure": { actions: "reportProven" },
        "model.unload": { target: "unloading" },
        "model.verify": { target: "proving", actions: "oweTrial" },
      },
    },
    unloading: {
      description: "Takes the model off the card.",
      invoke: {
        src: "unloadModel",
        input: ({ context }) => ({ workerId: context.workerId }),
        onDone: { target: "unloaded", actions: "reportUnloaded" },
        onError: {
          target: "failed",
          actions: { type: "noteFault", params: ({ event }) => ({ fault: rejectionFault("unloading", event.error) }) },
        },
      },
      after: {
        unloadMs: { target: "failed", actions: { type: "noteFault", params: { fault: overdueFault("unloading") } } },
      },
    },
    failed: {
      description: "The model could not be made ready.",
      tags: ["degraded"],
      initial: "deciding",
      // What recovery mended meanwhile is proven as it lies on the card: a reload would undo what was applied in place.
      on: {
        "model.ensure": { guard: "isConnected", target: "proving", actions: "forgetTries" },
        "model.verify": [
          { guard: "isConnected", target: "proving", actions: ["forgetTries", "oweTrial"] },
          { actions: "oweTrial" },
        ],
      },
      states: {
        deciding: {
          description: "Decides whether another try can help.",
          always: [
            // Nobody else repairs the files of a model that only jobs want.
            { guard: "areFilesSuspect", target: "#modelLoader.verifying", actions: "readAgain" },
            // The next process begins anew: no try of this one comes any more.
            { guard: "isWorkerGone", target: "retryable" },
            { guard: "triesRemain", target: "retryable", actions: "reportRetry" },
            { target: "givingUp" },
          ],
        },
        givingUp: {
          description: "No try is left: the model of a job is set aside, and the worker's own waits to be mended.",
          always: [
            {
              guard: "isOfJob",
              target: "#modelLoader.resolving",
              actions: [{ type: "reportFailed", params: { type: "model.setAside" } }, "wantOwn"],
            },
            { target: "permanent" },
          ],
        },
        retryable: {
          description: "Clears the cache, waits, and tries again.",
          entry: "countFailure",
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
          // The incident of this fault decides from now on, and asks for another trial at its end.
          entry: [{ type: "reportFailed", params: { type: "model.loadFailed" } }, "raiseFault", "dropTrial"],
          after: { permanentRestMs: { target: "#modelLoader.resolving" } },
        },
      },
    },
  },
});
