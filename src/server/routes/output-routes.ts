/** Finished videos and their files. Addresses by job may change their content once, from stand-in to real; addresses by hash never. */
import type { Hono } from "hono";
import { toOutputs, toVideo, type Video } from "../../contract/output-wire.ts";
import { artifactOf, shownArtifact } from "../../contract/task-wire.ts";
import type { JobArtifact, JobView } from "../../core/job.ts";
import { serveArtifact } from "../artifact-response.ts";
import type { HttpContext, HttpEnv } from "../http-types.ts";
import { refuse } from "../problems.ts";
import { longestListCount, readLimit } from "../read-limit.ts";
import type { ServerPorts } from "../server-ports.ts";

const notFoundTexts = { video: "Video file not found", entry: "Video not found", thumbnail: "Thumbnail not found" } as const;

/** Newest first. Jobs that have nothing to show yet are passed over, page by page. */
async function listVideos(ports: ServerPorts, limit: number): Promise<Video[]> {
  const videos: Video[] = [];
  let cursor: string | null | undefined;
  while (videos.length < limit && cursor !== null) {
    const page = await ports.jobs.list({ limit: longestListCount, ...(cursor === undefined ? {} : { cursor }) });
    videos.push(...page.jobs.map(toVideo).filter((video) => video !== null));
    cursor = page.cursor;
  }
  return videos.slice(0, limit);
}

function truthHeaders(job: JobView, artifact: JobArtifact): Record<string, string> {
  return {
    "x-understudy-served-by": artifact.kind === "stand_in" ? "stand_in" : "real",
    ...(job.isSimulated ? { "x-understudy-simulated": "true" } : {}),
  };
}

async function serveVideo(context: HttpContext, ports: ServerPorts, id: string, disposition: "inline" | "attachment"): Promise<Response> {
  const job = await ports.jobs.get(id);
  const artifact = job === null ? undefined : shownArtifact(job);
  if (job === null || artifact === undefined) return refuse(context, { code: "NOT_FOUND", detail: notFoundTexts.video });
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

export function addOutputRoutes(app: Hono<HttpEnv>, ports: ServerPorts): void {
  app.get("/api/v1/outputs", async (context) => {
    const limit = readLimit(context.req.query("limit"));
    if (limit === null)
      return refuse(context, { code: "REQUEST_INVALID", param: "limit", detail: "limit must be a whole number from 1 to 1000." });
    return context.json(toOutputs(await listVideos(ports, limit)), 200, { "cache-control": "no-cache" });
  });
  app.get("/api/v1/outputs/:id", async (context) => {
    const job = await ports.jobs.get(context.req.param("id"));
    const video = job === null ? null : toVideo(job);
    return video === null
      ? refuse(context, { code: "NOT_FOUND", detail: notFoundTexts.entry })
      : context.json(video, 200, { "cache-control": "no-cache" });
  });
  app.get("/api/v1/outputs/:id/video", (context) => serveVideo(context, ports, context.req.param("id"), "inline"));
  app.get("/api/v1/outputs/:id/download", (context) => serveVideo(context, ports, context.req.param("id"), "attachment"));
  app.get("/api/v1/outputs/:id/thumbnail", (context) => serveThumbnail(context, ports, context.req.param("id")));
  /** Where the seed's gallery looks for the base name of `thumbnail_path`. */
  app.get("/thumbnails/:name", (context) => serveThumbnail(context, ports, context.req.param("name").replace(/_thumb\.jpg$/, "")));
  app.get("/artifacts/:sha256", async (context) => {
    const sha256 = context.req.param("sha256");
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
