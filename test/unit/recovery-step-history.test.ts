import { describe, expect, it } from "vitest";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { minuteMs, secondMs } from "../../src/core/units.ts";
import {
  emptyHistory,
  expectedMs,
  limitsOf,
  noteStep,
  quantile,
  type StepHistory,
  type StepPlace,
  stepP95Ms,
  unknownLimits,
} from "../../src/recovery/step-history.ts";

const { entryOf } = createModelCatalog();
const place: StepPlace = {
  phase: "denoise",
  profile: "model-offload",
  envelope: { model: entryOf("T2V-A14B"), width: 832, height: 480, frames: 81 },
};
const historyOf = (tookMs: readonly number[], at = place): StepHistory => {
  let history = emptyHistory;
  for (const ms of tookMs) history = noteStep(history, at, ms);
  return history;
};

describe("the limits of a phase", () => {
  it("are generous until five steps were seen", () => {
    expect(limitsOf(historyOf([1, 1, 1, 1]), place)).toEqual(unknownLimits);
    expect(limitsOf(historyOf([1, 1, 1, 1, 1]), place)).not.toEqual(unknownLimits);
  });

  it("are four and two times what 95 of 100 steps take", () => {
    expect(limitsOf(historyOf(Array.from({ length: 20 }, () => 40 * secondMs)), place)).toEqual({
      stallMs: 160 * secondMs,
      cancelMs: 80 * secondMs,
    });
  });

  it("never fall below a minute and ten seconds", () => {
    expect(limitsOf(historyOf([1, 1, 1, 1, 1]), place)).toEqual({ stallMs: minuteMs, cancelMs: 10 * secondMs });
  });

  it.each<[string, StepPlace]>([
    ["another phase", { ...place, phase: "decode" }],
    ["another memory mode", { ...place, profile: "tiling" }],
    ["another size", { ...place, envelope: { ...place.envelope, frames: 33 } }],
    ["another model", { ...place, envelope: { ...place.envelope, model: entryOf("TI2V-5B") } }],
  ])("say nothing about %s", (_, other) => {
    expect(limitsOf(historyOf([1, 1, 1, 1, 1, 1]), other)).toEqual(unknownLimits);
  });

  it("follow the newest steps, and the history does not grow without end", () => {
    const slowed = historyOf([
      ...Array.from({ length: 200 }, () => 1_000),
      ...Array.from({ length: 64 }, () => 30_000),
    ]);
    expect(stepP95Ms(slowed, place)).toBe(30_000);
    let many = emptyHistory;
    for (let frames = 5; frames < 2_000; frames += 4)
      many = noteStep(many, { ...place, envelope: { ...place.envelope, frames } }, 1);
    expect(Object.keys(many).length).toBeLessThanOrEqual(64);
  });
});

describe("a quantile", () => {
  it.each([
    [[], 0.5, null],
    [[7], 0.95, 7],
    [[4, 1, 3, 2], 0.5, 2],
    [Array.from({ length: 100 }, (_, index) => index + 1), 0.95, 95],
  ])("of %j at %d is %j", (samples, share, value) => {
    expect(quantile(samples, share)).toBe(value);
  });
});

describe("what is left of a render", () => {
  const { profile, envelope } = place;
  const reached = {
    profile,
    envelope,
    phase: "denoise",
    step: 10,
    of: 40,
    denoiseSteps: 40,
    inPhaseMs: 20_000,
  } as const;
  const noted = (history: StepHistory, phase: StepPlace["phase"], ...tookMs: readonly number[]): StepHistory =>
    tookMs.reduce((known, ms) => noteStep(known, { ...place, phase }, ms), history);
  const denoised = noted(emptyHistory, "denoise", 1_000, 2_000, 9_000);
  const whole = noted(noted(noted(denoised, "whole decode", 5_000), "whole mux", 3_000), "whole encode", 4_000);

  it("is unknown until every phase that is left was seen", () => {
    expect(expectedMs(emptyHistory, reached)).toBeNull();
    expect(expectedMs(denoised, reached)).toBeNull();
    expect(expectedMs(noted(denoised, "whole decode", 5_000), reached)).toBeNull();
  });

  it("is the middle of this machine's own steps, and of its own phases after them", () => {
    expect(expectedMs(whole, reached)).toBe(30 * 2_000 + 5_000 + 3_000);
    expect(expectedMs(whole, { ...reached, phase: "encode", step: 0, of: 1, inPhaseMs: 1_000 })).toBe(
      3_000 + 40 * 2_000 + 8_000,
    );
    expect(expectedMs(whole, { ...reached, phase: "decode", step: 0, of: 1, inPhaseMs: 6_000 })).toBe(3_000);
  });

  it("of another size is not known from this one", () => {
    expect(expectedMs(whole, { ...reached, envelope: { ...envelope, frames: 33 } })).toBeNull();
  });
});
