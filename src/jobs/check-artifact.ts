/**
 * Judges a decoded file against the request. A file that exists is not yet a video: black, constant and cut clips have
 * all come out of renders that reported success.
 */
import type { RenderRequest } from "../core/job.ts";
import { sizeText } from "../core/pixel-size.ts";
import type { ArtifactProbe } from "../core/ports/media.ts";

/** Why a rendered file is not the video that was asked for; null when it is. */
export function findOutputProblem(probe: ArtifactProbe, request: RenderRequest): string | null {
  if (!probe.plays) return `does not play: ${probe.problem ?? "no reason given"}`;
  if (probe.width !== request.width || probe.height !== request.height) {
    return `is ${sizeText(probe)}, asked was ${sizeText(request)}`;
  }
  if (probe.frames !== request.frames) return `has ${probe.frames} frames, asked was ${request.frames}`;
  if (probe.isBlack) return "is black in every sampled frame";
  if (probe.isConstant) return "shows the same picture in every sampled frame";
  return null;
}
