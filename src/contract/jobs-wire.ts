/** Jobs in our own words: what a submission may say, and everything that is known of one. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import type { AttemptView, Change, Consent, JobArtifact, JobProgress, JobView, RenderRequest } from "../core/job.ts";
import { isKnownModel, knownModels, modelEntry, resolutionsOf } from "../core/model-catalog.ts";
import { dayMs, secondMs } from "../core/units.ts";
import type { WebhookDelivery } from "../core/webhook.ts";
import { artifactKinds, fallbackConsents, jobStates, loraExperts, phases, reductionKinds } from "../core/words.ts";
import { jobEstimateSchema, toJobEstimate } from "./estimate-wire.ts";
import { modelName } from "./model-name.ts";
import { toWire } from "./renaming.ts";
import type { EstimateView } from "./service-views.ts";
import { mostLoras } from "./submit-request.ts";
import { messageOfJob, toTruth, truthShape } from "./task-wire.ts";
import { jobWebhookSchema, toJobWebhook } from "./webhook-wire.ts";

const time = z.iso.datetime();
const whole = (low: number, high: number) => z.number().int().min(low).max(high);
const sizeText = z.string().regex(/^\d{2,5}x\d{2,5}$/, "must be a size such as 1280x720");

export const longestLabelCount = 16;
export const labelPattern = /^[A-Za-z0-9][A-Za-z0-9._:/=-]{0,63}$/;
const label = z.string().regex(labelPattern, "must have 1 to 64 letters, digits and . _ : / = -");

const floorSchema = z.strictObject({ width: whole(16, 7_680), height: whole(16, 7_680), frames: whole(1, 1_000) });

/** Pickle formats run code when they are opened, and a path that leaves its folder names somebody else's file. */
const isConfinedLora = (path: string): boolean =>
  /^(?![/\\])(?![A-Za-z]:)[^\0]+\.safetensors$/.test(path) && !path.split(/[/\\]/).includes("..");
const loraFile = z
  .string()
  .max(255)
  .refine(isConfinedLora, "must be the path of a .safetensors file below the LoRA directory");
const loraStrength = z.number().min(0).max(2).default(1);
const loraSchema = z.strictObject({
  name: loraFile,
  strength: loraStrength,
  expert: z.enum(loraExperts).default("both"),
});
/** Cheaper than the whole grammar of base64, of which twelve million characters would hold up everybody else. */
const isBase64 = (text: string): boolean => text.length % 4 === 0 && !/[^A-Za-z0-9+/=]/.test(text);

