/**
 * The only way by which a rendered file becomes a job's result: it is decoded and judged before anybody can see it, and
 * committed exactly once.
 */
import type { Clock } from "../core/clock.ts";
import { MediaError } from "../core/errors.ts";
import { type ArtifactRef, effectiveRequest, type JobResult, type Lease } from "../core/job.ts";
import type { ArtifactFiles } from "../core/ports/artifact-files.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Media } from "../core/ports/media.ts";
import type { RenderReport, WorkerIdentity } from "../core/ports/worker.ts";
import { findOutputProblem } from "./check-artifact.ts";

export interface AcceptPorts {
  readonly jobs: JobStore;
  readonly artifacts: ArtifactFiles;
  readonly media: Media;
  readonly clock: Clock;
}

export interface FinishedRender {
  readonly lease: Lease;
  readonly report: RenderReport;
  readonly servedBy: Pick<WorkerIdentity, "kind" | "isSimulated"> & { readonly workerId: string };
}

export type Acceptance =
  | { readonly kind: "committed"; readonly artifact: ArtifactRef }
  | { readonly kind: "stale" | "cancelled" }
  /** `kept`: the file, where it plays. */
  | { readonly kind: "refused"; readonly problem: string; readonly kept: ArtifactRef | null };

const thumbnailWidth = 320;

/**
 * Publishes a real frame as JPEG. Undefined where none can be made, for instance on a full disk: a video counts without
 * one.
 */
async function makeThumbnail(ports: AcceptPorts, lease: Lease, sourcePath: string): Promise<ArtifactRef | undefined> {
  const outputPath = ports.artifacts.stagingPath(lease.jobId, lease.fence, "thumbnail");
  try {
    await ports.media.renderThumbnail({ sourcePath, outputPath, width: thumbnailWidth });
  } catch (thrown) {
    if (thrown instanceof MediaError && thrown.code === "OUTPUT_INVALID") return undefined;
    throw thrown;
  }
  const about = { jobId: lease.jobId, fence: lease.fence, kind: "thumbnail", mimeType: "image/jpeg" } as const;
  const thumbnail = await ports.artifacts.publish(outputPath, about);
  await ports.artifacts.discardStaged(outputPath);
  return thumbnail;
}

function resultOf(finished: FinishedRender, durationSeconds: number): JobResult {
  const { lease, report, servedBy } = finished;
  return {
    servedBy: {
      worker: servedBy.workerId,
      model: effectiveRequest(lease).model,
      kind: "real",
      isSimulated: servedBy.isSimulated,
    },
    effective: effectiveRequest(lease),
    changes: lease.plan?.changes ?? [],
    renderedSize: `${report.renderedWidth}x${report.renderedHeight}`,
    durationSeconds,
    renderMs: report.renderMs,
    stepsRendered: report.stepsRendered,
  };
}

/**
 * Files that are left over are swept by age, so one that cannot be deleted now takes nothing back of what was decided.
 */
async function tidy(ports: AcceptPorts, { report, lease }: FinishedRender, isBegunAnew: boolean): Promise<void> {
  const leftovers = [
    ports.artifacts.discardStaged(report.outputPath),
    isBegunAnew ? ports.artifacts.removeCheckpoints(lease.jobId) : null,
  ];
  await Promise.allSettled(leftovers);
}

/**
 * A file that is not what was asked for is kept where somebody can see it. Its checkpoints go, because what they hold may
 * be what was wrong: the next attempt begins anew, or it would prove nothing.
 */
async function refuse(
  ports: AcceptPorts,
  finished: FinishedRender,
  problem: string,
  plays: boolean,
): Promise<Acceptance> {
  const { jobId, fence } = finished.lease;
  const about = { jobId, fence, kind: "rejected", mimeType: "video/mp4" } as const;
  const kept = plays ? await ports.artifacts.publish(finished.report.outputPath, about) : null;
  await tidy(ports, finished, true);
  return { kind: "refused", problem, kept };
}

/**
 * A rendered file becomes the job's result: probed (plays, frames, size, not black, not constant) → thumbnail → hashed and
 * renamed → committed under the lease's fence. Nothing is visible before the commit; a loser's files are swept by age.
 */
export async function acceptResult(ports: AcceptPorts, finished: FinishedRender): Promise<Acceptance> {
  const { lease, report } = finished;
  const probe = await ports.media.probe(report.outputPath);
  const problem = findOutputProblem(probe, effectiveRequest(lease));
  if (problem !== null) return refuse(ports, finished, problem, probe.plays);
  const thumbnail = await makeThumbnail(ports, lease, report.outputPath);
  const about = { jobId: lease.jobId, fence: lease.fence, kind: "result", mimeType: "video/mp4" } as const;
  const artifact = await ports.artifacts.publish(report.outputPath, about);
  const outcome = await ports.jobs.commit(lease, artifact, resultOf(finished, probe.durationSeconds), thumbnail);
  // Another attempt has the job when this one is stale, and goes on from its checkpoints.
  await tidy(ports, finished, outcome !== "stale");
  return outcome === "ok" ? { kind: "committed", artifact } : { kind: outcome };
}
