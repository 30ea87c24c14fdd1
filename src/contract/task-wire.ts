/** A job as the seed's clients know it: a task. A stand-in is `completed` with `is_mock: true`, and never called real. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import type { JobArtifact, JobProgress, JobView, ServedBy } from "../core/job.ts";
import type { ModelEntry } from "../core/model-entry.ts";
import { peakBytes } from "../core/model-figures.ts";
import { minuteMs } from "../core/units.ts";
import { type JobState, loraExperts } from "../core/words.ts";
import { estimateSchema, inGb, toEstimate } from "./estimate-wire.ts";
import { modelName } from "./model-name.ts";
import type { EstimateView } from "./service-views.ts";

export const taskStatuses = ["pending", "processing", "completed", "failed", "cancelled"] as const;
export type TaskStatus = (typeof taskStatuses)[number];
export const realResults = ["pending", "delivered", "failed", "cancelled", "expired"] as const;

const servedBySchema = z.strictObject({
  worker: z.string(),
  model: z.string(),
  kind: z.enum(["real", "stand_in"]),
  simulated: z.boolean(),
});
const changeSchema = z
  .strictObject({
    field: z.string(),
    from: z.union([z.string(), z.number()]),
    to: z.union([z.string(), z.number()]),
    why: z.string(),
  })
  .meta({ id: "Change" });

/** Present on everything that shows what a job became. */
export const truthShape = {
  is_mock: z.boolean(),
  simulated: z.boolean(),
  served_by: servedBySchema.optional(),
  /** What became of the real video while or after a stand-in was shown. */
  real_result: z.enum(realResults).optional(),
  stand_in_reason: z.string().optional(),
  changes: z.array(changeSchema).optional(),
};

export const taskSchema = z
  .strictObject({
    id: z.string(),
    model_type: modelName,
    prompt: z.string(),
    resolution: z.string().regex(/^\d+x\d+$/),
    steps: z.number().int(),
    num_frames: z.number().int(),
    fps: z.number(),
    seed: z.number().int(),
    lora_path: z.string().optional(),
    lora_strength: z.number(),
    status: z.enum(taskStatuses),
    progress: z.number().int().min(0).max(100),
    phase: z.string().optional(),
    eta_seconds: z.number().int().optional(),
    created_at: z.iso.datetime(),
    started_at: z.iso.datetime().optional(),
    completed_at: z.iso.datetime().optional(),
    output_path: z.string().optional(),
    error_message: z.string().optional(),
    error_code: z.string().optional(),
    cancel_requested: z.boolean().optional(),
    attempts: z.number().int(),
    ...truthShape,
  })
  .meta({ id: "Task" });
export type Task = z.infer<typeof taskSchema>;
type Truth = Pick<Task, keyof typeof truthShape>;

const statusOfState: Readonly<Record<JobState, TaskStatus>> = {
  queued: "pending",
  running: "processing",
  succeeded: "completed",
  failed: "failed",
  quarantined: "failed",
  cancelled: "cancelled",
};

export const artifactOf = (job: JobView, kind: JobArtifact["kind"]): JobArtifact | undefined =>
  job.artifacts.find((artifact) => artifact.kind === kind);

/** What there is to see now: the result, else the stand-in. */
export const shownArtifact = (job: JobView): JobArtifact | undefined =>
  artifactOf(job, "result") ?? artifactOf(job, "stand_in");

const isStandInShown = (job: JobView): boolean => shownArtifact(job)?.kind === "stand_in";

/** A delivered stand-in counts as completed in the seed's words, whatever becomes of the real video. */
export const statusOf = (job: JobView): TaskStatus => (isStandInShown(job) ? "completed" : statusOfState[job.state]);

const toServedBy = (served: ServedBy): NonNullable<Task["served_by"]> => ({
  worker: served.worker,
  model: served.model,
  kind: served.kind,
  simulated: served.isSimulated,
});

function realResultOf(job: JobView): Task["real_result"] {
  if (artifactOf(job, "stand_in") === undefined) return undefined;
  if (job.state === "queued" || job.state === "running") return "pending";
  if (job.state === "cancelled") return "cancelled";
  if (job.state === "succeeded") return artifactOf(job, "result") === undefined ? undefined : "delivered";
  return job.errorCode === "JOB_DEADLINE_EXCEEDED" ? "expired" : "failed";
}

