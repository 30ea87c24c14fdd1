/**
 * A job as clients of OpenAI's video API know it: four status words, and everything else in one object of our own. A
 * stand-in is never `completed` here, because whoever polls takes `completed` for the video that was asked for.
 */
import { z } from "zod";
import type { AttemptView, JobProgress, JobView, RenderRequest } from "../core/job.ts";
import type { ModelEntry } from "../core/model-entry.ts";
import { needsImage, resolutionsOf } from "../core/model-figures.ts";
import { sizeText } from "../core/pixel-size.ts";
import { ifAny, ifKnown, present } from "../core/present.ts";
import { phases } from "../core/words.ts";
import { jobEstimateSchema, toJobEstimate } from "./estimate-wire.ts";
import {
  changesSchema,
  errorSchema,
  type PromiseAbout,
  percentOf,
  promiseSchema,
  secondsUp,
  servedBySchema,
  toChanges,
  toPromise,
} from "./job-parts.ts";
import { artifactOf, isBeingCancelled, isOpen, toTruth } from "./job-truth.ts";
import type { EstimateView } from "./service-views.ts";

const videoStatuses = ["queued", "in_progress", "completed", "failed"] as const;
export type VideoStatus = (typeof videoStatuses)[number];

/** What ends a video here besides the codes of docs/errors.md. */
const videoEndings = { standInOnly: "standin_only", cancelled: "cancelled" } as const;

const formSchema = z.strictObject({
  model: z.string(),
  size: z.string(),
  seconds: z.string(),
  num_frames: z.number().int(),
  fps: z.number(),
  steps: z.number().int(),
  seed: z.number().int(),
});

const understudySchema = z
  .strictObject({
    served_by: servedBySchema.nullable(),
    requested: formSchema,
    /** How it is rendered; null until that is decided. */
    effective: formSchema.nullable(),
    changes: changesSchema,
    attempts: z.number().int(),
    incident_id: z.string().nullable(),
    queue_position: z.number().int().nullable(),
    eta_seconds: z.number().int().nullable(),
    /** How the video would be rendered now; null for one that has ended. */
    estimate: jobEstimateSchema.nullable(),
    /** What it can count on as things stand; null for one that does not wait. */
    promise: promiseSchema.nullable(),
    phase: z.enum(phases).nullable(),
    simulated: z.boolean(),
    cancel_requested: z.boolean(),
    fallback: z.string(),
    allow: z.array(z.string()),
    stand_in: z.strictObject({ url: z.string(), reason: z.string().nullable() }).nullable(),
    /** In the answer to a request: its fields that have no effect here. */
    ignored: z.array(z.string()).optional(),
  })
  .meta({ id: "VideoTruth" });

export const videoObjectSchema = z
  .strictObject({
    id: z.string(),
    object: z.literal("video"),
    /** The model that served; until then the one that was asked for. */
    model: z.string(),
    status: z.enum(videoStatuses),
    progress: z.number().int().min(0).max(100),
    created_at: z.number().int(),
    completed_at: z.number().int().nullable(),
    expires_at: z.number().int().nullable(),
    seconds: z.string(),
    size: z.string(),
    prompt: z.string().nullable(),
    remixed_from_video_id: z.null(),
    error: errorSchema.nullable(),
    understudy: understudySchema,
  })
  .meta({ id: "OpenAiVideo" });
export type VideoObject = z.infer<typeof videoObjectSchema>;

export const videoListSchema = z.strictObject({
  object: z.literal("list"),
  data: z.array(videoObjectSchema),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});

export const videoDeletedSchema = z.strictObject({
  id: z.string(),
  object: z.literal("video.deleted"),
  /** False while its render has not let the card go: ask again. */
  deleted: z.boolean(),
});

export interface VideoAbout {
  readonly progress: JobProgress | null;
  readonly outlook: PromiseAbout & { readonly queuePosition: number | null; readonly incidentId: string | null };
  /** A sentence where nothing can be said. */
  readonly estimate: EstimateView | string;
  readonly resultMaxAgeMs: number;
  readonly ignored?: readonly string[];
}

const unixSeconds = (atMs: number): number => Math.floor(atMs / 1_000);
const secondsText = ({ frames, framesPerSecond }: RenderRequest): string =>
  String(Number((frames / framesPerSecond).toFixed(4)));

const toForm = (request: RenderRequest): z.infer<typeof formSchema> => ({
  model: request.model,
  size: sizeText(request),
  seconds: secondsText(request),
  num_frames: request.frames,
  fps: request.framesPerSecond,
  steps: request.steps,
  seed: request.seed,
});

/** Ended with what was asked for: with a stand-in alone nothing is completed. */
export const isCompleted = (job: JobView): boolean => job.state === "succeeded" && job.result?.servedBy.kind === "real";

export function videoStatusOf(job: JobView): VideoStatus {
  if (isCompleted(job)) return "completed";
  if (!isOpen(job)) return "failed";
  return job.state === "queued" && artifactOf(job, "stand_in") === undefined ? "queued" : "in_progress";
}

function errorOf(job: JobView): VideoObject["error"] {
  if (videoStatusOf(job) !== "failed") return null;
  if (job.state === "cancelled") return { code: videoEndings.cancelled, message: "The video was cancelled." };
  if (job.state === "succeeded") {
    const message = "A stand-in alone was asked for, and it is no video of the model; content?variant=standin has it.";
    return { code: videoEndings.standInOnly, message };
  }
  return { code: job.errorCode ?? "WORKER_ERROR", message: job.errorMessage ?? "The video could not be made." };
}

