/**
 * Routes of finished videos and their files. An address by job may change its content once, from stand-in to real; an
 * address by hash never does.
 */

import { longestListCount } from "../../contract/api/list-params.ts";
import {
  deleteOutput,
  downloadVideo,
  listOutputs,
  showArtifact,
  showOutput,
  showThumbnail,
  showThumbnailByName,
  showVideo,
} from "../../contract/api/output-api.ts";
import { artifactOf, shownArtifact } from "../../contract/job-truth.ts";
import { toOutputs, toVideo, type Video } from "../../contract/output-wire.ts";
import type { JobArtifact, JobView } from "../../core/job.ts";
import { present } from "../../core/present.ts";
import type { ApiApp } from "../api-app.ts";
import { serveArtifact } from "../artifact-response.ts";
import type { HttpContext } from "../http-types.ts";
import { refuse } from "../problems.ts";
import { removeJob } from "../remove-jobs.ts";
import type { ServerPorts } from "../server-ports.ts";

const notFoundTexts = {
  video: "Video file not found",
  entry: "Video not found",
  thumbnail: "Thumbnail not found",
} as const;

/** Lists videos, newest first. Jobs that have nothing to show yet are passed over, page by page. */
async function listVideos(ports: ServerPorts, limit: number): Promise<Video[]> {
  const videos: Video[] = [];
  let cursor: string | null | undefined;
  while (videos.length < limit && cursor !== null) {
    const page = await ports.jobs.list({ limit: longestListCount, ...present({ cursor }) });
    videos.push(...page.jobs.map(toVideo).filter((video) => video !== null));
    cursor = page.cursor;
  }
  return videos.slice(0, limit);
}

function truthHeaders(job: JobView, artifact: JobArtifact): Record<string, string> {
  return {
    "x-understudy-served-by": artifact.kind === "stand_in" ? "stand_in" : "real",
    ...present({ "x-understudy-simulated": job.isSimulated ? "true" : undefined }),
  };
}

async function serveVideo(
  context: HttpContext,
  ports: ServerPorts,
  id: string,
  disposition: "inline" | "attachment",
): Promise<Response> {
  const job = await ports.jobs.get(id);
  const artifact = job === null ? undefined : shownArtifact(job);
  if (job === null || artifact === undefined)
    return refuse(context, { code: "NOT_FOUND", detail: notFoundTexts.video });
  return serveArtifact(context, ports, artifact, {
    caching: "no-cache",
    disposition,
    fileName: disposition === "inline" ? `${job.id}.mp4` : `wan22_video_${job.id}.mp4`,
    notFound: notFoundTexts.video,
    headers: truthHeaders(job, artifact),
  });
}

async function serveThumbnail(context: HttpContext, ports: ServerPorts, id: string): Promise<Response> {
  const job = await ports.jobs.get(id);
  const artifact = job === null ? undefined : artifactOf(job, "thumbnail");
  if (artifact === undefined) return refuse(context, { code: "NOT_FOUND", detail: notFoundTexts.thumbnail });
  return serveArtifact(context, ports, artifact, {
    caching: "no-cache",
    disposition: "inline",
    fileName: `${id}_thumb.jpg`,
    notFound: notFoundTexts.thumbnail,
  });
}

export function addOutputRoutes(app: ApiApp, ports: ServerPorts): void {
  app.openapi(listOutputs, async (context) => {
    const { limit } = context.req.valid("query");
    return context.json(toOutputs(await listVideos(ports, limit)), 200, { "cache-control": "no-cache" });
  });
  app.openapi(showOutput, async (context) => {
    const job = await ports.jobs.get(context.req.valid("param").id);
    const video = job === null ? null : toVideo(job);
    return video === null
      ? refuse(context, { code: "NOT_FOUND", detail: notFoundTexts.entry })
      : context.json(video, 200, { "cache-control": "no-cache" });
  });
  app.openapi(deleteOutput, async (context) => {
    const { id } = context.req.valid("param");
    const outcome = await removeJob(ports, id, context.get("actor"));
    if (outcome === "removed") return context.json({ message: "Video deleted successfully" }, 200);
    if (outcome !== "stopping") return refuse(context, { code: "NOT_FOUND", detail: notFoundTexts.entry });
    return refuse(context, {
      code: "JOB_STATE_CONFLICT",
      detail: "The real render is still being stopped; delete it once more then.",
    });
  });
  app.openapi(showVideo, (context) => serveVideo(context, ports, context.req.valid("param").id, "inline"));
  app.openapi(downloadVideo, (context) => serveVideo(context, ports, context.req.valid("param").id, "attachment"));
  app.openapi(showThumbnail, (context) => serveThumbnail(context, ports, context.req.valid("param").id));
  /** The compatible gallery looks here for the base name of `thumbnail_path`. */
  app.openapi(showThumbnailByName, (context) =>
    serveThumbnail(context, ports, context.req.valid("param").name.replace(/_thumb\.jpg$/, "")),
  );
  app.openapi(showArtifact, async (context) => {
    const { sha256 } = context.req.valid("param");
    const found = /^[0-9a-f]{64}$/.test(sha256) ? await ports.jobs.findArtifact(sha256) : null;
    if (found === null) return refuse(context, { code: "NOT_FOUND", detail: "No artifact has this hash." });
    const { artifact, jobId } = found;
    const extension = artifact.mimeType === "image/jpeg" ? "jpg" : "mp4";
    return serveArtifact(context, ports, artifact, {
      caching: "immutable",
      disposition: "inline",
      fileName: `${jobId}.${extension}`,
      notFound: "No artifact has this hash.",
    });
  });
}
