/** Everything that the worker's chart names: guards, actions, delays, and the effects that src/app provides. */
import { assign, enqueueActions, sendTo, setup } from "xstate";
import type { Evidence } from "../core/fault.ts";
import type { ProcessExit, ProcessRef } from "../core/ports/worker.ts";
import { withoutNulls } from "../core/present.ts";
import type { MachineTag } from "../core/words.ts";
import { held } from "./held.ts";
import { callbackOf, promiseOf } from "./not-provided.ts";
import {
  type ConnectedWorker,
  defaultWorkerLimits,
  type StopShape,
  type WorkerContext,
  type WorkerEvent,
  type WorkerInput,
  type WorkerReport,
} from "./worker-types.ts";

export const silenceOf = ({
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

/** The context of a worker of which nothing is known yet. */
export const contextOf = (input: WorkerInput): WorkerContext => ({
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
});

/** The process in hand. */
export const processOf = ({ context }: { readonly context: WorkerContext }): { readonly ref: ProcessRef } => ({
  ref: held(context.ref, "the process"),
});

export const workerSetup = setup({
  types: {
    context: {} as WorkerContext,
    events: {} as WorkerEvent,
    input: {} as WorkerInput,
    tags: {} as MachineTag,
  },
  actors: {
    spawnProcess: promiseOf<ProcessRef, { workerId: string }>("spawnProcess"),
    /** Connects, shakes hands and asks what the worker has in hand. */
    handshake: promiseOf<ConnectedWorker, { ref: ProcessRef }>("handshake"),
    /** Takes up the process of an earlier supervisor; null when there is none that answers (one that does not is killed). */
    adoptProcess: promiseOf<ConnectedWorker | null, { workerId: string }>("adoptProcess"),
    watchProcess: callbackOf<WorkerEvent, { ref: ProcessRef }>("watchProcess"),
    /** The stop ladder, with its own deadline; resolves when the process is gone. */
    stopProcess: promiseOf<void, { ref: ProcessRef; shape: StopShape; reason: string }>("stopProcess"),
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
    reportConnected: enqueueActions(
      ({ context, enqueue }, params: { worker: ConnectedWorker | null; isAdopted: boolean }) => {
        const { worker, isAdopted } = params;
        if (worker === null) return;
        const report: WorkerReport = { type: "worker.connected", workerId: context.workerId, worker, isAdopted };
        enqueue.sendTo(context.parent, report);
      },
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
});
