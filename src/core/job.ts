/**
 * What a job is: request, consent, attempts, artifacts and result. The types are shared by store, machines and API;
 * each states the units of its numbers.
 */
import type { ErrorCode } from "./error-codes.ts";
import type { ArtifactKind, FallbackConsent, JobState, LoraExpert, ModelId, Phase, ReductionKind } from "./words.ts";

/** A low-rank adaptation of the model's weights. */
interface Lora {
  /** A .safetensors file below the LoRA directory. */
  readonly name: string;
  readonly strength: number;
  readonly expert: LoraExpert;
}

/** One video that somebody asked for. Pixels, frames, frames per second, denoise steps. */
export interface RenderRequest {
  readonly model: ModelId;
  readonly prompt: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly framesPerSecond: number;
  readonly steps: number;
  readonly seed: number;
  readonly loraPath: string | null;
  readonly loraStrength: number;
  readonly loras?: readonly Lora[];
  /** Name of the artifact that holds the image from which the video begins. */
  readonly imageName?: string;
}

export interface Floor {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

export interface Consent {
  readonly fallback: FallbackConsent;
  readonly allow: readonly ReductionKind[];
  readonly floor: Floor | null;
}

export interface JobSpec {
  readonly request: RenderRequest;
  readonly consent: Consent;
  /** An opaque graph for workers that take one, ≤ 1 MiB of JSON; null otherwise. */
  readonly workflow: string | null;
}

export interface NewJob {
  readonly id: string;
  readonly spec: JobSpec;
  readonly apiKeyId: string;
  readonly idempotencyKey: string | null;
  /** Canonical JSON of the parsed fields, compared when an idempotency key is used again. */
  readonly idempotencyBody: string | null;
  readonly priority: number;
  readonly deadlineAtMs: number;
  readonly isSimulated: boolean;
  /** Published before the job is written. */
  readonly image?: ArtifactRef;
  /** Words of the submitter, to find it by. */
  readonly labels?: readonly string[];
  /** The address that is told how the job ends; it may hold a secret, and is shown to nobody. */
  readonly webhookUrl?: string | null;
  /** The ended job that this one is a new try of. */
  readonly retryOf?: string | null;
}

/** How an attempt is rendered where that is not as it was asked: what the job's consent allowed to change. */
export interface RenderPlan {
  readonly request: RenderRequest;
  readonly changes: readonly Change[];
}

/** The right to write one attempt's results. Every write says which fence it holds. */
export interface Lease {
  readonly jobId: string;
  readonly fence: number;
  /** 1 for the first charged attempt. */
  readonly attempt: number;
  /** Attempts before this one that ended through no fault of the job. */
  readonly hostLosses: number;
  readonly untilMs: number;
  readonly workerId: string;
  readonly spec: JobSpec;
  /** Null: as it was asked. */
  readonly plan: RenderPlan | null;
  readonly isCancelRequested: boolean;
}

/** What this attempt renders. */
export const effectiveRequest = ({ plan, spec }: Pick<Lease, "plan" | "spec">): RenderRequest =>
  plan?.request ?? spec.request;

export type LeaseRef = Pick<Lease, "jobId" | "fence">;

export interface ArtifactRef {
  readonly kind: ArtifactKind;
  readonly sha256: string;
  readonly bytes: number;
  readonly mimeType: string;
  /** File name below the artifact directory; never an absolute path. */
  readonly name: string;
}

export interface ServedBy {
  readonly worker: string;
  readonly model: string;
  readonly kind: "real" | "stand_in";
  readonly isSimulated: boolean;
}

export interface Change {
  readonly field: string;
  readonly from: string | number;
  readonly to: string | number;
  readonly why: string;
}

export interface JobResult {
  readonly servedBy: ServedBy;
  readonly effective: RenderRequest;
  readonly changes: readonly Change[];
  readonly renderedSize: string;
  readonly durationSeconds: number;
  readonly renderMs: number;
  readonly stepsRendered: number;
}

/** A job that may be the cause of its own failures: since when, and which failure on which worker speaks against it. */
export interface Suspicion {
  readonly signature: string;
  readonly workerId: string;
  readonly atMs: number;
}

export interface AttemptFailure {
  readonly code: ErrorCode;
  /** The code with which the job ends, where this failure ends it; `code` unless set. */
  readonly endCode?: ErrorCode;
  readonly message: string;
  readonly isRetryable: boolean;
  /**
   * `death`: the render ended its worker; `hostLoss`: a death or an error that is not the job's, so that no attempt is
   * charged and the job never ends by it; `error`: the attempt reported an error.
   */
  readonly kind: "death" | "hostLoss" | "error";
  /** What is the same in two failures of one cause. */
  readonly signature: string;
  /** The job itself may be the cause: it waits behind others, and the same signature a second time ends it. */
  readonly isSuspect: boolean;
  readonly evidence: Readonly<Record<string, unknown>>;
  /** The file that was rendered and is not what was asked for: kept for the owner to look at, and never a result. */
  readonly rejected?: ArtifactRef;
  /** The job may be claimed again from then on. */
  readonly runAtMs: number;
}

export interface AttemptView {
  readonly fence: number;
  readonly workerId: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  readonly outcome: string | null;
  readonly code: string | null;
  readonly message: string | null;
  /** What it failed by, without what differs from one try to the next; null where nothing was recorded. */
  readonly signature: string | null;
  /** What decided how it ended; null where nothing was recorded. */
  readonly evidence: Readonly<Record<string, unknown>> | null;
  readonly plan: RenderPlan | null;
}

export interface JobArtifact extends ArtifactRef {
  readonly createdAtMs: number;
  readonly servedBy: ServedBy | null;
  readonly reason: string | null;
}

export interface JobView {
  readonly id: string;
  readonly state: JobState;
  readonly spec: JobSpec;
  readonly apiKeyId: string;
  readonly priority: number;
  readonly fence: number;
  readonly attempts: number;
  readonly deaths: number;
  readonly hostLosses: number;
  /** Null for a job that nothing speaks against. */
  readonly suspicion: Suspicion | null;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly deadlineAtMs: number;
  readonly runAtMs: number;
  readonly workerId: string | null;
  readonly isCancelRequested: boolean;
  readonly isSimulated: boolean;
  readonly errorCode: ErrorCode | null;
  readonly errorMessage: string | null;
  readonly result: JobResult | null;
  readonly artifacts: readonly JobArtifact[];
  readonly attemptList: readonly AttemptView[];
  /** In the order of the alphabet. */
  readonly labels: readonly string[];
  readonly webhookUrl: string | null;
  readonly retryOf: string | null;
}

/** Where a running job is. Lives in memory only: progress is never a row. */
export interface JobProgress {
  readonly jobId: string;
  readonly workerId: string;
  readonly phase: Phase;
  readonly step: number;
  readonly of: number;
  /** 0..1 over the whole job; does not fall in an undisturbed job. */
  readonly ratio: number;
  readonly atMs: number;
  readonly etaMs: number | null;
}
