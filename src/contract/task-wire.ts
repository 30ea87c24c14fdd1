/** A job as clients of the compatible routes know it: a task. A stand-in is `completed` with `is_mock: true`, and never called real. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import type { JobProgress, JobView, RenderRequest } from "../core/job.ts";
import type { ModelEntry } from "../core/model-entry.ts";
import { peakBytes } from "../core/model-figures.ts";
import { sizeText } from "../core/pixel-size.ts";
import { ifAny, ifKnown, present } from "../core/present.ts";
import { minuteMs } from "../core/units.ts";
import type { JobState } from "../core/words.ts";
import { estimateSchema, inGb, toEstimate } from "./estimate-wire.ts";
import { loraShape, percentOf, secondsUp } from "./job-parts.ts";
import {
  hasFailed,
  isBeingCancelled,
  messageOfJob,
  shownArtifact,
  shownStandIn,
  toTruth,
  truthShape,
} from "./job-truth.ts";
import { modelName } from "./model-name.ts";
import type { EstimateView } from "./service-views.ts";

export const taskStatuses = ["pending", "processing", "completed", "failed", "cancelled"] as const;
export type TaskStatus = (typeof taskStatuses)[number];

/** What was asked for, in the fields in which it was asked. */
const requestShape = {
  model_type: modelName,
  prompt: z.string(),
  resolution: z.string().regex(/^\d+x\d+$/),
  steps: z.number().int(),
  num_frames: z.number().int(),
  fps: z.number(),
  seed: z.number().int(),
};
const toRequest = (request: RenderRequest) => ({
  model_type: request.model,
  prompt: request.prompt,
  resolution: sizeText(request),
  steps: request.steps,
  num_frames: request.frames,
  fps: request.framesPerSecond,
  seed: request.seed,
});

export const taskSchema = z
  .strictObject({
    id: z.string(),
    ...requestShape,
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

const statusOfState: Readonly<Record<JobState, TaskStatus>> = {
  queued: "pending",
  running: "processing",
  succeeded: "completed",
  failed: "failed",
  quarantined: "failed",
  cancelled: "cancelled",
};

/** A delivered stand-in counts as completed in these words, whatever becomes of the real video. */
export const statusOf = (job: JobView): TaskStatus =>
  shownStandIn(job) === undefined ? statusOfState[job.state] : "completed";

/** 100 only when there is something to see. */
function progressOf(status: TaskStatus, progress: JobProgress | null): number {
  if (status === "completed") return 100;
  return status === "processing" && progress !== null ? percentOf(progress) : 0;
}

export function toTask(job: JobView, progress: JobProgress | null): Task {
  const { request } = job.spec;
  const status = statusOf(job);
  const now = job.state === "running" ? progress : null;
  return {
    id: job.id,
    ...toRequest(request),
    ...present({ lora_path: request.loraPath ?? undefined }),
    lora_strength: request.loraStrength,
    status,
    progress: progressOf(status, progress),
    ...present({ phase: now?.phase, eta_seconds: ifKnown(now?.etaMs, secondsUp) }),
    created_at: isoOf(job.createdAtMs),
    ...present({
      started_at: ifKnown(job.startedAtMs, isoOf),
      completed_at: ifKnown(job.endedAtMs ?? shownStandIn(job)?.createdAtMs, isoOf),
      output_path: ifKnown(shownArtifact(job), () => `outputs/${job.id}.mp4`),
      error_message: hasFailed(job) ? (job.errorMessage ?? undefined) : undefined,
      error_code: hasFailed(job) ? (job.errorCode ?? undefined) : undefined,
      cancel_requested: isBeingCancelled(job) || undefined,
    }),
    attempts: job.attempts,
    ...toTruth(job),
  };
}

export const jobStatusSchema = taskSchema
  .extend({ task_id: z.string(), message: z.string() })
  .meta({ id: "JobStatus" });
export const toJobStatus = (job: JobView, progress: JobProgress | null): z.infer<typeof jobStatusSchema> => ({
  task_id: job.id,
  ...toTask(job, progress),
  message: messageOfJob(job),
});

/** What later generations of the compatible client call its models. */
const shortModelNames: Readonly<Record<string, string>> = { "T2V-A14B": "t2v", "I2V-A14B": "i2v", "TI2V-5B": "ti2v" };

export const queueSchema = z
  .strictObject({
    tasks: z.array(taskSchema),
    /** The same tasks for later generations of the client. */
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
      ...requestShape,
      resolution: z.string(),
      image_path: z.null(),
      end_image_path: z.null(),
      lora_path: z.string().nullable(),
      lora_strength: z.number(),
      loras: z.array(z.object(loraShape)).optional(),
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
  /** The time until its real video, those before it included; null while nothing is known. */
  readonly readyInMs: number | null;
  /** The main model, or another real one, would serve now. */
  readonly isRealEnabled: boolean;
  readonly isDegraded: boolean;
  readonly warnings: readonly string[];
}

const wholeMinutes = (ms: number): number => Math.max(1, Math.round(ms / minuteMs));

/** With the jobs before it where their times are known, else of its own render alone. */
function minutesOf({ readyInMs, estimate }: SubmittedAbout): number | undefined {
  if (readyInMs !== null) return wholeMinutes(readyInMs);
  return estimate?.time.kind === "known" ? wholeMinutes(estimate.time.ms) : undefined;
}

/** The nulls in `parameters` stay: clients of these routes read them. */
export function toSubmitted(job: JobView, about: SubmittedAbout): z.infer<typeof submittedSchema> {
  const { request, consent } = job.spec;
  const { estimate, isRealEnabled, message } = about;
  return {
    task_id: job.id,
    status: statusOf(job),
    message,
    real_ai_enabled: isRealEnabled,
    hardware_optimized: isRealEnabled && !about.isDegraded,
    estimated_vram_gb: inGb(estimate?.deviceBytes ?? peakBytes(about.model, request, "model-offload")),
    parameters: {
      ...toRequest(request),
      image_path: null,
      end_image_path: null,
      lora_path: request.loraPath,
      lora_strength: request.loraStrength,
      ...present({ loras: ifKnown(request.loras, (loras) => [...loras]) }),
      fallback: consent.fallback,
      allow: [...consent.allow],
    },
    is_mock: shownStandIn(job) !== undefined,
    simulated: job.isSimulated,
    ...present({
      warnings: ifAny([...about.warnings]),
      estimated_time_minutes: minutesOf(about),
      estimate: ifKnown(estimate, (known) => toEstimate(known, job.isSimulated)),
    }),
  };
}
