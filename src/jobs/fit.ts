import type { Change, Consent, RenderRequest } from "../core/job.ts";
import { modelCatalog, peakBytes } from "../core/model-catalog.ts";
import { type LoadProfile, loadProfiles, type ModelId } from "../core/words.ts";

/** What the allocator and the driver need beside the model, as a share of the card. */
const headroomRatio = 0.03;

export interface Fit {
  readonly request: RenderRequest;
  readonly profile: LoadProfile;
  readonly changes: readonly Change[];
}

const frameSteps = [81, 65, 49, 33] as const;
const sizeSteps = [
  [1280, 720],
  [1024, 576],
  [854, 480],
] as const;

/** The first of the profiles, from `preferred` to ever leaner ones, in which the envelope fits; null when none does. */
export function findProfile(request: RenderRequest, totalBytes: number, preferred: LoadProfile): LoadProfile | null {
  const usableBytes = totalBytes * (1 - headroomRatio);
  const leaner = loadProfiles.slice(loadProfiles.indexOf(preferred));
  return leaner.find((profile) => peakBytes(request.model, request, profile) <= usableBytes) ?? null;
}

function isAboveFloor(request: RenderRequest, consent: Consent): boolean {
  const { floor } = consent;
  if (floor === null) return true;
  const pixels = (size: { width: number; height: number }): number => size.width * size.height;
  return request.frames >= Math.min(floor.frames, request.frames) && pixels(request) >= pixels(floor);
}

/** Smaller variants that the consent allows: fewer frames, then a smaller size, then the alternative model. */
export function listReductions(request: RenderRequest, consent: Consent, alternative: ModelId | null): RenderRequest[] {
  const variants: RenderRequest[] = [];
  const fewerFrames = (from: RenderRequest): RenderRequest[] =>
    consent.allow.includes("frames")
      ? frameSteps.filter((frames) => frames < from.frames && frames >= (consent.floor?.frames ?? 1)).map((frames) => ({ ...from, frames }))
      : [];
  const smallerSizes = (from: RenderRequest): RenderRequest[] =>
    consent.allow.includes("resolution")
      ? sizeSteps
          .filter(([width, height]) => width * height < from.width * from.height)
          .map(([width, height]) => ({ ...from, width, height }))
      : [];
  variants.push(...fewerFrames(request));
  for (const smaller of smallerSizes(request)) variants.push(smaller, ...fewerFrames(smaller));
  if (consent.allow.includes("alternative_model") && alternative !== null && alternative !== request.model) {
    const { framesPerSecond } = modelCatalog[alternative];
    const other = { ...request, model: alternative, framesPerSecond };
    variants.push(other, ...fewerFrames(other));
  }
  return variants.filter((variant) => isAboveFloor(variant, consent));
}

export function listChanges(asked: RenderRequest, effective: RenderRequest, why: string): Change[] {
  const fields = ["model", "width", "height", "frames", "framesPerSecond"] as const;
  return fields
    .filter((field) => asked[field] !== effective[field])
    .map((field) => ({ field, from: asked[field], to: effective[field], why }));
}

export interface FitQuestion {
  readonly request: RenderRequest;
  readonly consent: Consent;
  readonly totalBytes: number;
  readonly preferred: LoadProfile;
  readonly alternative: ModelId | null;
}

/** The request as it is in some load profile, else the first allowed reduction that fits; null when nothing does. */
export function findFit(question: FitQuestion): Fit | null {
  const { request, consent, totalBytes, preferred, alternative } = question;
  for (const candidate of [request, ...listReductions(request, consent, alternative)]) {
    const profile = findProfile(candidate, totalBytes, preferred);
    if (profile !== null) {
      return { request: candidate, profile, changes: listChanges(request, candidate, "does not fit this card in any memory mode") };
    }
  }
  return null;
}
