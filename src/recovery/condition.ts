/** Asks a fresh sample whether the cause of a fault is gone. Recovery believes a repair of host or card only then. */
import type { Fault } from "../core/fault.ts";
import type { FaultClass } from "../core/words.ts";
import { isOrder } from "./classify.ts";
import {
  type HealthQuestion,
  type HealthReading,
  type HealthThresholds,
  judgeSample,
  overallLevel,
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

export interface ConditionQuestion extends Pick<HealthQuestion, "sample" | "envelopes" | "gpuExpectation"> {
  readonly fault: Pick<Fault, "faultClass" | "decidedBy">;
  readonly thresholds: HealthThresholds;
}

/**
 * Whether a fresh sample shows the condition no more; null when nothing that was measured can say. Behind an operator's
 * order nothing was seen: it is over when no reading of host and card is critical.
 */
export function isConditionOver({ fault, thresholds, ...seen }: ConditionQuestion): boolean | null {
  const once = { ...thresholds, entrySampleCount: 1 };
  const judged = judgeSample({ ...seen, readings: unknownReadings, thresholds: once });
  if (isOrder(fault)) {
    const overall = overallLevel(judged);
    return overall === "unknown" ? null : overall !== "critical";
  }
  const levels = (readingsOf[fault.faultClass] ?? [])
    .map((reading) => judged[reading].level)
    .filter((level) => level !== "unknown");
  if (levels.length === 0) return null;
  return !levels.includes("critical");
}
