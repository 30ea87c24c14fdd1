import type { ModelEntryText } from "../contract/model-registry.ts";
import { builtInEntries } from "../core/built-in-models.ts";
import { sizeText } from "../core/pixel-size.ts";

/** The parts of a diffusers repository that a Wan pipeline loads; examples and pictures stay where they are. */
const wanFiles = [
  "model_index.json",
  "scheduler/*",
  "text_encoder/*",
  "tokenizer/*",
  "transformer/*",
  "transformer_2/*",
  "vae/*",
];

/** The authors' own, for all their models (wan/configs/shared_config.py). */
const negativePrompt =
  "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走";

const inBytes = (value: number): string => `${Math.round(value)}B`;

/** Fractions of a byte matter when they are taken thousands of times. */
const inExactBytes = (value: number): string => `${value.toFixed(2)}B`;

type Written = Pick<ModelEntryText, "repository" | "pipelineClass" | "image" | "imagePipelineClass" | "render">;

/** Figures come from the one catalogue; here they are only put into the registry's form. */
function entryOf(id: keyof typeof builtInEntries, written: Written): ModelEntryText {
  const model = builtInEntries[id];
  const priors = Object.entries(model.profiles).map(([profile, { baseBytes, bytesPerToken }]) => [
    profile,
    { base: inBytes(baseBytes), perToken: inExactBytes(bytesPerToken) },
  ]);
  return {
    ...written,
    render: { ...written.render, negativePrompt },
    files: wanFiles,
    sizes: { step: model.sizeStep, cell: model.cellPixels },
    defaults: { frames: model.defaultFrames, steps: model.defaultSteps, framesPerSecond: model.framesPerSecond },
    weights: inBytes(model.weightBytes),
    measured: model.measurements.map(({ card, width, height, frames, steps, tookMs, by }) => ({
      card,
      size: sizeText({ width, height }),
      frames,
      steps,
      seconds: tookMs / 1_000,
      by,
    })),
    profiles: Object.fromEntries(priors),
  };
}

/** Models that are known without any registry file. Guidance, boundary and shift: wan/configs of Wan2.2. */
export const builtInModels: Readonly<Record<string, ModelEntryText>> = {
  "T2V-A14B": entryOf("T2V-A14B", {
    repository: "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
    pipelineClass: "WanPipeline",
    render: { guidanceScale: 4, guidanceScale2: 3, boundaryRatio: 0.875, flowShift: 12 },
  }),
  "I2V-A14B": entryOf("I2V-A14B", {
    repository: "Wan-AI/Wan2.2-I2V-A14B-Diffusers",
    pipelineClass: "WanImageToVideoPipeline",
    image: "required",
    render: { guidanceScale: 3.5, guidanceScale2: 3.5, boundaryRatio: 0.9, flowShift: 5 },
  }),
  "TI2V-5B": entryOf("TI2V-5B", {
    repository: "Wan-AI/Wan2.2-TI2V-5B-Diffusers",
    pipelineClass: "WanPipeline",
    image: "optional",
    imagePipelineClass: "WanImageToVideoPipeline",
    render: { guidanceScale: 5, flowShift: 5 },
  }),
};
