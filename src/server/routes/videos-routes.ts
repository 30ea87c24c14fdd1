/** Routes of videos in the shape of OpenAI's API. The job behind one is the same as everywhere else. */
import {
  createVideo,
  deleteVideo,
  downloadContent,
  editVideo,
  extendVideo,
  listModels,
  listVideos,
  remixVideo,
  showModel,
  showVideo,
} from "../../contract/api/videos-api.ts";
import { artifactOf } from "../../contract/job-truth.ts";
import { videoOrderText } from "../../contract/order-text.ts";
import { videoFieldOf } from "../../contract/videos-request.ts";
import {
  isCompleted,
  pollAfterMs,
  toModelObject,
  toVideoList,
  toVideoObject,
  truthHeadersOf,
  type VideoObject,
  videoStatusOf,
} from "../../contract/videos-wire.ts";
import type { ArtifactRef, JobView } from "../../core/job.ts";
import type { ModelEntry } from "../../core/model-entry.ts";
import { ifKnown, present } from "../../core/present.ts";
import { acceptSubmission } from "../accept-submission.ts";
import type { ApiApp } from "../api-app.ts";
import { serveArtifact } from "../artifact-response.ts";
import type { AppOptions, HttpContext } from "../http-types.ts";
import { type Refused, refuse } from "../problems.ts";
import { readVideoRequest } from "../read-video-request.ts";
import type { ServerPorts } from "../server-ports.ts";

const noCache = { "cache-control": "no-cache" };

const notFound = (context: HttpContext): Refused =>
  refuse(context, { code: "JOB_NOT_FOUND", detail: "There is no video with this id." });
const notDone = (context: HttpContext, what: string): Refused =>
  refuse(context, { code: "FEATURE_UNSUPPORTED", detail: `This service makes no ${what}.` });

interface Shown {
  readonly video: VideoObject;
  readonly headers: Record<string, string>;
}

interface Parts {
  readonly ports: ServerPorts;
  readonly options: AppOptions;
}

async function show({ ports, options }: Parts, job: JobView, ignored: readonly string[] = []): Promise<Shown> {
  const outlook = await ports.outlook.of(job);
  const { resultMaxAgeMs } = options;
  const estimate = ports.admission.estimateOf(job.spec);
  const video = toVideoObject(job, { progress: ports.progressOf(job.id), outlook, estimate, resultMaxAgeMs, ignored });
  const pollMs = pollAfterMs(video, outlook.etaMs);
  const polling = present({ "openai-poll-after-ms": ifKnown(pollMs, String) });
  return { video, headers: { ...noCache, ...truthHeadersOf(video), ...polling } };
}

function addCreate(app: ApiApp, parts: Parts): void {
  const { ports, options } = parts;
  app.openapi(createVideo, async (context) => {
    const read = await readVideoRequest(context, ports, { catalog: ports.catalog, lead: ports.status().model });
    if ("refusal" in read) return refuse(context, read.refusal);
    const { video, image } = read;
    const accepted = await acceptSubmission(context, ports, {
      order: video.order,
      consent: options.ownConsent,
      text: videoOrderText(video.fields, video.order.floor, image === undefined ? [] : [image.sha256]),
      image,
      nameOf: videoFieldOf,
    });
    if ("refused" in accepted) return accepted.refused;
    // The simulator draws what the prompt says, whatever the image shows.
    const unread = image !== undefined && accepted.job.isSimulated ? ["input_reference"] : [];
    const { video: body, headers } = await show(parts, accepted.job, [...video.ignored, ...unread]);
    return context.json(body, 200, { ...headers, ...accepted.headers });
  });
}

