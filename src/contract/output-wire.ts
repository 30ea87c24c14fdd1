/**
 * A job's video as the compatible clients' gallery shows it; one entry a job, also after a stand-in was replaced by
 * the real one.
 */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import type { JobArtifact, JobResult, JobView } from "../core/job.ts";
import { sizeText } from "../core/pixel-size.ts";
import { shownArtifact, toTruth, truthShape } from "./job-truth.ts";
import { modelName } from "./model-name.ts";

export const videoSchema = z
  .strictObject({
    id: z.string(),
    filename: z.string(),
    prompt: z.string(),
    model_type: modelName,
    resolution: z.string(),
    file_size_mb: z.number(),
    created_at: z.iso.datetime(),
    duration: z.string().optional(),
    duration_seconds: z.number().optional(),
    generation_time_minutes: z.number().optional(),
    thumbnail_url: z.string(),
    download_url: z.string(),
    video_url: z.string(),
    artifact_url: z.string(),
    sha256: z.string(),
    thumbnail_path: z.string().min(1),
    output_path: z.string(),
    ...truthShape,
  })
  .meta({ id: "Video" });
export type Video = z.infer<typeof videoSchema>;
export const outputsSchema = z
  .strictObject({ videos: z.array(videoSchema), total_count: z.number().int(), total_size_mb: z.number() })
  .meta({ id: "Outputs" });

const megabytes = (bytes: number): number => Number((bytes / 1e6).toFixed(2));

function renderFacts(result: JobResult | null, shown: JobArtifact): Partial<Video> {
  // A stand-in that was attached on the way has no render of its own.
  if (result === null || (shown.kind === "stand_in" && result.servedBy.kind === "real")) return {};
  return {
    duration: result.durationSeconds.toFixed(1),
    duration_seconds: result.durationSeconds,
    generation_time_minutes: Number((result.renderMs / 60_000).toFixed(2)),
  };
}

/** Null while the job has nothing to show. */
export function toVideo(job: JobView): Video | null {
  const shown = shownArtifact(job);
  if (shown === undefined) return null;
  const asked = job.spec.request;
  const effective = job.result?.effective ?? asked;
  const address = `/api/v1/outputs/${job.id}`;
  return {
    id: job.id,
    filename: `${job.id}.mp4`,
    prompt: asked.prompt,
    model_type: effective.model,
    resolution: sizeText(effective),
    file_size_mb: megabytes(shown.bytes),
    created_at: isoOf(shown.createdAtMs),
    ...renderFacts(job.result, shown),
    thumbnail_url: `${address}/thumbnail`,
    download_url: `${address}/download`,
    video_url: `${address}/video`,
    artifact_url: `/artifacts/${shown.sha256}`,
    sha256: shown.sha256,
    // Two generations of the compatible client crash without a text here.
    thumbnail_path: `outputs/thumbnails/${job.id}_thumb.jpg`,
    output_path: `outputs/${job.id}.mp4`,
    ...toTruth(job),
  };
}

export function toOutputs(videos: readonly Video[]): z.infer<typeof outputsSchema> {
  const megabyteSum = videos.reduce((sum, video) => sum + video.file_size_mb, 0);
  return { videos: [...videos], total_count: videos.length, total_size_mb: Number(megabyteSum.toFixed(2)) };
}
