/** What follows from a model's entry: legal sizes, and the first guesses of memory and time. */
import type { ModelEntry } from "./model-entry.ts";
import { sizeOfText } from "./pixel-size.ts";
import { gibibyte } from "./units.ts";
import type { LoadProfile } from "./words.ts";

/** Peak memory and step time of a load profile against `model-offload`. `full` keeps every weight on the card. */
export const profileFactors: Readonly<
  Record<
    LoadProfile,
    { readonly activation: number; readonly base: number; readonly time: number; readonly keepsAllWeights: boolean }
  >
> = {
  full: { base: 1, activation: 1, time: 0.9, keepsAllWeights: true },
  "model-offload": { base: 1, activation: 1, time: 1, keepsAllWeights: false },
  tiling: { base: 1, activation: 0.75, time: 1.1, keepsAllWeights: false },
  "group-offload": { base: 0.3, activation: 0.75, time: 1.6, keepsAllWeights: false },
  fp8: { base: 0.18, activation: 0.75, time: 1.7, keepsAllWeights: false },
};

/**
 * Sizes that the compatible clients offer for every model; they are rendered at the next legal size and cropped to the
 * asked one.
 */
const commonResolutions = ["854x480", "1024x576", "1280x720", "1920x1080"] as const;

/** A clip of H.264 has even sides; more pixels than a model's most are refused by every worker. */
function isWithin(model: ModelEntry, size: { readonly width: number; readonly height: number }): boolean {
  const { width, height } = legalEnvelope(model, { ...size, frames: 1 });
  return size.width % 2 === 0 && size.height % 2 === 0 && width * height <= model.pipeline.largestPixels;
}

/** Sizes that may be asked of a model. */
export const resolutionsOf = (model: ModelEntry): readonly string[] =>
  [...commonResolutions, ...model.furtherSizes].filter((text) => isWithin(model, sizeOfText(text)));

export const needsImage = (model: ModelEntry): boolean => model.image === "required";

export interface RenderedEnvelope {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

/** The next legal size and frame count; the muxer crops and trims to what was asked. */
export function legalEnvelope(model: ModelEntry, asked: RenderedEnvelope): RenderedEnvelope {
  const { sizeStep, frameStep, frameOffset } = model;
  return {
    width: Math.ceil(asked.width / sizeStep) * sizeStep,
    height: Math.ceil(asked.height / sizeStep) * sizeStep,
    frames: Math.ceil(Math.max(asked.frames - frameOffset, 0) / frameStep) * frameStep + frameOffset,
  };
}

export function tokenCount(model: ModelEntry, asked: RenderedEnvelope): number {
  const { cellPixels, frameStep, frameOffset } = model;
  const legal = legalEnvelope(model, asked);
  return ((legal.frames - frameOffset) / frameStep + 1) * (legal.height / cellPixels) * (legal.width / cellPixels);
}

/** Predicted peak on the device while denoising, in bytes; infinite where the model cannot be placed so. */
export function peakBytes(model: ModelEntry, asked: RenderedEnvelope, profile: LoadProfile): number {
  const prior = model.profiles[profile];
  return prior === undefined
    ? Number.POSITIVE_INFINITY
    : prior.baseBytes + prior.bytesPerToken * tokenCount(model, asked);
}

/** Predicted memory of the loaded, idle model on the device, in bytes. */
export function residentBytes(model: ModelEntry, profile: LoadProfile): number {
  const factors = profileFactors[profile];
  return factors.keepsAllWeights ? model.weightBytes : 1.5 * gibibyte * Math.max(factors.base, 0.2);
}

/** Predicted seconds of one denoise step on an H100. */
export function stepSeconds(model: ModelEntry, asked: RenderedEnvelope, profile: LoadProfile): number {
  const tokens = tokenCount(model, asked);
  return (
    (model.stepSecondsPerToken * tokens + model.stepSecondsPerTokenSquared * tokens ** 2) * profileFactors[profile].time
  );
}

/** The smallest legal canary: 5 frames, 2 steps (one of each expert where there are two). */
export function canaryRequest(model: ModelEntry): RenderedEnvelope & { readonly steps: number } {
  return { width: model.sizeStep === 32 ? 64 : 112, height: 64, frames: 5, steps: 2 };
}
