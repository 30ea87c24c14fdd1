/**
 * What the pipeline of a worker understands, remembers and reports: the way of one job from its claim to its result or
 * back into the queue.
 */
import type { ActorRef, Snapshot } from "xstate";
import type { Clock } from "../core/clock.ts";
import type { Evidence, Fault, FaultReport } from "../core/fault.ts";
import type { Lease } from "../core/job.ts";
import type { RenderReport } from "../core/ports/worker.ts";
import { hourMs, minuteMs, secondMs } from "../core/units.ts";
import type { LoadProfile, ModelId, Phase } from "../core/words.ts";
import type { StepLimits } from "../recovery/step-history.ts";

export interface PipelineLimits {
  /** An idle pipeline looks for jobs by itself this often; it is told of new ones at once, and of waiting ones by the sweep. */
  readonly pollMs: number;
  readonly claimMs: number;
  readonly prepareMs: number;
  readonly killMs: number;
  readonly commitMs: number;
  readonly settleRetryMs: number;
  readonly suspendedMs: number;
}

export const defaultPipelineLimits: PipelineLimits = {
  pollMs: 5 * minuteMs,
  claimMs: 30 * secondMs,
  prepareMs: 20 * minuteMs,
  killMs: minuteMs,
  commitMs: 10 * minuteMs,
  settleRetryMs: secondMs,
  suspendedMs: 3 * hourMs,
};

/** What the store had: a job, or when the next one may be claimed (null: none waits). */
export interface Claim {
  readonly lease: Lease | null;
  readonly dueAtMs: number | null;
  /** Only a suspect waits, which is tried again in another process than the one it failed in. */
  readonly wantsFreshProcess: boolean;
}

/**
 * `load`: the worker must hold this model in this memory mode first · `waits`: it fits in no form that it allows until
 * then, and goes back without a charge · `unfit`: no worker ever carries it.
 */
export type Preparation =
  | { readonly kind: "ready"; readonly lease: Lease; readonly peakBytes: number }
  | { readonly kind: "load"; readonly model: ModelId; readonly profile: LoadProfile }
  | { readonly kind: "waits"; readonly untilMs: number; readonly why: string }
  | { readonly kind: "unfit"; readonly fault: Fault };

export type Admission = "none" | "one" | "all";

/** One attempt on one worker, under its fence. */
export interface LeaseOrder {
  readonly workerId: string;
  readonly lease: Lease;
}

/** How an attempt ends without a result. */
export type Settlement =
  /** `hasBegun`: the worker was told to render. */
  | { readonly kind: "fault"; readonly fault: Fault; readonly hasBegun: boolean }
  | {
      readonly kind: "death";
      readonly evidence: Evidence;
      readonly isOwnDoing: boolean;
      readonly hasBegun: boolean;
    }
  /** `notBeforeMs`: it is not claimed before; absent: in a moment. */
  | { readonly kind: "release"; readonly why: string; readonly notBeforeMs?: number }
  | { readonly kind: "cancelled" };

/** What a render tells while it goes on. */
export type RenderFact =
  | {
      readonly type: "phase.started";
      readonly phase: Phase;
      readonly longPhaseMs: number | null;
      readonly limits: StepLimits;
    }
  | { readonly type: "step.progressed"; readonly phase: Phase; readonly step: number; readonly of: number }
  /** The worker's main thread has done nothing since then, although heartbeats come; null: it moves again. */
  | { readonly type: "render.stoodStill"; readonly sinceMs: number | null }
  | { readonly type: "render.completed"; readonly report: RenderReport }
  | { readonly type: "render.failed"; readonly fault: Fault };

/** What the renewal of the lease tells. */
export type LeaseFact = { readonly type: "lease.lost" } | { readonly type: "job.cancel"; readonly jobId: string };

/** How the check of a finished render ended. */
export type CommitFact =
  | { readonly type: "artifact.committed"; readonly jobId: string }
  | {
      readonly type: "artifact.refused";
      readonly jobId: string;
      readonly problem: string;
      readonly fault: Fault | null;
    };

export type PipelineEvent =
  | RenderFact
  | LeaseFact
  | CommitFact
  | { readonly type: "jobs.becameAvailable" }
  | { readonly type: "pipeline.suspend"; readonly by: string }
  | { readonly type: "pipeline.resume"; readonly by: string }
  | { readonly type: "pipeline.standIn" }
  | { readonly type: "pipeline.admit"; readonly admission: Admission }
  | { readonly type: "pipeline.pause" }
  | { readonly type: "pipeline.unpause" }
  | { readonly type: "pipeline.stop" }
  | { readonly type: "worker.connected"; readonly adopted: Lease | null }
  | { readonly type: "worker.exited"; readonly evidence: Evidence; readonly isExpected: boolean }
  | { readonly type: "model.proven"; readonly model: ModelId }
  | { readonly type: "model.lost" };

export type PipelineReport =
  | { readonly type: "job.begun"; readonly workerId: string; readonly jobId: string }
  | { readonly type: "job.ended"; readonly workerId: string; readonly jobId: string; readonly isSuccessful: boolean }
  | { readonly type: "fault.raised"; readonly report: FaultReport; readonly isHealthOnly: false }
  | { readonly type: "pipeline.suspended"; readonly workerId: string }
  | { readonly type: "pipeline.resumed"; readonly workerId: string }
  | {
      readonly type: "pipeline.stalled";
      readonly workerId: string;
      readonly jobId: string;
      readonly evidence: Evidence;
    }
  | { readonly type: "pipeline.stopped"; readonly workerId: string }
  | { readonly type: "device.freed"; readonly workerId: string }
  | { readonly type: "worker.restart"; readonly workerId: string; readonly reason: string }
  | { readonly type: "worker.recycle"; readonly workerId: string }
  | { readonly type: "render.planned"; readonly workerId: string; readonly peakBytes: number }
  | {
      readonly type: "model.wanted";
      readonly workerId: string;
      readonly model: ModelId;
      readonly profile: LoadProfile;
    };

export interface PipelineInput {
  readonly workerId: string;
  readonly parent: ActorRef<Snapshot<unknown>, PipelineReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly isPaused?: boolean;
  readonly limits?: Partial<PipelineLimits>;
}

export interface PipelineContext {
  readonly workerId: string;
  readonly parent: ActorRef<Snapshot<unknown>, PipelineReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly limits: PipelineLimits;
  readonly isWorkerConnected: boolean;
  readonly residentModel: ModelId | null;
  readonly admission: Admission;
  readonly suspendedBy: readonly string[];
  readonly isServingStandIns: boolean;
  readonly isStopping: boolean;
  /** An operator wants no job to begin. */
  readonly isPaused: boolean;
  readonly lease: Lease | null;
  /** The worker has this render in hand already. */
  readonly isUnderWay: boolean;
  readonly longPhaseMs: number | null;
  /** Since when the worker's main thread does nothing under this render; null while it moves. */
  readonly stillSinceMs: number | null;
  /** Limits of the phase in hand, by this machine's own history. */
  readonly stepLimits: StepLimits;
  /** The model that the job in hand waits for; null when it waits for none. */
  readonly wantedModel: ModelId | null;
  /** When the next job may be claimed; null when none waits. */
  readonly dueAtMs: number | null;
  readonly report: RenderReport | null;
  /** The job whose artifact is being checked and committed while the next one is rendered. */
  readonly committingJobId: string | null;
  readonly commitCount: number;
  readonly settlement: Settlement | null;
  /** Something changed since the store last had no job. */
  readonly hasNews: boolean;
}
