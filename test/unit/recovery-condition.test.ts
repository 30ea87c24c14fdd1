import { describe, expect, it } from "vitest";
import type { Fault } from "../../src/core/fault.ts";
import type { Sample } from "../../src/core/ports/telemetry-probe.ts";
import { gibibyte } from "../../src/core/units.ts";
import type { FaultClass } from "../../src/core/words.ts";
import { faultOfOrder } from "../../src/recovery/classify.ts";
import { isConditionOver } from "../../src/recovery/condition.ts";
import { defaultHealthThresholds, type EnvelopeBytes } from "../../src/recovery/health.ts";

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
const over = (fault: FaultClass | Fault, sample: Sample, envelopes: EnvelopeBytes = {}): boolean | null =>
  isConditionOver({
    fault: typeof fault === "string" ? { faultClass: fault, decidedBy: "a test" } : fault,
    sample,
    envelopes,
    thresholds: defaultHealthThresholds,
    gpuExpectation: "always",
  });

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
    expect(over("unknown", sound)).toBeNull();
  });
});

describe("the condition behind an operator's order", () => {
  const order = faultOfOrder("system_resource_error");
  const calm = { ...sound, host: { ...sound.host, cpuRatio: 0.3 } };
  const full = { ...calm, gpus: [{ ...card, usedBytes: 79 * gibibyte }] };
  it("is over when no reading of host and card is critical", () => {
    expect(over(order, calm)).toBe(true);
    expect(over(order, { ...calm, host: { ...calm.host, memoryRatio: 0.85 } })).toBe(true);
  });
  it.each<[string, Sample]>([
    ["processor", sound],
    ["memory", { ...calm, host: { ...calm.host, memoryRatio: 0.97 } }],
    ["disk", { ...calm, host: { ...calm.host, diskFreeBytes: gibibyte } }],
    ["heat", { ...calm, gpus: [{ ...card, temperatureCelsius: 93 }] }],
    ["card that is gone", { ...calm, gpus: [] }],
    ["card that others fill", full],
  ])("lasts while a reading is critical: %s", (_, sample) => {
    expect(over(order, sample)).toBe(false);
  });
  it("is not a card that is full of what the worker is known to hold", () => {
    expect(over(order, full, { "GPU-1": 78 * gibibyte })).toBe(true);
  });
});
