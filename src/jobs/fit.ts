/**
 * Searches for a form of a request that fits a card: first as asked in ever leaner memory modes, then reduced as far as
 * the sender consents. Admission and the planning of a render both ask here.
 */
import type { Change, Consent, RenderRequest } from "../core/job.ts";
import type { ModelEntry } from "../core/model-entry.ts";
import { type LoadProfile, loadProfiles, type ModelId, reductionKinds } from "../core/words.ts";

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

function isAboveFloor(request: RenderRequest, consent: Consent): boolean {
  const { floor } = consent;
  if (floor === null) return true;
  const pixels = (size: { width: number; height: number }): number => size.width * size.height;
  return request.frames >= Math.min(floor.frames, request.frames) && pixels(request) >= pixels(floor);
}

/**
 * Lists the smaller variants that the consent allows: fewer frames, then a smaller size, then the alternative model.
 */
function listReductions(request: RenderRequest, consent: Consent, alternative: ModelEntry | null): RenderRequest[] {
  const variants: RenderRequest[] = [];
  const fewerFrames = (from: RenderRequest): RenderRequest[] =>
    consent.allow.includes("frames")
      ? frameSteps
          .filter((frames) => frames < from.frames && frames >= (consent.floor?.frames ?? 1))
          .map((frames) => ({ ...from, frames }))
      : [];
  const smallerSizes = (from: RenderRequest): RenderRequest[] =>
    consent.allow.includes("resolution")
      ? sizeSteps
          .filter(([width, height]) => width * height < from.width * from.height)
          .map(([width, height]) => ({ ...from, width, height }))
      : [];
  variants.push(...fewerFrames(request));
  for (const smaller of smallerSizes(request)) variants.push(smaller, ...fewerFrames(smaller));
  if (consent.allow.includes("alternative_model") && alternative !== null && alternative.id !== request.model) {
    const { id: model, framesPerSecond } = alternative;
    const other = { ...request, model, framesPerSecond };
    variants.push(other, ...fewerFrames(other));
  }
  return variants.filter((variant) => isAboveFloor(variant, consent));
}

function listChanges(asked: RenderRequest, effective: RenderRequest, why: string): Change[] {
  const fields = ["model", "width", "height", "frames", "framesPerSecond"] as const;
  return fields
    .filter((field) => asked[field] !== effective[field])
    .map((field) => ({ field, from: asked[field], to: effective[field], why }));
}

export interface FitQuestion {
  readonly request: RenderRequest;
  readonly consent: Consent;
  readonly alternative: ModelEntry | null;
  /** Memory modes in the order in which they are tried. */
  readonly profiles: readonly LoadProfile[];
  /** The model that is on the card already: it is tried first, because it costs no reload. */
  readonly resident: { readonly model: ModelId; readonly profile: LoadProfile } | null;
  /** Whether a render is worth trying in a memory mode. */
  readonly fits: (request: RenderRequest, profile: LoadProfile) => boolean;
}

const why = "the asked form does not fit this card in any memory mode";

/** Lists the memory modes from the preferred one on, ever leaner. */
export const profilesFrom = (preferred: LoadProfile): readonly LoadProfile[] =>
  loadProfiles.slice(loadProfiles.indexOf(preferred));

function findProfile({ profiles, resident, fits }: FitQuestion, request: RenderRequest): LoadProfile | null {
  const isResident = resident?.model === request.model && profiles.includes(resident.profile);
  const inOrder = isResident ? [resident.profile, ...profiles] : profiles;
  return inOrder.find((profile) => fits(request, profile)) ?? null;
}

/** The request as it is in some memory mode, else the first allowed reduction that fits; null when nothing does. */
export function findFit(question: FitQuestion): Fit | null {
  const { request, consent, alternative } = question;
  for (const candidate of [request, ...listReductions(request, consent, alternative)]) {
    const profile = findProfile(question, candidate);
    if (profile !== null) return { request: candidate, profile, changes: listChanges(request, candidate, why) };
  }
  return null;
}

/** What would fit if everything were allowed; null when not even the smallest variant does. */
export const findSmaller = (question: FitQuestion): Fit | null =>
  findFit({ ...question, consent: { ...question.consent, allow: reductionKinds, floor: null } });
