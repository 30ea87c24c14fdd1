/** Asks a fresh sample whether the cause of a fault is gone. Recovery believes a repair of host or card only then. */
import type { Sample } from "../core/ports/telemetry-probe.ts";
import type { FaultClass } from "../core/words.ts";
import {
  type GpuExpectation,
  type HealthReading,
  type HealthThresholds,
  judgeSample,
  unknownReadings,
} from "./health.ts";

/** What must be sound again for a fault of the class to be over. Classes that are missing here are not measured from outside. */
const readingsOf: Readonly<Partial<Record<FaultClass, readonly HealthReading[]>>> = {
  hostOomKiller: ["memory", "pressure"],
  hostAllocation: ["memory", "pressure"],
  diskFull: ["disk", "inodes"],
  thermal: ["temperature"],
  gpuLost: ["gpuPresence"],
  gpuResetRequired: ["gpuPresence"],
  gpuHardware: ["gpuPresence"],
  gpuMemoryFault: ["gpuPresence"],
  driver: ["gpuPresence"],
};

/** Whether a fresh sample shows the condition no more; null when nothing that was measured can say. */
export function isConditionOver(
  faultClass: FaultClass,
  sample: Sample,
  thresholds: HealthThresholds,
  gpuExpectation: GpuExpectation,
): boolean | null {
  const judged = judgeSample({
    readings: unknownReadings,
    sample,
    envelopes: {},
    gpuExpectation,
    thresholds: { ...thresholds, entrySampleCount: 1 },
  });
  const levels = (readingsOf[faultClass] ?? [])
    .map((reading) => judged[reading].level)
    .filter((level) => level !== "unknown");
  if (levels.length === 0) return null;
  return !levels.includes("critical");
}
