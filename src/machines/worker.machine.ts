/**
 * Owns one worker process: the only machine that spawns and kills.
 * Life: stopped → (adopting | spawning → handshaking) → idle ⇄ busy → stopping → stopped; a process that ended goes
 * crashed → backingOff → spawning by itself, and five deaths in ten minutes rest it in crashLooping.
 * Survives: every way in which the process ends, a silent process, and a supervisor's restart (adopting).
 */
import { assign, fromCallback, fromPromise, sendTo, setup } from "xstate";
import type { Evidence } from "../core/fault.ts";
import type { ProcessExit, ProcessRef } from "../core/ports/worker.ts";
import { withoutNulls } from "../core/present.ts";
import type { MachineTag } from "../core/words.ts";
import {
  type ConnectedWorker,
  defaultWorkerLimits,
  type StopShape,
  type WorkerContext,
  type WorkerEvent,
  type WorkerInput,
  type WorkerReport,
} from "./worker-types.ts";

const unexplained: Evidence = {};

const silenceOf = ({
  silentForMs,
  processState,
  mainThreadIdleMs,
}: Extract<WorkerEvent, { type: "worker.fellSilent" }>): Evidence => ({
  silentForMs,
  ...withoutNulls({ processState, mainThreadIdleMs }),
});

function noteDeath(context: WorkerContext): Partial<WorkerContext> {
  const nowMs = context.clock.nowMs();
  const { limits } = context;
  const wasHealthy = context.connectedAtMs !== null && nowMs - context.connectedAtMs >= limits.healthyMs;
  const backoffIndex = wasHealthy ? 0 : context.backoffIndex;
  const base = limits.backoffMs[Math.min(backoffIndex, limits.backoffMs.length - 1)] ?? 0;
  const draw = context.draws[context.drawIndex % Math.max(1, context.draws.length)] ?? 0.5;
  return {
    ref: null,
    connectedAtMs: null,
    deathsAtMs: [...context.deathsAtMs, nowMs].filter((atMs) => nowMs - atMs < limits.crashLoopWindowMs),
    backoffIndex: Math.min(backoffIndex + 1, limits.backoffMs.length),
    drawIndex: context.drawIndex + 1,
    retryAtMs: nowMs + base * (1 + (draw * 2 - 1) * limits.backoffJitterRatio),
    isSpawnFree: false,
  };
}

