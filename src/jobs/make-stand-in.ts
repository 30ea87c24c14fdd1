/**
 * Makes and attaches stand-ins, whose result never says that it is real. One clip is made at the start, for the day on
 * which the disk is too full for any other.
 */
import type { ArtifactRef, JobResult, JobView, ServedBy } from "../core/job.ts";
import { sizeText } from "../core/pixel-size.ts";
import type { AcceptPorts } from "./accept-result.ts";

/** Stand-ins are small on purpose: they say why the real video is not there, and they must cost the host little. */
const standInLimits = { height: 480, frames: 49 } as const;

export interface StandInMade {
  readonly outcome: "attached" | "notNeeded";
  readonly artifact: ArtifactRef | null;
}

const servedBy: ServedBy = { worker: "media", model: "stand-in", kind: "stand_in", isSimulated: false };

const evenOf = (pixels: number): number => Math.max(2, Math.round(pixels / 2) * 2);

function standInSize(request: { readonly width: number; readonly height: number }): {
  width: number;
  height: number;
} {
  const scale = Math.min(1, standInLimits.height / request.height);
  return { width: evenOf(request.width * scale), height: evenOf(request.height * scale) };
}

/** The clip that serves while no other can be made; it is small, because it must always fit. */
const genericClip = { width: 640, height: 360, frames: 33, framesPerSecond: 16 } as const;

/**
 * Makes the stand-in that serves every job when the disk is too full to make one. A clip that plays already is left as
 * it is.
 */
export async function makeGenericStandIn(ports: Pick<AcceptPorts, "artifacts" | "media">): Promise<void> {
  const outputPath = ports.artifacts.genericStandInPath;
  if ((await ports.media.probe(outputPath)).plays) return;
  await ports.media.renderStandIn({
    outputPath,
    prompt: "",
    model: "any model",
    ...genericClip,
    reason: "no clip can be made now",
  });
}

interface StandInClip {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly framesPerSecond: number;
}

function standInResult(job: JobView, { width, height, frames, framesPerSecond }: StandInClip): JobResult {
  return {
    servedBy,
    effective: { ...job.spec.request, width, height, frames },
    changes: [{ field: "served_by", from: "real", to: "stand_in", why: "the job asked for a stand-in" }],
    renderedSize: sizeText({ width, height }),
    durationSeconds: frames / framesPerSecond,
    renderMs: 0,
    stepsRendered: 0,
  };
}

async function renderOwn(
  ports: AcceptPorts,
  job: JobView,
  reason: string,
): Promise<{ clip: StandInClip; artifact: ArtifactRef }> {
  const { prompt, model, frames, framesPerSecond, ...asked } = job.spec.request;
  const clip = { ...standInSize(asked), frames: Math.min(frames, standInLimits.frames), framesPerSecond };
  const outputPath = ports.artifacts.stagingPath(job.id, job.fence, "stand_in");
  await ports.media.renderStandIn({ outputPath, prompt, model, ...clip, reason });
  const artifact = await ports.artifacts.publish(outputPath, aboutStandIn(job));
  await ports.artifacts.discardStaged(outputPath);
  return { clip, artifact };
}

const aboutStandIn = (job: JobView) =>
  ({ jobId: job.id, fence: job.fence, kind: "stand_in", mimeType: "video/mp4" }) as const;

/**
 * Renders, probes and attaches the one stand-in of a job. Idempotent: a second one is refused by the store.
 * With `fallback: stand_in` the stand-in is all that was asked for, and ends the job.
 * @param kind `generic`: the clip that was made at the start, because the host has no room for the job's own
 */
export async function makeStandIn(
  ports: AcceptPorts,
  job: JobView,
  reason: string,
  kind: "own" | "generic" = "own",
): Promise<StandInMade> {
  const { clip, artifact } =
    kind === "own"
      ? await renderOwn(ports, job, reason)
      : {
          clip: genericClip,
          artifact: await ports.artifacts.publish(ports.artifacts.genericStandInPath, aboutStandIn(job)),
        };
  const outcome = await ports.jobs.attach(job.id, artifact, { servedBy, reason });
  if (outcome !== "ok") {
    if (outcome !== "duplicate") await ports.artifacts.remove(artifact.name);
    return { outcome: "notNeeded", artifact: null };
  }
  if (job.spec.consent.fallback === "stand_in") {
    await ports.jobs.endQueued(job.id, { kind: "stoodIn", result: standInResult(job, clip) });
  }
  return { outcome: "attached", artifact };
}
