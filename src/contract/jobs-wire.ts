/** Jobs in our own words: what a submission may say, and everything that is known of one. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import type { AttemptView, JobArtifact, JobProgress, JobView } from "../core/job.ts";
import { sizeText } from "../core/pixel-size.ts";
import { ifAny, ifKnown, present, withoutNulls } from "../core/present.ts";
import { dayMs, secondMs } from "../core/units.ts";
import type { WebhookDelivery } from "../core/webhook.ts";
import { artifactKinds, fallbackConsents, jobStates, phases, reductionKinds } from "../core/words.ts";
import { jobEstimateSchema, toJobEstimate } from "./estimate-wire.ts";
import {
  errorSchema,
  loraShape,
  type PromiseAbout,
  promiseSchema,
  servedBySchema,
  toChanges,
  toPromise,
  toServedBy,
} from "./job-parts.ts";
import { hasFailed, isBeingCancelled, isOpen, messageOfJob, toTruth, truthShape } from "./job-truth.ts";
import { modelName } from "./model-name.ts";
import { lorasOf, type Order, type OrderAbout, orderFields, problemOfOrder, usualOrder } from "./order.ts";
import { fromWire, toWire } from "./renaming.ts";
import type { EstimateView } from "./service-views.ts";
import { jobWebhookSchema, toJobWebhook } from "./webhook-wire.ts";

const time = z.iso.datetime();
const whole = (low: number, high: number) => z.number().int().min(low).max(high);
const pixelSize = z.string().regex(/^\d{2,5}x\d{2,5}$/, "must be a size such as 1280x720");

export const longestLabelCount = 16;
export const labelPattern = /^[A-Za-z0-9][A-Za-z0-9._:/=-]{0,63}$/;
const label = z.string().regex(labelPattern, "must have 1 to 64 letters, digits and . _ : / = -");

const floorSchema = z.strictObject(orderFields.floor);
const loraStrength = orderFields.loraStrength.default(usualOrder.loraStrength);
const loraSchema = z.strictObject({
  name: orderFields.loraFile,
  strength: loraStrength,
  expert: orderFields.loraExpert.default(usualOrder.loraExpert),
});
/** Cheaper than the whole grammar of base64, of which twelve million characters would hold up everybody else. */
const isBase64 = (text: string): boolean => text.length % 4 === 0 && !/[^A-Za-z0-9+/=]/.test(text);

export const jobSubmissionSchema = z
  .strictObject({
    model: modelName,
    prompt: orderFields.prompt.min(1, "must not be blank"),
    size: pixelSize.default(usualOrder.size),
    frames: orderFields.frames.optional(),
    frames_per_second: orderFields.framesPerSecond.optional(),
    steps: orderFields.steps.default(usualOrder.steps),
    seed: orderFields.seed.optional(),
    lora_path: orderFields.loraFile.optional(),
    lora_strength: loraStrength,
    loras: lorasOf(loraSchema).optional().describe("Further LoRAs, each for both experts of the model or for one."),
    /** JPEG, PNG or WebP, in base64. */
    image: z
      .string()
      .max(12_000_000)
      .refine(isBase64, "must be base64")
      .optional()
      .describe("The image from which the video begins: JPEG, PNG or WebP, in base64."),
    fallback: orderFields.fallback.optional().describe("What the job gets while no worker can give real output."),
    allow: orderFields.allow.optional().describe("What may be reduced when memory does not suffice."),
    floor: floorSchema.optional().describe("How far it may be reduced."),
    priority: whole(-100, 100).default(0).describe("Higher ones first; among equals the older one."),
    deadline_ms: whole(secondMs, 7 * dayMs)
      .optional()
      .describe("From now; past it a job without a result fails."),
    labels: z.array(label).max(longestLabelCount).default([]).describe("Words to find it by."),
    webhook: z
      .strictObject({ url: z.string().min(1).max(2_048) })
      .optional()
      .describe("Is told of the stand-in and of the end, signed."),
  })
  .meta({ id: "JobSubmission" });
export type JobSubmission = z.infer<typeof jobSubmissionSchema>;

/** A submission's fields have the names of an order already, in the spelling of the wire. */
export const toOrder = (submission: JobSubmission): Order => fromWire(submission);

/** What its fields say together with the models that there are; null when that holds. */
export function problemOfSubmission(
  submission: JobSubmission,
  about: OrderAbout,
): { readonly param: string; readonly detail: string } | null {
  const problem = problemOfOrder(toOrder(submission), about);
  if (problem === null) return null;
  const { field } = problem;
  const rest = "detail" in problem ? problem.detail : `must be one of ${problem.choices.join(", ")}`;
  return { param: field, detail: `${field} ${rest}.` };
}

const artifactSchema = z.strictObject({
  kind: z.enum(artifactKinds),
  sha256: z.string(),
  bytes: z.number().int(),
  mime_type: z.string(),
  created_at: time,
  /** Where its bytes are; absent for what the submission brought. */
  url: z.string().optional(),
  served_by: servedBySchema.optional(),
  reason: z.string().optional(),
});

const attemptSchema = z.strictObject({
  fence: z.number().int(),
  worker_id: z.string(),
  started_at: time,
  ended_at: time.optional(),
  outcome: z.string().optional(),
  error: errorSchema.optional(),
  evidence: z.record(z.string(), z.unknown()).optional(),
  changes: truthShape.changes,
});

const progressSchema = z.strictObject({
  phase: z.enum(phases),
  step: z.number().int(),
  of: z.number().int(),
  ratio: z.number().min(0).max(1),
  eta_ms: z.number().int().optional(),
});

