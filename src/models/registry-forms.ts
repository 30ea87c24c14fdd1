import type { RegistryEntry } from "../contract/model-registry.ts";
import { builtInEntries } from "../core/built-in-models.ts";
import type { ClipMeasurement, ModelEntry } from "../core/model-entry.ts";
import { sizeOfText } from "../core/pixel-size.ts";
import type { LoadProfile } from "../core/words.ts";

function toMeasurement({ card, size, frames, steps, seconds, by }: RegistryEntry["measured"][number]): ClipMeasurement {
  return { card, ...sizeOfText(size), frames, steps, tookMs: seconds * 1_000, by };
}

/** The entry as this service plans by it. How long a step takes on which card nobody has measured: it is learned. */
export function toModelEntry(entry: RegistryEntry): ModelEntry {
  const { id, sizes, frames, defaults, render, image, weights } = entry;
  const known: ModelEntry | undefined = (builtInEntries as Readonly<Record<string, ModelEntry>>)[id];
  const { stepSecondsPerToken, stepSecondsPerTokenSquared } = known ?? builtInEntries["TI2V-5B"];
  return {
    id,
    sizeStep: sizes.step,
    cellPixels: sizes.cell,
    furtherSizes: sizes.further,
    frameStep: frames.step,
    frameOffset: frames.offset,
    expertCount: render.boundaryRatio === undefined ? 1 : 2,
    highNoiseStepRatio:
      known?.highNoiseStepRatio ?? (render.boundaryRatio === undefined ? 1 : 1 - render.boundaryRatio),
    framesPerSecond: defaults.framesPerSecond,
    defaultFrames: defaults.frames,
    defaultSteps: defaults.steps,
    needsImage: image === "required",
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
export function toWorkerEntry(entry: RegistryEntry, folder: string): object {
  const { pipelineClass, imagePipelineClass, sizes, frames, defaults, image, render, profiles } = entry;
  return {
    pipeline: pipelineClass,
    image_pipeline: imagePipelineClass ?? null,
    folder,
    size_step: sizes.step,
    frame_step: frames.step,
    frame_offset: frames.offset,
    most_frames: render.mostFrames,
    largest_pixels: render.largestPixels,
    frames_per_second: defaults.framesPerSecond,
    guidance_scale: render.guidanceScale,
    guidance_scale_2: render.guidanceScale2 ?? null,
    boundary_ratio: render.boundaryRatio ?? null,
    flow_shift: render.flowShift ?? null,
    image,
    arguments: render.arguments,
    negative_prompt: render.negativePrompt,
    max_sequence_length: render.maxSequenceLength,
    dtype: render.dtype,
    vae_dtype: render.vaeDtype,
    profiles: Object.keys(profiles).filter((profile) => profile !== "fp8"),
    lean_attention: render.leanAttention ?? null,
  };
}
