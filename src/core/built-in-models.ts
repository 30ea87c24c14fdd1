/**
 * The models that are known without a registry file: Wan 2.2's, with sizes, files, pipeline and first guesses of
 * memory and time. This machine's own renders replace the guesses.
 */
import type { ClipMeasurement, MemoryPrior, ModelEntry, ModelSource } from "./model-entry.ts";
import { profileFactors } from "./model-figures.ts";
import { type LoadProfile, loadProfiles, type modelIds } from "./words.ts";

/** What measurements in `model-offload` say of the other load profiles. */
function priorsOf({
  weightBytes,
  baseBytes,
  bytesPerToken,
}: MemoryPrior & { readonly weightBytes: number }): ModelEntry["profiles"] {
  const priors = loadProfiles.map((profile): [LoadProfile, MemoryPrior] => {
    const { base, activation, keepsAllWeights } = profileFactors[profile];
    return [
      profile,
      { baseBytes: keepsAllWeights ? weightBytes : baseBytes * base, bytesPerToken: bytesPerToken * activation },
    ];
  });
  return Object.fromEntries(priors);
}

const GB = 1e9;

const by = "Wan2.2's authors (assets/comp_effic.png)";

type Took = readonly [card: string, at480p: number, at720p: number];

/** Seconds of a clip of 81 frames in 40 steps, at 832x480 and at 1280x720. */
const timesOf = (...rows: readonly Took[]): readonly ClipMeasurement[] =>
  rows.flatMap(([card, at480p, at720p]) => [
    { card, width: 832, height: 480, frames: 81, steps: 40, tookMs: at480p * 1_000, by },
    { card, width: 1280, height: 720, frames: 81, steps: 40, tookMs: at720p * 1_000, by },
  ]);

const wanFrames = { frameStep: 4, frameOffset: 1, furtherSizes: [] } as const;

/** The parts of a diffusers repository that a Wan pipeline loads; examples and pictures stay where they are. */
const wanSource = (id: (typeof modelIds)[number]): ModelSource => ({
  repository: `Wan-AI/Wan2.2-${id}-Diffusers`,
  folder: null,
  revision: "main",
  files: [
    "model_index.json",
    "scheduler/*",
    "text_encoder/*",
    "tokenizer/*",
    "transformer/*",
    "transformer_2/*",
    "vae/*",
  ],
});

/** Guidance, boundary and shift: wan/configs of Wan2.2. The negative prompt is the authors' own, for all their models. */
const wanPipeline = {
  className: "WanPipeline",
  imageClassName: null,
  guidanceScale2: null,
  boundaryRatio: null,
  negativePrompt:
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走",
  maxSequenceLength: 512,
  dtype: "bfloat16",
  vaeDtype: "float32",
  leanAttention: null,
  arguments: {},
  mostFrames: 257,
  largestPixels: 1_920 * 1_088,
} as const;

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
  profiles: priorsOf({ weightBytes: 67 * GB, baseBytes: 27.2 * GB, bytesPerToken: 4.32e-4 * GB }),
  stepSecondsPerToken: 1.767e-4,
  stepSecondsPerTokenSquared: 2.219e-9,
  weightBytes: 67 * GB,
  ...wanFrames,
} as const;

/** Their names are those that the compatible clients send. */
export const builtInModels: Readonly<Record<(typeof modelIds)[number], ModelEntry>> = {
  "T2V-A14B": {
    id: "T2V-A14B",
    ...a14b,
    source: wanSource("T2V-A14B"),
    pipeline: { ...wanPipeline, guidanceScale: 4, guidanceScale2: 3, boundaryRatio: 0.875, flowShift: 12 },
    image: "none",
    highNoiseStepRatio: 0.325,
    measurements: timesOf(["H100", 326.9, 1_041.5], ["A100", 785.7, 2_735.7], ["H20", 1_133.9, 4_048.7]),
  },
  "I2V-A14B": {
    id: "I2V-A14B",
    ...a14b,
    source: wanSource("I2V-A14B"),
    pipeline: {
      ...wanPipeline,
      className: "WanImageToVideoPipeline",
      guidanceScale: 3.5,
      guidanceScale2: 3.5,
      boundaryRatio: 0.9,
      flowShift: 5,
    },
    image: "required",
    highNoiseStepRatio: 0.35,
    measurements: timesOf(["H100", 327.8, 1_055.9], ["A100", 810, 2_810.9], ["H20", 1_117.4, 4_054.7]),
  },
  /** 22.9 GB and 10.7 s a step on an RTX 4090 at 1280x704x121 (27,280 tokens); an H100 is taken as 2.5 times as fast. */
  "TI2V-5B": {
    id: "TI2V-5B",
    source: wanSource("TI2V-5B"),
    pipeline: { ...wanPipeline, imageClassName: "WanImageToVideoPipeline", guidanceScale: 5, flowShift: 5 },
    image: "optional",
    sizeStep: 32,
    expertCount: 1,
    highNoiseStepRatio: 1,
    framesPerSecond: 24,
    defaultFrames: 121,
    defaultSteps: 50,
    cellPixels: 32,
    profiles: priorsOf({ weightBytes: 21 * GB, baseBytes: 10 * GB, bytesPerToken: 4.7e-4 * GB }),
    stepSecondsPerToken: 1.57e-4,
    stepSecondsPerTokenSquared: 0,
    weightBytes: 21 * GB,
    measurements: [{ card: "RTX 4090", width: 1280, height: 704, frames: 121, steps: 50, tookMs: 534_700, by }],
    ...wanFrames,
  },
};
