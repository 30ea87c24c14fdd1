/**
 * Turns a registry file's entry into the service's own form, and into the form that the Python worker reads. Both come
 * from here, so that they cannot disagree.
 */
import type { RegistryEntry } from "../contract/model-registry.ts";
import { builtInModels } from "../core/built-in-models.ts";
import type { ClipMeasurement, ModelEntry, ModelPipeline } from "../core/model-entry.ts";
import { sizeOfText } from "../core/pixel-size.ts";
import type { LoadProfile, ModelId } from "../core/words.ts";

function toMeasurement({ card, size, frames, steps, seconds, by }: RegistryEntry["measured"][number]): ClipMeasurement {
  return { card, ...sizeOfText(size), frames, steps, tookMs: seconds * 1_000, by };
}

function toPipeline({ pipelineClass, imagePipelineClass, render }: RegistryEntry): ModelPipeline {
  return {
    ...render,
    className: pipelineClass,
    imageClassName: imagePipelineClass ?? null,
    guidanceScale2: render.guidanceScale2 ?? null,
    boundaryRatio: render.boundaryRatio ?? null,
    flowShift: render.flowShift ?? null,
    leanAttention: render.leanAttention ?? null,
  };
}

/**
 * Reads what a registry file says of a model. How long a step takes on which card nobody has measured: it is learned.
 */
export function toModelEntry(id: ModelId, entry: RegistryEntry): ModelEntry {
  const { sizes, frames, defaults, render, image, weights } = entry;
  const builtIn = Object.values(builtInModels).find((one) => one.id === id);
  const { stepSecondsPerToken, stepSecondsPerTokenSquared } = builtIn ?? builtInModels["TI2V-5B"];
  return {
    id,
    source: {
      repository: entry.repository ?? null,
      folder: entry.folder ?? null,
      revision: entry.revision,
      files: entry.files,
    },
    pipeline: toPipeline(entry),
    image,
    sizeStep: sizes.step,
    cellPixels: sizes.cell,
    furtherSizes: sizes.further,
    frameStep: frames.step,
    frameOffset: frames.offset,
    expertCount: render.boundaryRatio === undefined ? 1 : 2,
    highNoiseStepRatio:
      builtIn?.highNoiseStepRatio ?? (render.boundaryRatio === undefined ? 1 : 1 - render.boundaryRatio),
    framesPerSecond: defaults.framesPerSecond,
    defaultFrames: defaults.frames,
    defaultSteps: defaults.steps,
    stepSecondsPerToken,
    stepSecondsPerTokenSquared,
    weightBytes: weights,
    measurements: entry.measured.map(toMeasurement),
    profiles: Object.fromEntries(
      Object.entries(entry.profiles).map(([profile, prior]) => [
        profile as LoadProfile,
        { baseBytes: prior.base, bytesPerToken: prior.perToken },
      ]),
    ),
  };
}

/** The entry as the Python worker reads it. @param folder of the model's files, or the link that will lead to them */
export function toWorkerEntry(model: ModelEntry, folder: string): object {
  const { pipeline } = model;
  return {
    pipeline: pipeline.className,
    image_pipeline: pipeline.imageClassName,
    folder,
    size_step: model.sizeStep,
    frame_step: model.frameStep,
    frame_offset: model.frameOffset,
    most_frames: pipeline.mostFrames,
    largest_pixels: pipeline.largestPixels,
    frames_per_second: model.framesPerSecond,
    guidance_scale: pipeline.guidanceScale,
    guidance_scale_2: pipeline.guidanceScale2,
    boundary_ratio: pipeline.boundaryRatio,
    flow_shift: pipeline.flowShift,
    image: model.image,
    arguments: pipeline.arguments,
    negative_prompt: pipeline.negativePrompt,
    max_sequence_length: pipeline.maxSequenceLength,
    dtype: pipeline.dtype,
    vae_dtype: pipeline.vaeDtype,
    profiles: Object.keys(model.profiles).filter((profile) => profile !== "fp8"),
    lean_attention: pipeline.leanAttention,
  };
}