function addReads(app: ApiApp, parts: Parts): void {
  const { ports } = parts;
  app.openapi(listVideos, async (context) => {
    const { after: afterId, limit, order } = context.req.valid("query");
    const after = afterId === undefined ? undefined : await ports.jobs.get(afterId);
    if (after === null)
      return refuse(context, { code: "REQUEST_INVALID", param: "after", detail: "after names no video." });
    const page = await ports.jobs.list({
      limit,
      isOldestFirst: order === "asc",
      ...present({ after }),
    });
    const shown = await Promise.all(page.jobs.map((job) => show(parts, job)));
    const body = toVideoList(
      shown.map(({ video }) => video),
      page.cursor !== null,
    );
    return context.json(body, 200, noCache);
  });

  app.openapi(showVideo, async (context) => {
    const job = await ports.jobs.get(context.req.valid("param").id);
    if (job === null) return notFound(context);
    const { video, headers } = await show(parts, job);
    return context.json(video, 200, headers);
  });
}

/** Why there is no file yet, or never will be. */
function refuseContent(context: HttpContext, job: JobView, variant: string): Refused {
  const status = videoStatusOf(job);
  if (status === "failed")
    return refuse(context, { code: "NOT_FOUND", detail: `There is no ${variant}: this video has failed.` });
  if (status === "completed") return refuse(context, { code: "NOT_FOUND", detail: `This video has no ${variant}.` });
  const standIn = artifactOf(job, "stand_in") === undefined ? "" : " Meanwhile variant=standin has a stand-in.";
  return refuse(context, {
    code: "JOB_STATE_CONFLICT",
    detail: `The ${variant} is not ready: this video is ${status}.${standIn}`,
  });
}

function addContent(app: ApiApp, parts: Parts): void {
  const { ports } = parts;
  app.openapi(downloadContent, async (context) => {
    const { variant } = context.req.valid("query");
    const job = await ports.jobs.get(context.req.valid("param").id);
    if (job === null) return notFound(context);
    if (variant === "spritesheet") return notDone(context, "spritesheets");
    const artifacts: Readonly<Record<typeof variant, ArtifactRef | undefined>> = {
      video: isCompleted(job) ? artifactOf(job, "result") : undefined,
      thumbnail: isCompleted(job) ? artifactOf(job, "thumbnail") : undefined,
      standin: artifactOf(job, "stand_in"),
    };
    const artifact = artifacts[variant];
    if (artifact === undefined && variant === "standin")
      return refuse(context, { code: "NOT_FOUND", detail: "No stand-in was made for this video." });
    if (artifact === undefined) return refuseContent(context, job, variant);
    const { video } = await show(parts, job);
    return serveArtifact(context, ports, artifact, {
      caching: "no-cache",
      disposition: "attachment",
      fileName: variant === "thumbnail" ? `${job.id}.jpg` : `${variant}_${job.id}.mp4`,
      notFound: `The file of this ${variant} is gone.`,
      headers: { ...truthHeadersOf(video), "x-understudy-served-by": variant === "standin" ? "stand_in" : "real" },
    });
  });
}

export function addVideosRoutes(app: ApiApp, ports: ServerPorts, options: AppOptions): void {
  const parts: Parts = { ports, options };
  addCreate(app, parts);
  addReads(app, parts);
  addContent(app, parts);
  app.openapi(deleteVideo, async (context) => {
    const { id } = context.req.valid("param");
    const outcome = await ports.control.removeJob(id, context.get("actor"));
    if (outcome === "absent") return notFound(context);
    return context.json({ id, object: "video.deleted" as const, deleted: outcome === "removed" }, 200);
  });
  app.openapi(remixVideo, (context) => notDone(context, "videos from other videos"));
  app.openapi(editVideo, (context) => notDone(context, "changes to videos"));
  app.openapi(extendVideo, (context) => notDone(context, "extensions of videos"));

  const modelObject = (entry: ModelEntry) => {
    const { model, startedAtMs } = ports.status();
    return toModelObject(entry, { isMain: entry.id === model, knownSinceMs: startedAtMs });
  };
  app.openapi(listModels, (context) =>
    context.json({ object: "list" as const, data: ports.catalog.entries.map(modelObject) }, 200, noCache),
  );
  app.openapi(showModel, (context) => {
    const { model } = context.req.valid("param");
    const entry = ports.catalog.find(model);
    if (entry !== undefined) return context.json(modelObject(entry), 200, noCache);
    return refuse(context, { code: "NOT_FOUND", param: "model", detail: `There is no model ${model.slice(0, 64)}.` });
  });
}