export function toTruth(job: JobView): Truth {
  const standIn = isStandInShown(job) ? shownArtifact(job) : undefined;
  const servedBy = standIn === undefined ? job.result?.servedBy : (standIn.servedBy ?? job.result?.servedBy);
  const realResult = realResultOf(job);
  const changes = job.result?.changes ?? [];
  return {
    is_mock: standIn !== undefined,
    simulated: job.isSimulated,
    ...(servedBy === undefined ? {} : { served_by: toServedBy(servedBy) }),
    ...(realResult === undefined ? {} : { real_result: realResult }),
    ...(typeof standIn?.reason === "string" ? { stand_in_reason: standIn.reason } : {}),
    ...(changes.length === 0 ? {} : { changes: changes.map(({ field, from, to, why }) => ({ field, from, to, why })) }),
  };
}

/** 100 only when there is something to see; a running render shows at most 99. */
function progressOf(status: TaskStatus, progress: JobProgress | null): number {
  if (status === "completed") return 100;
  return status === "processing" && progress !== null ? Math.max(0, Math.min(99, Math.floor(progress.ratio * 100))) : 0;
}

function timesOf(job: JobView): Pick<Task, "created_at" | "started_at" | "completed_at"> {
  const endedAtMs = job.endedAtMs ?? (isStandInShown(job) ? shownArtifact(job)?.createdAtMs : null) ?? null;
  return {
    created_at: isoOf(job.createdAtMs),
    ...(job.startedAtMs === null ? {} : { started_at: isoOf(job.startedAtMs) }),
    ...(endedAtMs === null ? {} : { completed_at: isoOf(endedAtMs) }),
  };
}

function endOf(job: JobView): Pick<Task, "error_message" | "error_code" | "cancel_requested"> {
  const isEnded = job.state === "failed" || job.state === "quarantined";
  return {
    ...(isEnded && job.errorMessage !== null ? { error_message: job.errorMessage } : {}),
    ...(isEnded && job.errorCode !== null ? { error_code: job.errorCode } : {}),
    ...(job.state === "running" && job.isCancelRequested ? { cancel_requested: true } : {}),
  };
}

export function toTask(job: JobView, progress: JobProgress | null): Task {
  const { request } = job.spec;
  const status = statusOf(job);
  const isRunning = job.state === "running" && progress !== null;
  return {
    id: job.id,
    model_type: request.model,
    prompt: request.prompt,
    resolution: `${request.width}x${request.height}`,
    steps: request.steps,
    num_frames: request.frames,
    fps: request.framesPerSecond,
    seed: request.seed,
    ...(request.loraPath === null ? {} : { lora_path: request.loraPath }),
    lora_strength: request.loraStrength,
    status,
    progress: progressOf(status, progress),
    ...(isRunning ? { phase: progress.phase } : {}),
    ...(isRunning && progress.etaMs !== null ? { eta_seconds: Math.ceil(progress.etaMs / 1_000) } : {}),
    ...timesOf(job),
    ...(shownArtifact(job) === undefined ? {} : { output_path: `outputs/${job.id}.mp4` }),
    ...endOf(job),
    attempts: job.attempts,
    ...toTruth(job),
  };
}

/** One sentence on where the job is. */
export function messageOfJob(job: JobView): string {
  if (isStandInShown(job)) {
    const rest = {
      pending: "the real video is still owed",
      delivered: "",
      failed: "the real video failed",
      cancelled: "the real video was cancelled",
      expired: "the real video's deadline passed",
    };
    const realResult = realResultOf(job);
    return realResult === undefined
      ? "A stand-in was delivered, as the request asked."
      : `A stand-in is shown; ${rest[realResult]}.`;
  }
  const sentences: Readonly<Record<JobState, string>> = {
    queued: "The job waits for a worker.",
    running: job.isCancelRequested ? "The job is being cancelled." : "The video is being rendered.",
    succeeded: "The video is ready.",
    failed: job.errorMessage ?? "The job failed.",
    cancelled: "The job was cancelled.",
    quarantined: "The job was set aside, because its render ended the worker more than once.",
  };
  return sentences[job.state];
}

export const jobStatusSchema = taskSchema
  .extend({ task_id: z.string(), message: z.string() })
  .meta({ id: "JobStatus" });
export const toJobStatus = (job: JobView, progress: JobProgress | null): z.infer<typeof jobStatusSchema> => ({
  task_id: job.id,
  ...toTask(job, progress),
  message: messageOfJob(job),
});