const planOf = (job: JobView): AttemptView["plan"] => job.attemptList.at(-1)?.plan ?? null;

/** Null where nothing is rendered, or has been. */
function effectiveOf(job: JobView): RenderRequest | null {
  if (job.result !== null) return job.result.effective;
  return job.state === "running" ? (planOf(job)?.request ?? job.spec.request) : null;
}

function progressOf(job: JobView, progress: JobProgress | null): number {
  if (isCompleted(job)) return 100;
  return job.state === "running" && progress !== null ? percentOf(progress) : 0;
}

const standInUrl = (id: string): string => `/v1/videos/${id}/content?variant=standin`;

function toUnderstudy(job: JobView, about: VideoAbout): VideoObject["understudy"] {
  const { progress, outlook, ignored } = about;
  const truth = toTruth(job);
  const standIn = artifactOf(job, "stand_in");
  const effective = effectiveOf(job);
  const planned = job.state === "running" ? planOf(job)?.changes : undefined;
  return {
    served_by: truth.served_by ?? null,
    requested: toForm(job.spec.request),
    effective: ifKnown(effective, toForm) ?? null,
    changes: truth.changes ?? toChanges(planned ?? []),
    attempts: job.attempts,
    incident_id: outlook.incidentId,
    queue_position: outlook.queuePosition,
    eta_seconds: ifKnown(outlook.etaMs, secondsUp) ?? null,
    estimate: isOpen(job) ? toJobEstimate(about.estimate, job.isSimulated) : null,
    promise: toPromise(outlook) ?? null,
    phase: job.state === "running" ? (progress?.phase ?? null) : null,
    simulated: job.isSimulated,
    cancel_requested: isBeingCancelled(job),
    fallback: job.spec.consent.fallback,
    allow: [...job.spec.consent.allow],
    stand_in: standIn === undefined ? null : { url: standInUrl(job.id), reason: standIn.reason },
    ...present({ ignored: ifAny(ifKnown(ignored, (names) => [...names])) }),
  };
}

export function toVideoObject(job: JobView, about: VideoAbout): VideoObject {
  const result = isCompleted(job) ? job.result : null;
  const completedAtMs = result === null ? null : job.endedAtMs;
  const shown = result?.effective ?? job.spec.request;
  return {
    id: job.id,
    object: "video",
    model: result?.servedBy.model ?? job.spec.request.model,
    status: videoStatusOf(job),
    progress: progressOf(job, about.progress),
    created_at: unixSeconds(job.createdAtMs),
    completed_at: ifKnown(completedAtMs, unixSeconds) ?? null,
    expires_at: ifKnown(completedAtMs, (atMs) => unixSeconds(atMs + about.resultMaxAgeMs)) ?? null,
    seconds: secondsText(shown),
    size: sizeText(shown),
    prompt: job.spec.request.prompt,
    remixed_from_video_id: null,
    error: errorOf(job),
    understudy: toUnderstudy(job, about),
  };
}

export function toVideoList(videos: readonly VideoObject[], hasMore: boolean): z.infer<typeof videoListSchema> {
  return {
    object: "list",
    data: [...videos],
    first_id: videos.at(0)?.id ?? null,
    last_id: videos.at(-1)?.id ?? null,
    has_more: hasMore,
  };
}

/** Fields and values are words and numbers of our own, so that they may stand in a header. */
export function truthHeadersOf(video: VideoObject): Record<string, string> {
  const { served_by: servedBy, changes, simulated } = video.understudy;
  return present({
    "x-understudy-served-by": servedBy?.kind,
    "x-understudy-changes": ifAny(changes)
      ?.map(({ field, from, to }) => `${field}=${from}->${to}`)
      .join(", "),
    "x-understudy-simulated": simulated ? "true" : undefined,
  });
}

const pollBounds = { leastMs: 250, mostMs: 10_000 } as const;

/** A tenth of what is expected: OpenAI's SDK keeps to the first one that it is told. Null where nothing is expected. */
export function pollAfterMs(video: VideoObject, etaMs: number | null): number | null {
  if (video.status === "completed" || video.status === "failed" || etaMs === null) return null;
  return Math.round(Math.min(pollBounds.mostMs, Math.max(pollBounds.leastMs, etaMs / 10)));
}

export const modelObjectSchema = z
  .strictObject({
    id: z.string(),
    object: z.literal("model"),
    created: z.number().int(),
    owned_by: z.string(),
    understudy: z.strictObject({
      is_main_model: z.boolean(),
      needs_image: z.boolean(),
      sizes: z.array(z.string()),
      fps: z.number(),
      default_frames: z.number().int(),
      default_steps: z.number().int(),
    }),
  })
  .meta({ id: "OpenAiModel" });
export function toModelObject(
  model: ModelEntry,
  about: { readonly isMain: boolean; readonly knownSinceMs: number },
): z.infer<typeof modelObjectSchema> {
  return {
    id: model.id,
    object: "model",
    created: unixSeconds(about.knownSinceMs),
    owned_by: "understudy",
    understudy: {
      is_main_model: about.isMain,
      needs_image: needsImage(model),
      sizes: [...resolutionsOf(model)],
      fps: model.framesPerSecond,
      default_frames: model.defaultFrames,
      default_steps: model.defaultSteps,
    },
  };
}

export const modelListSchema = z.strictObject({ object: z.literal("list"), data: z.array(modelObjectSchema) });
