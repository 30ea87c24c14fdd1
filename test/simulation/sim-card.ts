/** What is on a simulated card, and what the framework says when it cannot carry more. */
import type { DeviceMemory, WorkerFailure } from "../../src/core/fault.ts";
import type { ModelEntry } from "../../src/core/model-entry.ts";
import { peakBytes, residentBytes } from "../../src/core/model-figures.ts";
import type { LoadProfile } from "../../src/core/words.ts";
import type { Envelope } from "../../src/recovery/envelopes.ts";
import { libraryFailure } from "../../src/workers/simulator/library-errors.ts";
import { failureTexts, shortageText } from "./sim-failures.ts";
import { type DeviceWeather, deviceTotalBytes } from "./sim-worker-types.ts";

/** What one worker has on its card. */
export interface CardUse {
  readonly model: ModelEntry | null;
  readonly profile: LoadProfile | null;
  /** What is being rendered. */
  readonly render: Envelope | null;
  readonly leakBytes: number;
  readonly cachedBytes: number;
}

export const residentOf = ({ model, profile }: CardUse): number =>
  model === null || profile === null ? 0 : residentBytes(model, profile);

/** The resident model, and beside it what the render needs. */
export function allocatedByModel(use: CardUse): number {
  const { render, profile } = use;
  const resident = residentOf(use);
  if (render === null || profile === null) return resident;
  return resident + Math.max(0, peakBytes(render.model, render, profile) - resident);
}

export function memoryOf(use: CardUse, neighbourBytes: number): DeviceMemory {
  const allocatedBytes = use.leakBytes + allocatedByModel(use);
  const reservedBytes = allocatedBytes + use.cachedBytes;
  return {
    totalBytes: deviceTotalBytes,
    allocatedBytes,
    reservedBytes,
    freeBytes: Math.max(0, deviceTotalBytes - reservedBytes - neighbourBytes),
    peakBytes: reservedBytes,
  };
}

/** A card that is gone, or that does not carry what is wanted in all; null when it does. */
export function refusalOf(
  weather: DeviceWeather,
  deviceUuid: string,
  use: CardUse,
  phase: WorkerFailure["phase"],
  wantedBytes: number,
): WorkerFailure | null {
  const isLost = weather.isLost(deviceUuid);
  const neighbourBytes = weather.neighbourBytesOf(deviceUuid);
  const memory = memoryOf(use, neighbourBytes);
  if (!isLost && phase !== "load" && weather.sickness.meet(deviceUuid))
    return { phase, step: null, ...failureTexts.garbage, causes: [], deviceUsable: true, memory };
  if (!isLost && wantedBytes + use.leakBytes + neighbourBytes <= deviceTotalBytes) return null;
  const { exceptionType, message } = isLost
    ? libraryFailure("gpu-lost", () => undefined)
    : { exceptionType: "torch.OutOfMemoryError", message: shortageText(wantedBytes, memory, neighbourBytes) };
  return { phase, step: null, exceptionType, message, causes: [], deviceUsable: !isLost, memory };
}
