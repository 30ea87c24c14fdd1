/**
 * How a model lies on the simulated device: what memory it takes and how long its steps are, from the same figures by
 * which the service plans.
 */
import type { RenderRequest } from "../../core/job.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { ModelEntry } from "../../core/model-entry.ts";
import { peakBytes, residentBytes, stepSeconds } from "../../core/model-figures.ts";
import { secondMs } from "../../core/units.ts";
import type { LoadProfile, ModelId } from "../../core/words.ts";
import type { SimulatedDevice } from "./device.ts";

/** A simulated step takes this share of a real H100's, so a clip of an hour takes about a minute here. */
const timeShare = 0.02;
/** Tiling the decoder leaves this share of a render's need. */
const tiledRatio = 0.9;

/** Which model lies on the device and how, and what rendering with it takes. */
export class Placement {
  model: ModelId | null = null;
  profile: LoadProfile | null = null;
  isTiled = false;
  readonly #catalog: ModelCatalog;
  readonly #device: SimulatedDevice;
  readonly #speed: number;

  constructor(catalog: ModelCatalog, device: SimulatedDevice, speed: number) {
    this.#catalog = catalog;
    this.#device = device;
    this.#speed = speed;
  }

  /** Puts a model on the device. Throws OutOfMemory; the device holds no model then. */
  put(model: ModelId, profile: LoadProfile): void {
    this.clear();
    this.#device.setResident(residentBytes(this.#catalog.entryOf(model), profile));
    this.model = model;
    this.profile = profile;
  }

  clear(): void {
    this.model = null;
    this.profile = null;
    this.#device.setResident(0);
  }

  workingBytes(request: Pick<RenderRequest, "model" | "width" | "height" | "frames">): number {
    const profile = this.profile ?? "model-offload";
    const model = this.#catalog.entryOf(request.model);
    const bytes = peakBytes(model, request, profile) - residentBytes(model, profile);
    return Math.max(0, this.isTiled ? bytes * tiledRatio : bytes);
  }

  /** The time of one denoise step on the real card, by which checkpoints are measured at any simulated speed. */
  realStepMs(request: RenderRequest): number {
    const seconds = stepSeconds(this.#catalog.entryOf(request.model), request, this.profile ?? "model-offload");
    return seconds * secondMs * this.#device.timeFactor;
  }

  stepMs(request: RenderRequest): number {
    return (this.realStepMs(request) * timeShare) / this.#speed;
  }
}

/** The expert that renders a step: the high-noise one first, where there are two. */
export function expertOf(model: ModelEntry, step: number, of: number): "highNoise" | "lowNoise" {
  return step / of < model.highNoiseStepRatio ? "highNoise" : "lowNoise";
}
