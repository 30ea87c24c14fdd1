/**
 * What the worker machine understands, remembers and reports, and how long it waits for each thing. A worker that dies
 * too often in a short time rests, instead of loading and dying for ever.
 */
import type { ActorRef, Snapshot } from "xstate";
import type { Clock } from "../core/clock.ts";
import type { Evidence, Fault } from "../core/fault.ts";
import type { Lease } from "../core/job.ts";
import type { AttachReport, ProcessExit, ProcessRef, WorkerIdentity } from "../core/ports/worker.ts";
import { hourMs, minuteMs, secondMs } from "../core/units.ts";

export interface WorkerLimits {
  /** How long a start may take, the end of a leftover process included. */
  readonly spawnMs: number;
  /** Cold start of a Python worker with its libraries: 5 s measured, doubled disks and cold caches allowed for. */
  readonly handshakeMs: number;
  readonly adoptMs: number;
  readonly backoffMs: readonly number[];
  readonly backoffJitterRatio: number;
  readonly healthyMs: number;
  readonly crashLoopDeathCount: number;
  readonly crashLoopWindowMs: number;
  readonly crashLoopRestMs: number;
  /** What a person mends shows in files for the most part; for the rest, a worker that cannot start is tried so seldom. */
  readonly unstartableRestMs: number;
  /** How long the whole stop ladder may take, with its last look whether the process is gone. */
  readonly stopMs: number;
  readonly budgetMs: number;
}

export const defaultWorkerLimits: WorkerLimits = {
  spawnMs: 30 * secondMs,
  handshakeMs: 2 * minuteMs,
  adoptMs: 15 * secondMs,
  backoffMs: [1, 2, 4, 8, 16, 32, 60].map((seconds) => seconds * secondMs),
  backoffJitterRatio: 0.2,
  healthyMs: 10 * minuteMs,
  crashLoopDeathCount: 5,
  crashLoopWindowMs: 10 * minuteMs,
  crashLoopRestMs: 10 * minuteMs,
  unstartableRestMs: hourMs,
  stopMs: minuteMs,
  budgetMs: 5 * secondMs,
};

export type StopShape = "ladder" | "silent" | "quick";

/** Emitted by the process watch while a process lives. */
type WorkerFact =
  | { readonly type: "process.exited"; readonly exit: ProcessExit; readonly evidence: Evidence }
  | {
      readonly type: "worker.fellSilent";
      readonly silentForMs: number;
      readonly processState: string | null;
      /** As its last heartbeat told it; null when there was none. */
      readonly mainThreadIdleMs: number | null;
    }
  /** Its heartbeats go on, and its main thread has done nothing for so long. */
  | { readonly type: "worker.stoodStill"; readonly mainThreadIdleMs: number };

export type WorkerEvent =
  | WorkerFact
  | { readonly type: "worker.start" }
  | { readonly type: "worker.adopt" }
  /** `isBudgeted`: the budget was asked already. */
  | {
      readonly type: "worker.restart";
      readonly reason: string;
      readonly isBudgeted: boolean;
      readonly shape?: StopShape;
    }
  | { readonly type: "worker.stop"; readonly shape: StopShape }
  /** The program, or what it stands on, has changed on the disk since it could not start. */
  | { readonly type: "program.changed" }
  | { readonly type: "job.begun" }
  | { readonly type: "job.ended" }
  | { readonly type: "budget.granted" }
  | { readonly type: "budget.refused"; readonly retryAtMs: number };

export interface ConnectedWorker {
  readonly ref: ProcessRef;
  readonly identity: WorkerIdentity;
  readonly attach: AttachReport;
  /** The adopted attempt in hand; null when there is none, or when somebody has claimed its job since. */
  readonly lease: Lease | null;
}

export type WorkerReport =
  | {
      readonly type: "worker.connected";
      readonly workerId: string;
      readonly worker: ConnectedWorker;
      readonly isAdopted: boolean;
    }
  | {
      readonly type: "worker.exited";
      readonly workerId: string;
      readonly exit: ProcessExit | null;
      readonly evidence: Evidence;
      readonly isExpected: boolean;
    }
  | { readonly type: "worker.crashLooped"; readonly workerId: string; readonly deathCount: number }
  /** Only a person can mend why it does not start; until then nothing is counted against it. */
  | {
      readonly type: "worker.notStarted";
      readonly workerId: string;
      readonly fault: Fault;
      readonly retryAtMs: number;
    }
  /** Its process is started again then, and not before, unless somebody asks. */
  | { readonly type: "worker.waiting"; readonly workerId: string; readonly untilMs: number }
  | { readonly type: "worker.stopped"; readonly workerId: string }
  | { readonly type: "budget.request"; readonly workerId: string; readonly action: "restart_pipeline" };

export interface WorkerInput {
  readonly workerId: string;
  readonly parent: ActorRef<Snapshot<unknown>, WorkerReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly limits?: Partial<WorkerLimits>;
  /** Uniform numbers in [0, 1) for the jitter of back-offs, used in turn. */
  readonly draws?: readonly number[];
}

export interface WorkerContext {
  readonly workerId: string;
  readonly parent: ActorRef<Snapshot<unknown>, WorkerReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly limits: WorkerLimits;
  readonly draws: readonly number[];
  readonly ref: ProcessRef | null;
  readonly connectedAtMs: number | null;
  /** Times of deaths within the crash-loop window. */
  readonly deathsAtMs: readonly number[];
  readonly backoffIndex: number;
  readonly drawIndex: number;
  readonly retryAtMs: number;
  /** Why it cannot start, which only a person can mend; null while a start may help. */
  readonly obstacle: Fault | null;
  /** The process that ended last had shaken hands, so that its start has cost a load. */
  readonly hadAnswered: boolean;
  readonly stopShape: StopShape;
  /** What follows the stop. */
  readonly isRestarting: boolean;
  readonly stopReason: string;
  /** The first spawn of a supervisor's life costs no budget, nor does a restart that was budgeted by its asker. */
  readonly isSpawnFree: boolean;
}
