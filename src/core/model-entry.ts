/** What the catalogue says of one model: its files, its pipeline, the sizes that it renders, and what that needs. */
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

/** Where a model's files come from. It has either a repository on the hub or a local folder. */
export interface ModelSource {
  /** `org/name`; null where the files lie in a folder. */
  readonly repository: string | null;
  readonly folder: string | null;
  /** Branch, tag or commit; resolved to a commit at each pull. */
  readonly revision: string;
  /** Patterns of wanted paths. */
  readonly files: readonly string[];
}

/** Whether a video begins from an image. */
type ImageUse = "none" | "optional" | "required";

/** With which pipeline a worker loads a model, and what it asks of it at every render. */
export interface ModelPipeline {
  /** Class of diffusers; `none` for a worker of one's own. */
  readonly className: string;
  /** Class that begins from an image, where the image is optional. */
  readonly imageClassName: string | null;
  readonly guidanceScale: number;
  /** Of the low-noise expert; null where there is one expert. */
  readonly guidanceScale2: number | null;
  /** Share of the noise below which the second expert takes over; null where there is one expert. */
  readonly boundaryRatio: number | null;
  /** Replaces the shift that the files name; null: theirs stays. */
  readonly flowShift: number | null;
  readonly negativePrompt: string;
  readonly maxSequenceLength: number;
  readonly dtype: string;
  readonly vaeDtype: string;
  /** Attention backend that takes less memory; null: PyTorch's own stays. */
  readonly leanAttention: string | null;
  /** Further arguments of the pipeline's call, by diffusers' own names. */
  readonly arguments: Readonly<Record<string, string | number | boolean | null>>;
  readonly mostFrames: number;
  /** Width × height at most. */
  readonly largestPixels: number;
}

/**
 * What a model can do and needs.
 * Sources: Wan2.2's README and wan/configs, its chart of computational efficiency, diffusers' Wan pipelines.
 */
export interface ModelEntry {
  readonly id: ModelId;
  readonly source: ModelSource;
  readonly pipeline: ModelPipeline;
  readonly image: ImageUse;
  readonly sizeStep: number;
  readonly expertCount: 1 | 2;
  /** Share of the steps that the high-noise expert takes; 1 for a single expert. */
  readonly highNoiseStepRatio: number;
  readonly framesPerSecond: number;
  readonly defaultFrames: number;
  readonly defaultSteps: number;
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
  /** Sizes that the model offers beside the common ones, such as `112x64`. */
  readonly furtherSizes: readonly string[];
}
