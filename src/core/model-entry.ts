import type { LoadProfile, ModelId } from "./words.ts";

/** Peak memory: base + perToken × tokens. */
export interface MemoryPrior {
  readonly baseBytes: number;
  readonly bytesPerToken: number;
}

/** How long one clip took somebody on one card, with the weights offloaded: the first guess until this machine has its own. */
export interface ClipMeasurement {
  /** As it stands in the driver's name of the card, such as `RTX 4090`. */
  readonly card: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly steps: number;
  readonly tookMs: number;
  /** Who measured it. */
  readonly by: string;
}

/**
 * What a model can do and needs.
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
  /** Peak memory of each load profile that the model can be placed in, until measurements replace it. */
  readonly profiles: Readonly<Partial<Record<LoadProfile, MemoryPrior>>>;
  /** Seconds of one step on an H100: linear × tokens + quadratic × tokens². */
  readonly stepSecondsPerToken: number;
  readonly stepSecondsPerTokenSquared: number;
  readonly weightBytes: number;
  readonly measurements: readonly ClipMeasurement[];
  /** Frame counts are `frameStep` × k + `frameOffset`. */
  readonly frameStep: number;
  readonly frameOffset: number;
  /** Sizes that are offered beside the seed's, such as `112x64`. */
  readonly furtherSizes: readonly string[];
}
