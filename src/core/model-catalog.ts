import { UnderstudyError } from "./errors.ts";
import { gibibyte } from "./units.ts";
import type { LoadProfile, ModelId, modelIds } from "./words.ts";

/**
 * What each Wan 2.2 model can do and needs.
 * Sources: Wan2.2's README and wan/configs, its chart of computational efficiency, diffusers' Wan pipelines.
 */
export interface ModelEntry {
  readonly id: ModelId;
  readonly sizeStep: number;
  readonly expertCount: 1 | 2;
  /** Share of the steps that the high-noise expert takes; 1 for a single expert. */
  readonly highNoiseStepRatio: number;
  readonly framesPerSecond: number;
  readonly defaultFrames: number;
  readonly defaultSteps: number;
  readonly needsImage: boolean;
  /** Pixels of one latent cell's side (VAE stride × DiT patch). */
  readonly cellPixels: number;
  /** Peak memory in `model-offload`: base + perToken × tokens. */
  readonly baseBytes: number;
  readonly bytesPerToken: number;
  /** Seconds of one step on an H100: linear × tokens + quadratic × tokens². */
  readonly stepSecondsPerToken: number;
  readonly stepSecondsPerTokenSquared: number;
  readonly weightBytes: number;
  /** Frame counts are `frameStep` × k + `frameOffset`. */
  readonly frameStep: number;
  readonly frameOffset: number;
  /** Sizes that are offered beside the seed's, such as `112x64`. */
  readonly furtherSizes: readonly string[];
}

const GB = 1e9;

const wanFrames = { frameStep: 4, frameOffset: 1, furtherSizes: [] } as const;

/**
 * Peak: 41.3 GB at 832x480x81 and 59.8 GB at 1280x720x81 (A14B, offloaded) give 27.2 GB + 4.32e-4 GB per token.
 * Step: 326.9 s and 1041.5 s for 40 steps on one H100 give 1.767e-4 s per token + 2.219e-9 s per token².
 */
const a14b = {
  sizeStep: 16,
  expertCount: 2,
  framesPerSecond: 16,
  defaultFrames: 81,
  defaultSteps: 40,
  cellPixels: 16,
  baseBytes: 27.2 * GB,
  bytesPerToken: 4.32e-4 * GB,
  stepSecondsPerToken: 1.767e-4,
  stepSecondsPerTokenSquared: 2.219e-9,
  weightBytes: 67 * GB,
  ...wanFrames,
} as const;

const builtIn: Readonly<Record<(typeof modelIds)[number], ModelEntry>> = {
  "T2V-A14B": { id: "T2V-A14B", ...a14b, highNoiseStepRatio: 0.325, needsImage: false },
  "I2V-A14B": { id: "I2V-A14B", ...a14b, highNoiseStepRatio: 0.35, needsImage: true },
  /** 22.9 GB and 10.7 s a step on an RTX 4090 at 1280x704x121 (27,280 tokens); an H100 is taken as 2.5 times as fast. */
  "TI2V-5B": {
    id: "TI2V-5B",
    sizeStep: 32,
    expertCount: 1,
    highNoiseStepRatio: 1,
    framesPerSecond: 24,
    defaultFrames: 121,
    defaultSteps: 50,
    needsImage: false,
    cellPixels: 32,
    baseBytes: 10 * GB,
    bytesPerToken: 4.7e-4 * GB,
    stepSecondsPerToken: 1.57e-4,
    stepSecondsPerTokenSquared: 0,
    weightBytes: 21 * GB,
    ...wanFrames,
  },
};

const catalog = new Map<ModelId, ModelEntry>(Object.entries(builtIn));

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
    throw new UnderstudyError("CONFIGURATION_INVALID", `There is no model ${id}; there are ${knownModels().join(", ")}.`);
  return entry;
}

/** The seed's sizes; they are rendered at the next legal size and cropped to the asked one. */
export const seedResolutions = ["854x480", "1024x576", "1280x720", "1920x1080"] as const;

/** Sizes that may be asked of a model. */
export const resolutionsOf = (id: ModelId): readonly string[] => [...seedResolutions, ...modelEntry(id).furtherSizes];

/** Peak memory and step time of a load profile against `model-offload`. `full` keeps every weight on the card. */
export const profileFactors: Readonly<
  Record<LoadProfile, { readonly activation: number; readonly base: number; readonly time: number; readonly keepsAllWeights: boolean }>
> = {
  full: { base: 1, activation: 1, time: 0.9, keepsAllWeights: true },
  "model-offload": { base: 1, activation: 1, time: 1, keepsAllWeights: false },
  tiling: { base: 1, activation: 0.75, time: 1.1, keepsAllWeights: false },
  "group-offload": { base: 0.3, activation: 0.75, time: 1.6, keepsAllWeights: false },
  fp8: { base: 0.18, activation: 0.75, time: 1.7, keepsAllWeights: false },
};

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

/** Predicted peak on the device while denoising, in bytes. */
export function peakBytes(model: ModelId, asked: RenderedEnvelope, profile: LoadProfile): number {
  const entry = modelEntry(model);
  const factors = profileFactors[profile];
  const base = factors.keepsAllWeights ? entry.weightBytes : entry.baseBytes * factors.base;
  return base + entry.bytesPerToken * factors.activation * tokenCount(model, asked);
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
  return (entry.stepSecondsPerToken * tokens + entry.stepSecondsPerTokenSquared * tokens ** 2) * profileFactors[profile].time;
}

/** The smallest legal canary: 5 frames, 2 steps (one of each expert where there are two). */
export function canaryRequest(model: ModelId): { width: number; height: number; frames: number; steps: number } {
  const side = modelEntry(model).sizeStep === 32 ? 64 : 112;
  return { width: side, height: 64, frames: 5, steps: 2 };
}
