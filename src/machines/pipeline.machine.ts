/**
 * Owns the job in hand of one worker.
 * Life: idle → claiming → preparing → generating {encoding → denoising → decoding → muxing} → handingOver → idle.
 * Survives: a worker that ends, stalls or cannot cancel, a lease that is lost, a store that cannot write for a while, and a
 * supervisor's restart (`worker.connected` with a job in hand adopts it).
 */
import { contextOf } from "./pipeline-context.ts";
import {
  deathOf,
  joinSuspension,
  leaseOrder,
  overdue,
  phaseState,
  phaseTransitions,
  pipelineSetup,
  release,
  settlementOfPreparation,
} from "./pipeline-setup.ts";

export const pipelineMachine = pipelineSetup.createMachine({
  id: "pipeline",
  context: ({ input }) => contextOf(input),
  output: ({ context }) => ({ workerId: context.workerId }),
  initial: "idle",
  on: {
    "worker.connected": { actions: "noteConnected" },
    "worker.exited": { actions: "noteExited" },
    "model.proven": {
      actions: [{ type: "noteProven", params: ({ event }) => ({ model: event.model }) }, "noteNews"],
    },
    "model.lost": { actions: "noteModelLost" },
    "jobs.becameAvailable": { actions: "noteNews" },
    "pipeline.admit": {
      actions: [{ type: "setAdmission", params: ({ event }) => ({ admission: event.admission }) }, "noteNews"],
    },
    "pipeline.suspend": { actions: [{ type: "hold", params: ({ event }) => ({ by: event.by }) }] },
    "pipeline.resume": {
      actions: [{ type: "letGo", params: ({ event }) => ({ by: event.by }) }, "endStandIns", "noteNews"],
    },
    "pipeline.standIn": { actions: "serveStandIns" },
    "pipeline.pause": { actions: "pause" },
    "pipeline.unpause": { actions: ["unpause", "noteNews"] },
    "pipeline.stop": { actions: "planStop" },
    "artifact.committed": {
      actions: [
        "forgetCommit",
        { type: "reportEnded", params: ({ event }) => ({ jobId: event.jobId, isSuccessful: true }) },
      ],
    },
    "artifact.refused": {
      actions: [
        "forgetCommit",
        { type: "reportEnded", params: ({ event }) => ({ jobId: event.jobId, isSuccessful: false }) },
        { type: "raiseRefusal", params: ({ event }) => ({ fault: event.fault, jobId: event.jobId }) },
      ],
    },
  },
  states: {
    idle: {
      description: "No job in hand; looks for one when told, and now and then by itself.",
      tags: ["servable"],
      always: [
        { guard: "isStopping", target: "stopped" },
        { guard: "servesStandIns", target: "mock" },
        { guard: "isSuspended", target: "suspended" },
        { guard: "mayClaim", target: "claiming" },
      ],
      on: {
        "worker.connected": {
          guard: { type: "hasLease", params: ({ event }) => ({ lease: event.adopted }) },
          target: "inHand.generating",
          actions: [{ type: "storeAdopted", params: ({ event }) => ({ lease: event.adopted }) }, "reportBegun"],
        },
      },
      after: { pollMs: { target: "idle", reenter: true, actions: "noteNews" } },
    },
    claiming: {
      description: "Asks the store for the next job.",
      tags: ["servable"],
      entry: "forgetNews",
      invoke: {
        src: "claimJob",
        input: ({ context }) => ({ workerId: context.workerId, residentModel: context.residentModel }),
        onDone: [
          {
            guard: { type: "hasLeaseInVain", params: ({ event }) => ({ lease: event.output.lease }) },
            target: "settling",
            actions: [
              { type: "storeLease", params: ({ event }) => ({ lease: event.output.lease }) },
              release("its worker ended while it was claimed"),
            ],
          },
          {
            guard: { type: "hasLease", params: ({ event }) => ({ lease: event.output.lease }) },
            target: "inHand",
            actions: [
              { type: "storeLease", params: ({ event }) => ({ lease: event.output.lease }) },
              "spendAdmission",
              "reportBegun",
            ],
          },
          {
            guard: { type: "wantsFreshProcess", params: ({ event }) => event.output },
            target: "idle",
            actions: [
              { type: "storeDue", params: ({ event }) => ({ dueAtMs: event.output.dueAtMs }) },
              "requestFreshProcess",
            ],
          },
          { target: "idle", actions: { type: "storeDue", params: ({ event }) => ({ dueAtMs: event.output.dueAtMs }) } },
        ],
        onError: { target: "idle" },
      },
      after: { claimMs: { target: "idle" } },
    },
    inHand: {
      description: "A job is in hand, and its lease is kept.",
      initial: "preparing",
      invoke: {
        src: "keepLease",
        input: leaseOrder,
        onError: {
          target: "cancelling",
          actions: release("its lease could not be kept"),
        },
      },
      on: {
        "worker.exited": { target: "settling", actions: ["noteExited", deathOf({ hasBegun: true })] },
        "lease.lost": {
          target: "cancelling",
          actions: release("its lease was lost"),
        },
        "job.cancel": {
          guard: { type: "isOurs", params: ({ event }) => ({ jobId: event.jobId }) },
          target: "cancelling",
          actions: { type: "storeSettlement", params: { settlement: { kind: "cancelled" } } },
        },
        "pipeline.stop": {
          target: "settling",
          actions: ["planStop", release("the service stops")],
        },
      },
      states: {
        preparing: {
          description: "Makes the job's model and memory mode ready.",
          tags: ["busy", "servable"],
          invoke: {
            src: "prepareJob",
            input: leaseOrder,
            onDone: [
              {
                guard: { type: "isReady", params: ({ event }) => ({ preparation: event.output }) },
                target: "generating",
                actions: [
                  { type: "storePrepared", params: ({ event }) => ({ preparation: event.output }) },
                  { type: "reportPlanned", params: ({ event }) => ({ preparation: event.output }) },
                ],
              },
              {
                guard: { type: "needsModel", params: ({ event }) => ({ preparation: event.output }) },
                actions: { type: "wantModel", params: ({ event }) => ({ preparation: event.output }) },
              },
              {
                target: "#pipeline.settling",
                actions: {
                  type: "storeSettlement",
                  params: ({ event }) => ({ settlement: settlementOfPreparation(event.output) }),
                },
              },
            ],
            onError: {
              target: "#pipeline.settling",
              actions: release("the worker could not be prepared"),
            },
          },
          on: {
            "worker.exited": { target: "#pipeline.settling", actions: ["noteExited", deathOf({ hasBegun: false })] },
            "model.proven": {
              guard: { type: "isWanted", params: ({ event }) => ({ model: event.model }) },
              target: "preparing",
              reenter: true,
              actions: [{ type: "noteProven", params: ({ event }) => ({ model: event.model }) }],
            },
            "model.lost": {
              guard: "isWaitingForModel",
              target: "#pipeline.settling",
              actions: ["noteModelLost", release("its model could not be loaded")],
            },
          },
          after: {
            prepareMs: {
              target: "#pipeline.settling",
              actions: {
                type: "storeSettlement",
                params: { settlement: { kind: "fault", fault: overdue("preparing the worker"), hasBegun: false } },
              },
            },
          },
        },
        generating: {
          description: "The worker renders.",
          tags: ["busy", "servable"],
          initial: "encoding",
          invoke: {
            src: "renderJob",
            input: ({ context }) => ({
              ...leaseOrder({ context }),
              isUnderWay: context.isUnderWay,
            }),
            onError: {
              target: "#pipeline.settling",
              actions: {
                type: "storeSettlement",
                params: { settlement: { kind: "fault", fault: overdue("the render"), hasBegun: true } },
              },
            },
          },
          on: {
            "phase.started": phaseTransitions,
            "render.stoodStill": {
              actions: { type: "noteStill", params: ({ event }) => ({ sinceMs: event.sinceMs }) },
            },
            "render.completed": {
              target: "#pipeline.handingOver",
              actions: { type: "storeReport", params: ({ event }) => ({ report: event.report }) },
            },
            "render.failed": {
              target: "#pipeline.settling",
              actions: [
                {
                  type: "storeSettlement",
                  params: ({ event }) => ({ settlement: { kind: "fault", fault: event.fault, hasBegun: true } }),
                },
                { type: "raiseRenderFault", params: ({ event }) => ({ fault: event.fault }) },
              ],
            },
          },
          states: {
            encoding: phaseState("encoding", "Reads the prompt."),
            denoising: phaseState("denoising", "Takes the picture out of the noise, step by step."),
            decoding: phaseState("decoding", "Turns latents into frames."),
            muxing: phaseState("muxing", "Writes the video file."),
          },
        },
      },
    },
    handingOver: {
      description: "The file is there; its check and commit go on beside the next job.",
      tags: ["busy", "servable"],
      always: { guard: "canHandOver", target: "idle", actions: ["spawnCommit", "noteNews"] },
      // The commit before it may take longer than a lease lasts.
      invoke: {
        src: "keepLease",
        input: leaseOrder,
        onError: {
          target: "settling",
          actions: release("its lease could not be kept"),
        },
      },
      on: {
        "lease.lost": {
          target: "settling",
          actions: release("its lease was lost"),
        },
      },
      after: {
        commitMs: {
          target: "settling",
          actions: release("the commit before it did not end"),
        },
      },
    },
    stalled: {
      description: "No progress for too long; the worker is stopped.",
      tags: ["degraded", "busy"],
      entry: ["reportStalled", { type: "requestKill", params: { reason: "its render stalled" } }],
      on: {
        "worker.exited": {
          target: "settling",
          actions: ["noteExited", "storeStall"],
        },
      },
      after: {
        killMs: {
          target: "settling",
          actions: "storeStall",
        },
      },
    },
    cancelling: {
      description: "Frees the device of the job; kills the worker when it does not let go.",
      tags: ["busy"],
      invoke: {
        src: "cancelRender",
        input: leaseOrder,
        onDone: [
          {
            guard: { type: "isFreed", params: ({ event }) => ({ isFreed: event.output }) },
            target: "settling",
            actions: "reportFreed",
          },
          { actions: { type: "requestKill", params: { reason: "a cancelled render did not end" } } },
        ],
        onError: { actions: { type: "requestKill", params: { reason: "a cancelled render did not end" } } },
      },
      on: { "worker.exited": { target: "settling", actions: ["noteExited", "reportFreed"] } },
      after: {
        cancelMs: {
          target: "settling",
          actions: { type: "requestKill", params: { reason: "a cancelled render did not end in time" } },
        },
      },
    },
    settling: {
      description: "Writes how the attempt ended.",
      tags: ["busy"],
      invoke: {
        src: "settleAttempt",
        input: ({ context }) => ({
          ...leaseOrder({ context }),
          settlement: context.settlement ?? { kind: "release", why: "the attempt ended without a reason" },
        }),
        onDone: {
          target: "idle",
          actions: ["reportAttemptOver", "dropLease", "noteNews"],
        },
        onError: { description: "The store cannot write now; tried again after a moment." },
      },
      after: {
        settleRetryMs: { target: "settling", reenter: true },
      },
    },
    suspended: {
      description: "Recovery has the worker; no job is claimed.",
      tags: ["recovering"],
      entry: "reportSuspended",
      exit: "reportResumed",
      always: [
        { guard: "isStopping", target: "stopped" },
        { guard: "servesStandIns", target: "mock" },
        { guard: "isFree", target: "idle" },
      ],
      on: {
        "worker.connected": {
          guard: { type: "hasLease", params: ({ event }) => ({ lease: event.adopted }) },
          target: "inHand.generating",
          actions: [{ type: "storeAdopted", params: ({ event }) => ({ lease: event.adopted }) }, "reportBegun"],
        },
        ...joinSuspension,
      },
      after: { suspendedMs: { target: "idle", actions: ["letAllGo", "endStandIns"] } },
    },
    mock: {
      description: "Stand-ins only: no real video from this worker right now.",
      tags: ["mock", "recovering"],
      always: [
        { guard: "isStopping", target: "stopped" },
        { guard: "servesNoStandIns", target: "idle" },
      ],
      on: {
        ...joinSuspension,
        "pipeline.admit": {
          target: "idle",
          actions: [
            { type: "setAdmission", params: ({ event }) => ({ admission: event.admission }) },
            "endStandIns",
            "letAllGo",
            "noteNews",
          ],
        },
      },
      after: { suspendedMs: { target: "idle", actions: ["letAllGo", "endStandIns"] } },
    },
    stopped: {
      description: "The service stops; nothing is claimed any more.",
      type: "final",
      entry: "reportStopped",
    },
  },
});
