import { builtInEntries, profileFactors } from "./built-in-models.ts";
import { UnderstudyError } from "./errors.ts";
import type { ModelEntry } from "./model-entry.ts";
import { gibibyte } from "./units.ts";
import type { LoadProfile, ModelId } from "./words.ts";

const catalog = new Map<ModelId, ModelEntry>(Object.entries(builtInEntries));

/** Adds what a registry file describes; an entry with a known name takes that one's place. Once, before anything is started. */
export function knowModels(entries: readonly ModelEntry[]): void {
  for (const entry of entries) catalog.set(entry.id, entry);
}

export const knownModels = (): readonly ModelId[] => [...catalog.keys()];
export const isKnownModel = (id: string): boolean => catalog.has(id);

/** Throws UnderstudyError CONFIGURATION_INVALID for a name that is not in the catalogue. */
export function modelEntry(id: ModelId): ModelEntry {
  const entry = catalog.get(id);
  if (entry === undefined)
    throw new UnderstudyError(
      "CONFIGURATION_INVALID",
      `There is no model ${id}; there are ${knownModels().join(", ")}.`,
    );
  return entry;
}

/** The seed's sizes; they are rendered at the next legal size and cropped to the asked one. */
export const seedResolutions = ["854x480", "1024x576", "1280x720", "1920x1080"] as const;

/** Sizes that may be asked of a model. */
export const resolutionsOf = (id: ModelId): readonly string[] => [...seedResolutions, ...modelEntry(id).furtherSizes];

export interface RenderedEnvelope {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

/** The next legal size and frame count; the muxer crops and trims to what was asked. */
export function legalEnvelope(model: ModelId, asked: RenderedEnvelope): RenderedEnvelope {
  const { sizeStep, frameStep, frameOffset } = modelEntry(model);
  return {
    width: Math.ceil(asked.width / sizeStep) * sizeStep,
    height: Math.ceil(asked.height / sizeStep) * sizeStep,
    frames: Math.ceil(Math.max(asked.frames - frameOffset, 0) / frameStep) * frameStep + frameOffset,
  };
}

export function tokenCount(model: ModelId, asked: RenderedEnvelope): number {
  const { cellPixels, frameStep, frameOffset } = modelEntry(model);
  const legal = legalEnvelope(model, asked);
  return ((legal.frames - frameOffset) / frameStep + 1) * (legal.height / cellPixels) * (legal.width / cellPixels);
}

/** Predicted peak on the device while denoising, in bytes; infinite where the model cannot be placed so. */
export function peakBytes(model: ModelId, asked: RenderedEnvelope, profile: LoadProfile): number {
  const prior = modelEntry(model).profiles[profile];
  return prior === undefined
    ? Number.POSITIVE_INFINITY
    : prior.baseBytes + prior.bytesPerToken * tokenCount(model, asked);
}

/** Predicted memory of the loaded, idle model on the device, in bytes. */
export function residentBytes(model: ModelId, profile: LoadProfile): number {
  const factors = profileFactors[profile];
  return factors.keepsAllWeights ? modelEntry(model).weightBytes : 1.5 * gibibyte * Math.max(factors.base, 0.2);
}

/** Predicted seconds of one denoise step on an H100. */
export function stepSeconds(model: ModelId, asked: RenderedEnvelope, profile: LoadProfile): number {
  const entry = modelEntry(model);
  const tokens = tokenCount(model, asked);
  return (
    (entry.stepSecondsPerToken * tokens + entry.stepSecondsPerTokenSquared * tokens ** 2) * profileFactors[profile].time
  );
}

/** The smallest legal canary: 5 frames, 2 steps (one of each expert where there are two). */
export function canaryRequest(model: ModelId): { width: number; height: number; frames: number; steps: number } {
  const side = modelEntry(model).sizeStep === 32 ? 64 : 112;
  return { width: side, height: 64, frames: 5, steps: 2 };
}