export const workerMachine = setup({
  types: {
    context: {} as WorkerContext,
    events: {} as WorkerEvent,
    input: {} as WorkerInput,
    tags: {} as MachineTag,
  },
  actors: {
    spawnProcess: fromPromise<ProcessRef, { workerId: string }>(() =>
      Promise.reject(new Error("spawnProcess was not provided")),
    ),
    /** Connects, shakes hands and asks what the worker has in hand. */
    handshake: fromPromise<ConnectedWorker, { ref: ProcessRef }>(() =>
      Promise.reject(new Error("handshake was not provided")),
    ),
    /** Takes up the process of an earlier supervisor; null when there is none that answers (one that does not is killed). */
    adoptProcess: fromPromise<ConnectedWorker | null, { workerId: string }>(() =>
      Promise.reject(new Error("adoptProcess was not provided")),
    ),
    watchProcess: fromCallback<WorkerEvent, { ref: ProcessRef }>(() => {
      throw new Error("watchProcess was not provided");
    }),
    /** The stop ladder, with its own deadline; resolves when the process is gone. */
    stopProcess: fromPromise<void, { ref: ProcessRef; shape: StopShape; reason: string }>(() =>
      Promise.reject(new Error("stopProcess was not provided")),
    ),
  },
  guards: {
    isCrashLooping: ({ context }) => context.deathsAtMs.length >= context.limits.crashLoopDeathCount,
    isRestarting: ({ context }) => context.isRestarting,
    isSpawnFree: ({ context }) => context.isSpawnFree,
    wasAdopted: (_, params: { worker: ConnectedWorker | null }) => params.worker !== null,
  },
  actions: {
    storeRef: assign((_, params: { ref: ProcessRef }) => ({ ref: params.ref })),
    storeConnected: assign(({ context }, params: { worker: ConnectedWorker | null }) =>
      params.worker === null ? {} : { ref: params.worker.ref, connectedAtMs: context.clock.nowMs() },
    ),
    noteDeath: assign(({ context }) => noteDeath(context)),
    forgetDeaths: assign({ deathsAtMs: [], backoffIndex: 0 }),
    forgetProcess: assign({ ref: null, connectedAtMs: null }),
    planRestart: assign((_, params: { reason: string; isBudgeted: boolean; shape: StopShape }) => ({
      isRestarting: true,
      stopReason: params.reason,
      stopShape: params.shape,
      isSpawnFree: params.isBudgeted,
    })),
    planStop: assign((_, params: { shape: StopShape }) => ({
      isRestarting: false,
      stopReason: "asked to stop",
      stopShape: params.shape,
    })),
    spendFreeSpawn: assign({ isSpawnFree: false }),
    allowSpawn: assign({ isSpawnFree: true }),
    waitUntil: assign((_, params: { retryAtMs: number }) => ({ retryAtMs: params.retryAtMs })),
    reportConnected: sendTo(
      ({ context }) => context.parent,
      ({ context }, params: { worker: ConnectedWorker | null; isAdopted: boolean }) =>
        ({
          type: "worker.connected",
          workerId: context.workerId,
          worker: params.worker,
          isAdopted: params.isAdopted,
        }) as WorkerReport,
    ),
    reportExited: sendTo(
      ({ context }) => context.parent,
      ({ context }, params: { exit: ProcessExit | null; evidence: Evidence; isExpected: boolean }): WorkerReport => ({
        type: "worker.exited",
        workerId: context.workerId,
        ...params,
      }),
    ),
    reportCrashLooped: sendTo(
      ({ context }) => context.parent,
      ({ context }): WorkerReport => ({
        type: "worker.crashLooped",
        workerId: context.workerId,
        deathCount: context.deathsAtMs.length,
      }),
    ),
    reportStopped: sendTo(
      ({ context }) => context.parent,
      ({ context }): WorkerReport => ({ type: "worker.stopped", workerId: context.workerId }),
    ),
    requestBudget: sendTo(
      ({ context }) => context.parent,
      ({ context }): WorkerReport => ({
        type: "budget.request",
        workerId: context.workerId,
        action: "restart_pipeline",
      }),
    ),
  },
  delays: {
    spawnMs: ({ context }) => context.limits.spawnMs,
    handshakeMs: ({ context }) => context.limits.handshakeMs,
    adoptMs: ({ context }) => context.limits.adoptMs,
    stopMs: ({ context }) => context.limits.stopMs,
    budgetMs: ({ context }) => context.limits.budgetMs,
    crashLoopRestMs: ({ context }) => context.limits.crashLoopRestMs,
    retryMs: ({ context }) => Math.max(0, context.retryAtMs - context.clock.nowMs()),
  },
}).createMachine({
  id: "worker",
  context: ({ input }) => ({
    workerId: input.workerId,
    parent: input.parent,
    clock: input.clock,
    limits: { ...defaultWorkerLimits, ...input.limits },
    draws: input.draws ?? [],
    ref: null,
    connectedAtMs: null,
    deathsAtMs: [],
    backoffIndex: 0,
    drawIndex: 0,
    retryAtMs: 0,
    stopShape: "ladder",
    isRestarting: false,
    stopReason: "",
    isSpawnFree: true,
  }),
  initial: "stopped",
  states: {
    stopped: {
      description: "No process runs, and none is wanted.",
      on: {
        "worker.start": { target: "spawning" },
        "worker.adopt": { target: "adopting" },
        "worker.restart": { target: "spawning", actions: { type: "allowSpawn" } },
        "worker.stop": { actions: { type: "reportStopped" } },
      },
    },
    adopting: {
      description: "Takes up the process that an earlier supervisor left rendering.",
      tags: ["loading"],
      invoke: {
        src: "adoptProcess",
        input: ({ context }) => ({ workerId: context.workerId }),
        onDone: [
          {
            guard: { type: "wasAdopted", params: ({ event }) => ({ worker: event.output }) },
            target: "living.idle",
            actions: [
              { type: "storeConnected", params: ({ event }) => ({ worker: event.output }) },
              { type: "reportConnected", params: ({ event }) => ({ worker: event.output, isAdopted: true }) },
            ],
          },
          { target: "spawning" },
        ],
        onError: { target: "spawning" },
      },
      on: { "worker.stop": { target: "stopped", actions: { type: "reportStopped" } } },
      after: { adoptMs: { target: "spawning" } },
    },
    spawning: {
      description: "Starts a process in a group of its own.",
      tags: ["loading"],
      entry: { type: "spendFreeSpawn" },
      invoke: {
        src: "spawnProcess",
        input: ({ context }) => ({ workerId: context.workerId }),
        onDone: { target: "living", actions: { type: "storeRef", params: ({ event }) => ({ ref: event.output }) } },
        onError: { target: "crashed" },
      },
      on: { "worker.stop": { target: "stopped", actions: { type: "reportStopped" } } },
      after: { spawnMs: { target: "crashed" } },
    },
    living: {
      initial: "handshaking",
      description: "A process runs and is watched.",
      invoke: {
        src: "watchProcess",
        input: ({ context }) => ({ ref: context.ref as ProcessRef }),
        onError: {
          target: "#worker.stopping",
          actions: { type: "planRestart", params: { reason: "its watch failed", isBudgeted: false, shape: "ladder" } },
        },
      },
      on: {
        "process.exited": {
          target: "crashed",
          actions: {
            type: "reportExited",
            params: ({ event }) => ({ exit: event.exit, evidence: event.evidence, isExpected: false }),
          },
        },
        "worker.fellSilent": {
          target: "stopping",
          actions: [
            { type: "planRestart", params: { reason: "it fell silent", isBudgeted: false, shape: "silent" } },
            {
              type: "reportExited",
              params: ({ event }) => ({
                exit: null,
                evidence: silenceOf(event),
                isExpected: false,
              }),
            },
          ],
        },
        "worker.restart": {
          target: "stopping",
          actions: [
            {
              type: "planRestart",
              params: ({ event }) => ({
                reason: event.reason,
                isBudgeted: event.isBudgeted,
                shape: event.shape ?? "ladder",
              }),
            },
            { type: "reportExited", params: { exit: null, evidence: unexplained, isExpected: true } },
          ],
        },
        "worker.stop": {
          target: "stopping",
          actions: [
            { type: "planStop", params: ({ event }) => ({ shape: event.shape }) },
            { type: "reportExited", params: { exit: null, evidence: unexplained, isExpected: true } },
          ],
        },
      },
      states: {
        handshaking: {
          description: "Waits for the process to answer and tell who it is.",
          tags: ["loading"],
          invoke: {
            src: "handshake",
            input: ({ context }) => ({ ref: context.ref as ProcessRef }),
            onDone: {
              target: "idle",
              actions: [
                { type: "storeConnected", params: ({ event }) => ({ worker: event.output }) },
                { type: "reportConnected", params: ({ event }) => ({ worker: event.output, isAdopted: false }) },
              ],
            },
            onError: {
              target: "#worker.stopping",
              actions: {
                type: "planRestart",
                params: { reason: "it did not shake hands", isBudgeted: false, shape: "silent" },
              },
            },
          },
          after: {
            handshakeMs: {
              target: "#worker.stopping",
              actions: {
                type: "planRestart",
                params: { reason: "it did not shake hands in time", isBudgeted: false, shape: "silent" },
              },
            },
          },
        },
        idle: {
          description: "Connected, with no job in hand.",
          tags: ["servable"],
          on: {
            "job.begun": { target: "busy" },
            // The thread that beats lives, and the one that works is dead. Under a job the limit of its phase decides.
            "worker.stoodStill": {
              target: "#worker.stopping",
              actions: [
                {
                  type: "planRestart",
                  params: { reason: "its main thread stood still", isBudgeted: false, shape: "silent" },
                },
                {
                  type: "reportExited",
                  params: ({ event }) => ({
                    exit: null,
                    evidence: { stalledForMs: event.mainThreadIdleMs, mainThreadIdleMs: event.mainThreadIdleMs },
                    isExpected: false,
                  }),
                },
              ],
            },
          },
        },
        busy: {
          description: "Connected, with a job in hand.",
          tags: ["servable", "busy"],
          on: { "job.ended": { target: "idle" } },
        },
      },
    },
    stopping: {
      description: "Goes down the stop ladder until the process is gone.",
      invoke: {
        src: "stopProcess",
        input: ({ context }) => ({
          ref: context.ref as ProcessRef,
          shape: context.stopShape,
          reason: context.stopReason,
        }),
        onDone: [
          { guard: { type: "isRestarting" }, target: "crashed" },
          { target: "stopped", actions: [{ type: "forgetProcess" }, { type: "reportStopped" }] },
        ],
        onError: [
          { guard: { type: "isRestarting" }, target: "crashed" },
          { target: "stopped", actions: [{ type: "forgetProcess" }, { type: "reportStopped" }] },
        ],
      },
      on: { "worker.stop": { actions: { type: "planStop", params: ({ event }) => ({ shape: event.shape }) } } },
      after: {
        stopMs: [
          { guard: { type: "isRestarting" }, target: "crashed" },
          { target: "stopped", actions: [{ type: "forgetProcess" }, { type: "reportStopped" }] },
        ],
      },
    },
    crashed: {
      description: "The process is gone; decides how it comes back.",
      tags: ["loading"],
      always: [
        { guard: { type: "isSpawnFree" }, target: "spawning", actions: { type: "forgetProcess" } },
        { target: "backingOff", actions: { type: "noteDeath" } },
      ],
    },
    backingOff: {
      description: "Waits before the process is started again.",
      tags: ["loading"],
      always: { guard: { type: "isCrashLooping" }, target: "crashLooping" },
      on: {
        "worker.stop": { target: "stopped", actions: { type: "reportStopped" } },
        "worker.restart": { target: "spawning" },
      },
      after: { retryMs: { target: "awaitingBudget" } },
    },
    awaitingBudget: {
      description: "Asks whether the hour's budget of heavy actions allows another start.",
      tags: ["loading"],
      entry: { type: "requestBudget" },
      on: {
        "budget.granted": { target: "spawning" },
        "budget.refused": {
          target: "resting",
          actions: { type: "waitUntil", params: ({ event }) => ({ retryAtMs: event.retryAtMs }) },
        },
        "worker.stop": { target: "stopped", actions: { type: "reportStopped" } },
      },
      after: { budgetMs: { target: "spawning" } },
    },
    resting: {
      description: "The budget is spent; waits for its window or an operator.",
      tags: ["degraded"],
      on: {
        "worker.start": { target: "spawning" },
        "worker.restart": { target: "spawning" },
        "worker.stop": { target: "stopped", actions: { type: "reportStopped" } },
      },
      after: { retryMs: { target: "awaitingBudget" } },
    },
    crashLooping: {
      description: "Died too often in a short time; rests until a look-back probe or an operator starts it.",
      tags: ["degraded"],
      entry: { type: "reportCrashLooped" },
      exit: { type: "forgetDeaths" },
      on: {
        "worker.start": { target: "spawning" },
        "worker.restart": { target: "spawning" },
        "worker.stop": { target: "stopped", actions: { type: "reportStopped" } },
      },
      after: { crashLoopRestMs: { target: "awaitingBudget" } },
    },
  },
});