const jobSchema = z
  .strictObject({
    id: z.string(),
    state: z.enum(jobStates),
    /** One sentence on where it is. */
    message: z.string(),
    model: modelName,
    prompt: z.string(),
    size: pixelSize,
    frames: z.number().int(),
    frames_per_second: z.number(),
    steps: z.number().int(),
    seed: z.number().int(),
    lora_path: z.string().optional(),
    lora_strength: z.number(),
    loras: z.array(z.strictObject(loraShape)).optional(),
    fallback: z.enum(fallbackConsents),
    allow: z.array(z.enum(reductionKinds)),
    floor: floorSchema.optional(),
    priority: z.number().int(),
    labels: z.array(z.string()),
    created_at: time,
    started_at: time.optional(),
    ended_at: time.optional(),
    deadline_at: time,
    worker_id: z.string().optional(),
    progress: progressSchema.optional(),
    attempt_count: z.number().int(),
    cancel_requested: z.boolean().optional(),
    error: errorSchema.optional(),
    /** The job that this one is a new try of. */
    retry_of: z.string().optional(),
    ...truthShape,
  })
  .meta({ id: "Job" });
export type JobWire = z.infer<typeof jobSchema>;

export const jobDetailSchema = jobSchema
  .extend({
    deaths: z.number().int(),
    host_losses: z.number().int(),
    attempts: z.array(attemptSchema),
    artifacts: z.array(artifactSchema),
    /** How a job that has not ended would be rendered now. */
    estimate: jobEstimateSchema.optional(),
    /** What a job that waits can count on as things stand. */
    promise: promiseSchema.optional(),
    webhook: jobWebhookSchema.optional(),
  })
  .meta({ id: "JobDetail" });
export type JobDetail = z.infer<typeof jobDetailSchema>;

export const jobListSchema = z
  .strictObject({ jobs: z.array(jobSchema), cursor: z.string().optional() })
  .meta({ id: "JobList" });

const toProgress = ({ phase, step, of, ratio, etaMs }: JobProgress): z.infer<typeof progressSchema> => ({
  phase,
  step,
  of,
  ratio: Math.min(1, Math.max(0, ratio)),
  ...present({ eta_ms: ifKnown(etaMs, Math.ceil) }),
});

const toError = (code: string | null, message: string | null): z.infer<typeof errorSchema> | undefined =>
  code === null ? undefined : { code, message: message ?? "" };

export function toJob(job: JobView, progress: JobProgress | null): JobWire {
  const { request, consent } = job.spec;
  return {
    id: job.id,
    state: job.state,
    message: messageOfJob(job),
    model: request.model,
    prompt: request.prompt,
    size: sizeText(request),
    frames: request.frames,
    frames_per_second: request.framesPerSecond,
    steps: request.steps,
    seed: request.seed,
    ...withoutNulls({ lora_path: request.loraPath }),
    lora_strength: request.loraStrength,
    ...present({ loras: ifKnown(request.loras, (loras) => [...loras]) }),
    fallback: consent.fallback,
    allow: [...consent.allow],
    ...present({
      floor: ifKnown(consent.floor, ({ width, height, frames }) => ({ width, height, frames })),
    }),
    priority: job.priority,
    labels: [...job.labels],
    created_at: isoOf(job.createdAtMs),
    ...present({ started_at: ifKnown(job.startedAtMs, isoOf), ended_at: ifKnown(job.endedAtMs, isoOf) }),
    deadline_at: isoOf(job.deadlineAtMs),
    ...withoutNulls({
      worker_id: job.workerId,
      progress: job.state === "running" ? ifKnown(progress, toProgress) : undefined,
    }),
    attempt_count: job.attempts,
    ...withoutNulls({
      cancel_requested: isBeingCancelled(job) || undefined,
      error: hasFailed(job) ? toError(job.errorCode, job.errorMessage) : undefined,
      retry_of: job.retryOf,
    }),
    ...toTruth(job),
  };
}

const toAttempt = (attempt: AttemptView): z.infer<typeof attemptSchema> => ({
  fence: attempt.fence,
  worker_id: attempt.workerId,
  started_at: isoOf(attempt.startedAtMs),
  ...withoutNulls({
    ended_at: ifKnown(attempt.endedAtMs, isoOf),
    outcome: attempt.outcome,
    error: toError(attempt.code, attempt.message),
    evidence: ifKnown(attempt.evidence, toWire),
    changes: ifAny(toChanges(attempt.plan?.changes ?? [])),
  }),
});

const toArtifact = (artifact: JobArtifact): z.infer<typeof artifactSchema> => ({
  kind: artifact.kind,
  sha256: artifact.sha256,
  bytes: artifact.bytes,
  mime_type: artifact.mimeType,
  created_at: isoOf(artifact.createdAtMs),
  ...withoutNulls({
    url: artifact.kind === "image" ? undefined : `/artifacts/${artifact.sha256}`,
    served_by: ifKnown(artifact.servedBy, toServedBy),
    reason: artifact.reason,
  }),
});

export interface JobAbout {
  readonly progress: JobProgress | null;
  readonly deliveries: readonly WebhookDelivery[];
  readonly estimate: EstimateView | string;
  readonly outlook: PromiseAbout;
}

export const toJobDetail = (job: JobView, { progress, deliveries, estimate, outlook }: JobAbout): JobDetail => ({
  ...toJob(job, progress),
  deaths: job.deaths,
  host_losses: job.hostLosses,
  attempts: job.attemptList.map(toAttempt),
  artifacts: job.artifacts.map(toArtifact),
  ...present({
    estimate: isOpen(job) ? toJobEstimate(estimate, job.isSimulated) : undefined,
    promise: toPromise(outlook),
    webhook: ifKnown(job.webhookUrl, (url) => toJobWebhook(url, deliveries)),
  }),
});