export const jobSubmissionSchema = z
  .strictObject({
    model: modelName.refine(isKnownModel, { error: () => `must be one of ${knownModels().join(", ")}` }),
    prompt: z
      .string()
      .min(1)
      .max(500)
      .refine((text) => text.trim() !== "", "must not be blank"),
    size: sizeText.default("1280x720"),
    frames: whole(1, 257).optional(),
    frames_per_second: whole(1, 60).optional(),
    steps: whole(1, 100).default(50),
    seed: whole(0, 2 ** 31 - 1).optional(),
    lora_path: loraFile.optional(),
    lora_strength: loraStrength,
    loras: z
      .array(loraSchema)
      .max(mostLoras)
      .optional()
      .describe("Further LoRAs, each for both experts of the model or for one."),
    /** JPEG, PNG or WebP, in base64. */
    image: z
      .string()
      .max(12_000_000)
      .refine(isBase64, "must be base64")
      .optional()
      .describe("The image from which the video begins: JPEG, PNG or WebP, in base64."),
    fallback: z.enum(fallbackConsents).optional().describe("What the job gets while no worker can give real output."),
    allow: z
      .array(z.enum(reductionKinds))
      .max(reductionKinds.length)
      .optional()
      .describe("What may be reduced when memory does not suffice."),
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

/** Relations between fields that must hold; null when they do. */
export function problemOfSubmission(
  { model, size }: JobSubmission,
  { hasImage }: { readonly hasImage: boolean },
): { readonly param: string; readonly detail: string } | null {
  const sizes = resolutionsOf(model);
  if (!sizes.includes(size)) return { param: "size", detail: `size must be one of ${sizes.join(", ")}.` };
  return modelEntry(model).needsImage && !hasImage
    ? { param: "image", detail: `image is required for ${model}.` }
    : null;
}

/** `drawSeed` is asked only when the submission names none. */
export function toRequest(submission: JobSubmission, drawSeed: () => number): RenderRequest {
  const [width = 0, height = 0] = submission.size.split("x").map(Number);
  const entry = modelEntry(submission.model);
  return {
    model: submission.model,
    prompt: submission.prompt,
    width,
    height,
    frames: submission.frames ?? entry.defaultFrames,
    framesPerSecond: submission.frames_per_second ?? entry.framesPerSecond,
    steps: submission.steps,
    seed: submission.seed ?? drawSeed(),
    loraPath: submission.lora_path ?? null,
    loraStrength: submission.lora_strength,
    ...(submission.loras === undefined || submission.loras.length === 0 ? {} : { loras: submission.loras }),
  };
}

/** What a submission itself says of it. */
export interface GivenConsent {
  readonly fallback?: Consent["fallback"] | undefined;
  readonly allow?: Consent["allow"] | undefined;
  readonly floor?: Consent["floor"] | undefined;
}

/** By default nothing is reduced unless the submission says so: these routes are for programs that know what they asked for. */
export function toOwnConsent({ fallback, allow: given, floor }: GivenConsent, defaults: Consent): Consent {
  const allow = given ?? defaults.allow;
  return {
    fallback: fallback ?? defaults.fallback,
    allow,
    floor: floor ?? (allow.length === 0 ? null : defaults.floor),
  };
}

/** Canonical text of the parsed fields: a drawn seed does not count, an image counts by its hash. */
export const submissionText = ({ image: _image, ...fields }: JobSubmission, imageHash: string | null): string =>
  JSON.stringify(["job", Object.entries(fields).filter(([, value]) => value !== undefined), imageHash]);

const artifactSchema = z.strictObject({
  kind: z.enum(artifactKinds),
  sha256: z.string(),
  bytes: z.number().int(),
  mime_type: z.string(),
  created_at: time,
  /** Where its bytes are; absent for what the submission brought. */
  url: z.string().optional(),
  served_by: truthShape.served_by,
  reason: z.string().optional(),
});

const attemptSchema = z.strictObject({
  fence: z.number().int(),
  worker_id: z.string(),
  started_at: time,
  ended_at: time.optional(),
  outcome: z.string().optional(),
  error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
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

export const jobSchema = z
  .strictObject({
    id: z.string(),
    state: z.enum(jobStates),
    /** One sentence on where it is. */
    message: z.string(),
    model: modelName,
    prompt: z.string(),
    size: sizeText,
    frames: z.number().int(),
    frames_per_second: z.number(),
    steps: z.number().int(),
    seed: z.number().int(),
    lora_path: z.string().optional(),
    lora_strength: z.number(),
    loras: z.array(z.strictObject({ name: z.string(), strength: z.number(), expert: z.enum(loraExperts) })).optional(),
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
    error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
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
    /** Of a job that has not ended: as it would be rendered now. */
    estimate: jobEstimateSchema.optional(),
    webhook: jobWebhookSchema.optional(),
  })
  .meta({ id: "JobDetail" });
export type JobDetail = z.infer<typeof jobDetailSchema>;

export const jobListSchema = z
  .strictObject({ jobs: z.array(jobSchema), cursor: z.string().optional() })
  .meta({ id: "JobList" });

const copyChanges = (changes: readonly Change[]): NonNullable<JobWire["changes"]> =>
  changes.map(({ field, from, to, why }) => ({ field, from, to, why }));

function toProgress({ phase, step, of, ratio, etaMs }: JobProgress): z.infer<typeof progressSchema> {
  return {
    phase,
    step,
    of,
    ratio: Math.min(1, Math.max(0, ratio)),
    ...(etaMs === null ? {} : { eta_ms: Math.ceil(etaMs) }),
  };
}

const errorOf = (code: string | null, message: string | null): { error?: { code: string; message: string } } =>
  code === null ? {} : { error: { code, message: message ?? "" } };

export function toJob(job: JobView, progress: JobProgress | null): JobWire {
  const { request, consent } = job.spec;
  const isEndedBadly = job.state === "failed" || job.state === "quarantined";
  const { floor } = consent;
  return {
    id: job.id,
    state: job.state,
    message: messageOfJob(job),
    model: request.model,
    prompt: request.prompt,
    size: `${request.width}x${request.height}`,
    frames: request.frames,
    frames_per_second: request.framesPerSecond,
    steps: request.steps,
    seed: request.seed,
    ...(request.loraPath === null ? {} : { lora_path: request.loraPath }),
    lora_strength: request.loraStrength,
    ...(request.loras === undefined ? {} : { loras: [...request.loras] }),
    fallback: consent.fallback,
    allow: [...consent.allow],
    ...(floor === null ? {} : { floor: { width: floor.width, height: floor.height, frames: floor.frames } }),
    priority: job.priority,
    labels: [...job.labels],
    created_at: isoOf(job.createdAtMs),
    ...(job.startedAtMs === null ? {} : { started_at: isoOf(job.startedAtMs) }),
    ...(job.endedAtMs === null ? {} : { ended_at: isoOf(job.endedAtMs) }),
    deadline_at: isoOf(job.deadlineAtMs),
    ...(job.workerId === null ? {} : { worker_id: job.workerId }),
    ...(job.state === "running" && progress !== null ? { progress: toProgress(progress) } : {}),
    attempt_count: job.attempts,
    ...(job.state === "running" && job.isCancelRequested ? { cancel_requested: true } : {}),
    ...(isEndedBadly ? errorOf(job.errorCode, job.errorMessage) : {}),
    ...(job.retryOf === null ? {} : { retry_of: job.retryOf }),
    ...toTruth(job),
  };
}

function toAttempt(attempt: AttemptView): z.infer<typeof attemptSchema> {
  const changes = attempt.plan?.changes ?? [];
  return {
    fence: attempt.fence,
    worker_id: attempt.workerId,
    started_at: isoOf(attempt.startedAtMs),
    ...(attempt.endedAtMs === null ? {} : { ended_at: isoOf(attempt.endedAtMs) }),
    ...(attempt.outcome === null ? {} : { outcome: attempt.outcome }),
    ...errorOf(attempt.code, attempt.message),
    ...(attempt.evidence === null ? {} : { evidence: toWire(attempt.evidence) }),
    ...(changes.length === 0 ? {} : { changes: copyChanges(changes) }),
  };
}

function toArtifact({
  kind,
  sha256,
  bytes,
  mimeType,
  createdAtMs,
  servedBy,
  reason,
}: JobArtifact): z.infer<typeof artifactSchema> {
  return {
    kind,
    sha256,
    bytes,
    mime_type: mimeType,
    created_at: isoOf(createdAtMs),
    ...(kind === "image" ? {} : { url: `/artifacts/${sha256}` }),
    ...(servedBy === null
      ? {}
      : {
          served_by: {
            worker: servedBy.worker,
            model: servedBy.model,
            kind: servedBy.kind,
            simulated: servedBy.isSimulated,
          },
        }),
    ...(reason === null ? {} : { reason }),
  };
}

export interface JobAbout {
  readonly progress: JobProgress | null;
  readonly deliveries: readonly WebhookDelivery[];
  readonly estimate: EstimateView | string;
}

export const toJobDetail = (job: JobView, { progress, deliveries, estimate }: JobAbout): JobDetail => ({
  ...toJob(job, progress),
  deaths: job.deaths,
  host_losses: job.hostLosses,
  attempts: job.attemptList.map(toAttempt),
  artifacts: job.artifacts.map(toArtifact),
  ...(job.state === "queued" || job.state === "running" ? { estimate: toJobEstimate(estimate, job.isSimulated) } : {}),
  ...(job.webhookUrl === null ? {} : { webhook: toJobWebhook(job.webhookUrl, deliveries) }),
});
