import type { ArtifactRef, JobResult, JobView, ServedBy } from "../core/job.ts";
import type { AcceptPorts } from "./accept-result.ts";

/** Stand-ins are small on purpose: they say why the real video is not there, and they must cost the host little. */
export const standInLimits = { height: 480, frames: 49 } as const;

export interface StandInMade {
  readonly outcome: "attached" | "notNeeded";
  readonly artifact: ArtifactRef | null;
}

const servedBy: ServedBy = { worker: "media", model: "stand-in", kind: "stand_in", isSimulated: false };

const evenOf = (pixels: number): number => Math.max(2, Math.round(pixels / 2) * 2);

export function standInSize(request: { readonly width: number; readonly height: number }): { width: number; height: number } {
  const scale = Math.min(1, standInLimits.height / request.height);
  return { width: evenOf(request.width * scale), height: evenOf(request.height * scale) };
}

function standInResult(job: JobView, size: { width: number; height: number }, frames: number): JobResult {
  const { request } = job.spec;
  return {
    servedBy,
    effective: { ...request, ...size, frames },
    changes: [{ field: "served_by", from: "real", to: "stand_in", why: "the job asked for a stand-in" }],
    renderedSize: `${size.width}x${size.height}`,
    durationSeconds: frames / request.framesPerSecond,
    renderMs: 0,
    stepsRendered: 0,
  };
}

/**
 * Renders, probes and attaches the one stand-in of a job. Idempotent: a second one is refused by the store.
 * With `fallback: stand_in` the stand-in is all that was asked for, and ends the job.
 */
export async function makeStandIn(ports: AcceptPorts, job: JobView, reason: string): Promise<StandInMade> {
  const { request, consent } = job.spec;
  const size = standInSize(request);
  const frames = Math.min(request.frames, standInLimits.frames);
  const stagedPath = ports.artifacts.stagingPath(job.id, job.fence, "stand_in");
  await ports.media.renderStandIn({
    outputPath: stagedPath,
    prompt: request.prompt,
    model: request.model,
    ...size,
    frames,
    framesPerSecond: request.framesPerSecond,
    reason,
  });
  const artifact = await ports.artifacts.publish(stagedPath, { jobId: job.id, fence: job.fence, kind: "stand_in", mimeType: "video/mp4" });
  await ports.artifacts.discardStaged(stagedPath);
  const outcome = await ports.jobs.attach(job.id, artifact, { servedBy, reason });
  if (outcome !== "ok") {
    if (outcome !== "duplicate") await ports.artifacts.remove(artifact.name);
    return { outcome: "notNeeded", artifact: null };
  }
  if (consent.fallback === "stand_in") {
    await ports.jobs.endQueued(job.id, { kind: "stoodIn", result: standInResult(job, size, frames) });
  }
  return { outcome: "attached", artifact };
}
