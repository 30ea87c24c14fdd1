/** Everything that the worker's chart names: guards, actions, delays, and the effects that src/app provides. */
import { assign, enqueueActions, sendTo, setup } from "xstate";
import type { Evidence } from "../core/fault.ts";
import type { ProcessExit, ProcessRef } from "../core/ports/worker.ts";
import { withoutNulls } from "../core/present.ts";
import type { MachineTag } from "../core/words.ts";
import { classifyThrown } from "../recovery/classify.ts";
import { unstartableFault } from "../recovery/unstartable.ts";
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

/** What is known of an effect that was rejected. */
export const rejectionOf = (during: string, { error }: { readonly error: unknown }): Evidence =>
  classifyThrown(error, { during }).evidence;

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
    hadAnswered: context.connectedAtMs !== null,
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
  obstacle: null,
  hadAnswered: false,
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
    /** Sends `program.changed` once the worker's program, or what it stands on, is another on the disk. */
    watchProgram: callbackOf<WorkerEvent, { workerId: string }>("watchProgram"),
    watchProcess: callbackOf<WorkerEvent, { ref: ProcessRef }>("watchProcess"),
    /** The stop ladder, with its own deadline; resolves when the process is gone. */
    stopProcess: promiseOf<void, { ref: ProcessRef; shape: StopShape; reason: string }>("stopProcess"),
  },
  guards: {
    isCrashLooping: ({ context }) => context.deathsAtMs.length >= context.limits.crashLoopDeathCount,
    isRestarting: ({ context }) => context.isRestarting,
    isSpawnFree: ({ context }) => context.isSpawnFree,
    isObstructed: ({ context }) => context.obstacle !== null,
    /** Nothing was loaded by a process that never answered: its start is no heavy step. */
    isStartCheap: ({ context }) => !context.hadAnswered,
    wasAdopted: (_, params: { worker: ConnectedWorker | null }) => params.worker !== null,
  },
  actions: {
    storeRef: assign((_, params: { ref: ProcessRef }) => ({ ref: params.ref })),
    storeConnected: assign(({ context }, params: { worker: ConnectedWorker | null }) =>
      params.worker === null ? {} : { ref: params.worker.ref, connectedAtMs: context.clock.nowMs() },
    ),
    noteDeath: assign(({ context }) => noteDeath(context)),
    forgetDeaths: assign({ deathsAtMs: [], backoffIndex: 0 }),
    /** One more death within the window, and it rests again at once. */
    keepOneDeathShort: assign(({ context }) => ({
      deathsAtMs: context.deathsAtMs.slice(1).map(() => context.clock.nowMs()),
    })),
    restFromCrashes: assign(({ context }) => ({
      retryAtMs: context.clock.nowMs() + context.limits.crashLoopRestMs,
    })),
    restUnstartable: assign(({ context }) => ({
      retryAtMs: context.clock.nowMs() + context.limits.unstartableRestMs,
    })),
    forgetObstacle: assign({ obstacle: null }),
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
    /** It ended as it was asked to. */
    reportMeantEnd: sendTo(
      ({ context }) => context.parent,
      ({ context: { workerId } }): WorkerReport => ({
        type: "worker.exited",
        workerId,
        exit: null,
        evidence: {},
        isExpected: true,
      }),
    ),
    /** It ended, or did not even begin. What only a person can mend is told in another way, and is no death. */
    reportDeath: enqueueActions(({ context, enqueue }, params: { exit: ProcessExit | null; evidence: Evidence }) => {
      const obstacle = unstartableFault(params.evidence, context.connectedAtMs !== null);
      enqueue.assign({ obstacle });
      if (obstacle !== null) return;
      const report: WorkerReport = {
        type: "worker.exited",
        workerId: context.workerId,
        ...params,
        isExpected: false,
      };
      enqueue.sendTo(context.parent, report);
    }),
    reportNotStarted: sendTo(
      ({ context }) => context.parent,
      ({ context: { workerId, obstacle, retryAtMs } }): WorkerReport => ({
        type: "worker.notStarted",
        workerId,
        retryAtMs,
        fault: held(obstacle, "what keeps it from starting"),
      }),
    ),
    reportWaiting: sendTo(
      ({ context }) => context.parent,
      ({ context }): WorkerReport => ({
        type: "worker.waiting",
        workerId: context.workerId,
        untilMs: context.retryAtMs,
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
    retryMs: ({ context }) => Math.max(0, context.retryAtMs - context.clock.nowMs()),
  },
});
