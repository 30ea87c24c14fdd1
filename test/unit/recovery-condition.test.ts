import { describe, expect, it } from "vitest";
import type { Sample } from "../../src/core/ports/telemetry-probe.ts";
import { gibibyte } from "../../src/core/units.ts";
import type { FaultClass } from "../../src/core/words.ts";
import { isConditionOver } from "../../src/recovery/condition.ts";
import { defaultHealthThresholds } from "../../src/recovery/health.ts";

const card = {
  uuid: "GPU-1",
  name: "card",
  totalBytes: 80 * gibibyte,
  usedBytes: gibibyte,
  utilizationRatio: 0,
  temperatureCelsius: 60,
  unavailable: {},
};
const sound: Sample = {
  atMs: 1,
  gpuKind: "nvidia",
  gpus: [card],
  host: { cpuRatio: 0.99, memoryRatio: 0.4, memoryUsedBytes: 1, memoryTotalBytes: 2, diskFreeBytes: 100 * gibibyte },
};
const over = (faultClass: FaultClass, sample: Sample): boolean | null =>
  isConditionOver(faultClass, sample, defaultHealthThresholds, "always");

describe("the condition that raised a fault", () => {
  const spoilt: readonly (readonly [FaultClass, Sample])[] = [
    ["hostAllocation", { ...sound, host: { ...sound.host, memoryRatio: 0.97 } }],
    ["diskFull", { ...sound, host: { ...sound.host, diskFreeBytes: gibibyte } }],
    ["thermal", { ...sound, gpus: [{ ...card, temperatureCelsius: 93 }] }],
    ["gpuLost", { ...sound, gpus: [] }],
    ["driver", { ...sound, gpus: [] }],
  ];
  it.each(spoilt)("%s lasts while one fresh sample shows it, and is over when none does", (faultClass, sample) => {
    expect(over(faultClass, sample)).toBe(false);
    expect(over(faultClass, sound)).toBe(true);
  });
  it("is judged by what raised it: a full disk says nothing about a lost card", () => {
    // Once memory and disk alone decided, and a card that was gone was called back.
    expect(over("gpuLost", { ...sound, host: { ...sound.host, diskFreeBytes: gibibyte } })).toBe(true);
    expect(over("diskFull", { ...sound, gpus: [] })).toBe(true);
  });
  it("is unknown where nothing outside the worker can measure it", () => {
    expect(over("missingDependency", sound)).toBeNull();
    expect(over("thermal", { ...sound, gpus: [{ ...card, temperatureCelsius: null }] })).toBeNull();
  });
});
