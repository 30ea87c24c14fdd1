import type { ModelEntryText } from "../contract/model-registry.ts";
import { modelCatalog, profileFactors } from "../core/model-catalog.ts";
import { loadProfiles, type ModelId } from "../core/words.ts";

/** The parts of a diffusers repository that a Wan pipeline loads; examples and pictures stay where they are. */
const wanFiles = ["model_index.json", "scheduler/*", "text_encoder/*", "tokenizer/*", "transformer/*", "transformer_2/*", "vae/*"];

const inBytes = (value: number): string => `${Math.round(value)}B`;

/** Fractions of a byte matter when they are taken thousands of times. */
const inExactBytes = (value: number): string => `${value.toFixed(2)}B`;

/** Figures come from the one catalogue; here they are only put into the registry's form. */
function entryOf(id: ModelId, repository: string, pipelineClass: string): ModelEntryText {
  const model = modelCatalog[id];
  const profiles = Object.fromEntries(
    loadProfiles.map((profile) => {
      const { base, activation, keepsAllWeights } = profileFactors[profile];
      return [
        profile,
        {
          base: inBytes(keepsAllWeights ? model.weightBytes : model.baseBytes * base),
          perToken: inExactBytes(model.bytesPerToken * activation),
        },
      ];
    }),
  );
  return {
    repository,
    pipelineClass,
    files: wanFiles,
    needsImage: model.needsImage,
    sizes: { step: model.sizeStep, cell: model.cellPixels },
    defaults: { frames: model.defaultFrames, steps: model.defaultSteps, framesPerSecond: model.framesPerSecond },
    weights: inBytes(model.weightBytes),
    profiles,
  };
}

/** Models that are known without any registry file. */
export const builtInModels: Readonly<Record<ModelId, ModelEntryText>> = {
  "T2V-A14B": entryOf("T2V-A14B", "Wan-AI/Wan2.2-T2V-A14B-Diffusers", "WanPipeline"),
  "I2V-A14B": entryOf("I2V-A14B", "Wan-AI/Wan2.2-I2V-A14B-Diffusers", "WanImageToVideoPipeline"),
  "TI2V-5B": entryOf("TI2V-5B", "Wan-AI/Wan2.2-TI2V-5B-Diffusers", "WanPipeline"),
};