/** What later generations of the seed's client call its models. */
const shortModelNames: Readonly<Record<string, string>> = { "T2V-A14B": "t2v", "I2V-A14B": "i2v", "TI2V-5B": "ti2v" };

export const queueSchema = z
  .strictObject({
    tasks: z.array(taskSchema),
    /** The same tasks for later generations of the seed's client. */
    queue: z.array(taskSchema.extend({ model_type: z.string() })),
    total_tasks: z.number().int(),
    pending_tasks: z.number().int(),
    processing_tasks: z.number().int(),
    completed_tasks: z.number().int(),
    failed_tasks: z.number().int(),
    cancelled_tasks: z.number().int(),
  })
  .meta({ id: "Queue" });

/** The counts are of real renders: a job whose stand-in is shown stays pending until its real video is there. */
export function toQueue(
  tasks: readonly Task[],
  counts: Readonly<Record<JobState, number>>,
): z.infer<typeof queueSchema> {
  return {
    tasks: [...tasks],
    queue: tasks.map((task) => ({ ...task, model_type: shortModelNames[task.model_type] ?? task.model_type })),
    total_tasks: Object.values(counts).reduce((sum, count) => sum + count, 0),
    pending_tasks: counts.queued,
    processing_tasks: counts.running,
    completed_tasks: counts.succeeded,
    failed_tasks: counts.failed + counts.quarantined,
    cancelled_tasks: counts.cancelled,
  };
}

export const submittedSchema = z
  .strictObject({
    task_id: z.string(),
    status: z.enum(taskStatuses),
    message: z.string(),
    real_ai_enabled: z.boolean(),
    hardware_optimized: z.boolean(),
    estimated_vram_gb: z.number().nullable(),
    parameters: z.strictObject({
      model_type: modelName,
      prompt: z.string(),
      resolution: z.string(),
      steps: z.number().int(),
      num_frames: z.number().int(),
      fps: z.number(),
      seed: z.number().int(),
      image_path: z.null(),
      end_image_path: z.null(),
      lora_path: z.string().nullable(),
      lora_strength: z.number(),
      loras: z.array(z.object({ name: z.string(), strength: z.number(), expert: z.enum(loraExperts) })).optional(),
      fallback: z.string(),
      allow: z.array(z.string()),
    }),
    is_mock: z.boolean(),
    simulated: z.boolean(),
    warnings: z.array(z.string()).optional(),
    estimated_time_minutes: z.int().min(1).optional(),
    estimate: estimateSchema.optional(),
  })
  .meta({ id: "Submitted" });

export interface SubmittedAbout {
  /** The one that was asked for. */
  readonly model: ModelEntry;
  /** Null while no worker has told what its card is. */
  readonly estimate: EstimateView | null;
  readonly message: string;
  /** The main model, or another real one, would serve now. */
  readonly isRealEnabled: boolean;
  readonly isDegraded: boolean;
  readonly warnings: readonly string[];
}

/** The seed's own nulls in `parameters` stay: its clients read them. */
export function toSubmitted(job: JobView, about: SubmittedAbout): z.infer<typeof submittedSchema> {
  const { request, consent } = job.spec;
  return {
    task_id: job.id,
    status: statusOf(job),
    message: about.message,
    real_ai_enabled: about.isRealEnabled,
    hardware_optimized: about.isRealEnabled && !about.isDegraded,
    estimated_vram_gb: inGb(about.estimate?.deviceBytes ?? peakBytes(about.model, request, "model-offload")),
    parameters: {
      model_type: request.model,
      prompt: request.prompt,
      resolution: `${request.width}x${request.height}`,
      steps: request.steps,
      num_frames: request.frames,
      fps: request.framesPerSecond,
      seed: request.seed,
      image_path: null,
      end_image_path: null,
      lora_path: request.loraPath,
      lora_strength: request.loraStrength,
      ...(request.loras === undefined ? {} : { loras: [...request.loras] }),
      fallback: consent.fallback,
      allow: [...consent.allow],
    },
    is_mock: statusOf(job) === "completed" && shownArtifact(job)?.kind === "stand_in",
    simulated: job.isSimulated,
    ...(about.warnings.length === 0 ? {} : { warnings: [...about.warnings] }),
    ...(about.estimate?.time.kind === "known"
      ? { estimated_time_minutes: Math.max(1, Math.round(about.estimate.time.ms / minuteMs)) }
      : {}),
    ...(about.estimate === null ? {} : { estimate: toEstimate(about.estimate, job.isSimulated) }),
  };
}
