import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeviceMemory } from "../../src/core/fault.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { peakBytes, residentBytes, tokenCount } from "../../src/core/model-figures.ts";
import { gibibyte, mebibyte, minuteMs } from "../../src/core/units.ts";
import {
  type Envelope,
  emptyEnvelopes,
  fitsCard,
  isCardClean,
  misfitEndsAtMs,
  misfitLifeMs,
  noteFit,
  noteMisfit,
  notePeak,
  predictPeak,
  provableMisfits,
} from "../../src/recovery/envelopes.ts";

const place = { deviceUuid: "GPU-1", profile: "model-offload" } as const;
const { entryOf } = createModelCatalog();
const large: Envelope = { model: entryOf("T2V-A14B"), width: 1280, height: 720, frames: 81 };
const medium: Envelope = { ...large, width: 832, height: 480 };
const small: Envelope = { ...medium, frames: 33 };
const card = 80 * gibibyte;
const at = (nowMs: number) => ({ nowMs, phase: "denoise" as const });
const fits = (
  table: typeof emptyEnvelopes,
  envelope: Envelope,
  nowMs = 0,
  where: { deviceUuid: string; profile: "model-offload" | "tiling" } = place,
) => fitsCard(table, where, envelope, card, nowMs);

describe("a size that ran out of memory", () => {
  const table = noteMisfit(emptyEnvelopes, place, medium, at(0));

  it("is not tried again there, nor is a larger one; a smaller one is", () => {
    expect([large, medium, small].map((envelope) => fits(table, envelope))).toEqual([false, false, true]);
  });

  it.each([
    ["another card", { ...place, deviceUuid: "GPU-2" }],
    ["another memory mode", { ...place, profile: "tiling" as const }],
  ])("says nothing about %s", (_, where) => {
    expect(fits(table, medium, 0, where)).toBe(true);
  });

  it("says nothing about another model", () => {
    expect(fits(table, { ...medium, model: entryOf("TI2V-5B") })).toBe(true);
  });

  it("is tried again after ten minutes, and until then its end is known", () => {
    expect(misfitEndsAtMs(table, place.deviceUuid, medium, 1)).toBe(misfitLifeMs);
    expect([misfitLifeMs - 1, misfitLifeMs].map((nowMs) => fits(table, medium, nowMs))).toEqual([false, true]);
    expect(misfitEndsAtMs(table, place.deviceUuid, medium, misfitLifeMs)).toBeNull();
  });

  it("is tried again at once when it, or a larger one, was rendered meanwhile", () => {
    expect(fits(noteFit(table, place, medium), medium)).toBe(true);
    expect(fits(noteFit(table, place, large), medium)).toBe(true);
    expect(fits(noteFit(table, place, small), medium)).toBe(false);
  });

  const lifeOf = (so: typeof table, nowMs: number): number =>
    (misfitEndsAtMs(so, place.deviceUuid, medium, nowMs) ?? nowMs) - nowMs;

  it("holds twice as long each time it is found again after it had expired, a day at most", () => {
    let nowMs = 0;
    let so = table;
    const lives = Array.from({ length: 10 }, () => {
      nowMs += lifeOf(so, nowMs);
      so = noteMisfit(so, place, medium, at(nowMs));
      return lifeOf(so, nowMs) / minuteMs;
    });
    expect(lives).toEqual([20, 40, 80, 160, 320, 640, 1280, 1440, 1440, 1440]);
  });

  it("holds no longer for being found once more while it holds, as one failure does on several rungs", () => {
    const again = noteMisfit(table, place, medium, at(minuteMs));
    expect(lifeOf(again, minuteMs)).toBe(misfitLifeMs);
  });

  it("a smaller one that is found later does not shorten what holds longer for a larger one", () => {
    const twice = noteMisfit(table, place, medium, at(misfitLifeMs));
    const both = noteMisfit(twice, place, small, at(misfitLifeMs));
    expect(fits(both, medium, misfitLifeMs + 15 * minuteMs)).toBe(false);
    expect(fits(both, small, misfitLifeMs + 15 * minuteMs)).toBe(true);
  });

  it("of a table that an older program kept holds as it says, and grows like any other", () => {
    const { deviceUuid, profile } = place;
    const old = {
      peaks: [],
      misfits: [{ deviceUuid, profile, model: "T2V-A14B", tokens: tokenCount(medium.model, medium), untilMs: 7 }],
    };
    expect([6, 7].map((nowMs) => fits(old, medium, nowMs))).toEqual([false, true]);
    expect(provableMisfits(old, place, "T2V-A14B")).toEqual([]);
    expect(lifeOf(noteMisfit(old, place, medium, at(7)), 7)).toBe(2 * misfitLifeMs);
  });

  it("can be proven again in its own size and phase, the smallest first", () => {
    const both = noteMisfit(noteMisfit(table, place, large, at(0)), place, small, { nowMs: 0, phase: "decode" });
    expect(provableMisfits(noteMisfit(both, place, large, at(0)), place, "T2V-A14B").map(({ proof }) => proof)).toEqual(
      [
        { width: 832, height: 480, frames: 33, phase: "decode" },
        { width: 1280, height: 720, frames: 81, phase: "denoise" },
      ],
    );
    expect(provableMisfits(both, { ...place, profile: "tiling" }, "T2V-A14B")).toEqual([]);
  });

  it("leaves no heap of entries behind", () => {
    const many = Array.from({ length: 1_000 }, (_, index) => index).reduce(
      (so, index) => noteMisfit(so, place, medium, at(index * 1_000)),
      emptyEnvelopes,
    );
    expect(many.misfits).toHaveLength(1);
  });
});

describe("a card of one's own", () => {
  const resident = { model: entryOf("T2V-A14B"), profile: "model-offload" } as const;
  const held = residentBytes(resident.model, resident.profile);
  const memoryBeside = (othersBytes: number, cachedBytes = 0, leakedBytes = 0, totalBytes = card): DeviceMemory => ({
    totalBytes,
    allocatedBytes: held + leakedBytes,
    reservedBytes: held + leakedBytes + cachedBytes,
    freeBytes: totalBytes - held - leakedBytes - cachedBytes - othersBytes,
    peakBytes: 0,
  });
  it.each<[string, boolean, DeviceMemory]>([
    ["has nobody on it", true, memoryBeside(0)],
    ["has the context and the driver on it", true, memoryBeside(1_200 * mebibyte)],
    ["is small, and has the context and the driver on it", true, memoryBeside(1_200 * mebibyte, 0, 0, 12 * gibibyte)],
    ["has the allocator's cache on it", true, memoryBeside(500 * mebibyte, 40 * gibibyte)],
    ["is not one's own with a neighbour on it", false, memoryBeside(5 * gibibyte)],
    ["is not one's own with what a leak holds", false, memoryBeside(500 * mebibyte, 0, 5 * gibibyte)],
  ])("%s", (_, isClean, memory) => {
    expect(isCardClean(memory, resident)).toBe(isClean);
  });
});

describe("the memory that a size needs", () => {
  it("comes from the formula until two renders of it were measured, then from them", () => {
    expect(predictPeak(emptyEnvelopes, place, medium)).toMatchObject({
      source: "formula",
      renderCount: 0,
      bytes: peakBytes(large.model, medium, "model-offload"),
    });
    const once = notePeak(emptyEnvelopes, place, medium, 50 * gibibyte);
    expect(predictPeak(once, place, medium)).toMatchObject({ source: "formula", renderCount: 1 });
    const twice = notePeak(once, place, medium, 48 * gibibyte);
    const learned = predictPeak(twice, place, medium);
    expect(learned).toMatchObject({ source: "learned", renderCount: 2 });
    expect(learned.bytes).toBeGreaterThan(48 * gibibyte);
    expect(learned.bytes).toBeLessThanOrEqual(50 * gibibyte);
  });

  it("is believed more with every render", () => {
    let table = emptyEnvelopes;
    const confidences = [1, 2, 3, 4, 5].map(() => {
      table = notePeak(table, place, medium, 50 * gibibyte);
      return predictPeak(table, place, medium).confidence;
    });
    expect(confidences).toEqual([...confidences].toSorted((one, other) => one - other));
    expect(confidences.at(-1)).toBeGreaterThan(confidences[0] ?? 1);
  });

  it("decides what fits, in either direction", () => {
    const hungry = [1, 2].reduce((so) => notePeak(so, place, small, 79.9 * gibibyte), emptyEnvelopes);
    expect(fits(hungry, small)).toBe(false);
    const frugal = [1, 2].reduce((so) => notePeak(so, place, large, 30 * gibibyte), emptyEnvelopes);
    expect(fitsCard(frugal, place, large, 40 * gibibyte, 0)).toBe(true);
    expect(fitsCard(emptyEnvelopes, place, large, 40 * gibibyte, 0)).toBe(false);
  });
});

describe("whatever happens", () => {
  const envelope = fc.record({
    model: fc.constantFrom(entryOf("T2V-A14B"), entryOf("TI2V-5B")),
    width: fc.integer({ min: 16, max: 1920 }),
    height: fc.integer({ min: 16, max: 1088 }),
    frames: fc.integer({ min: 1, max: 121 }),
  });
  const happening = fc.record({
    kind: fc.constantFrom("misfit", "fit", "peak"),
    envelope,
    gib: fc.integer({ min: 1, max: 80 }),
    afterMs: fc.nat(misfitLifeMs),
  });

  it("a size never fits where a smaller one of the same model was refused and has not expired", () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 30 }), envelope, (happenings, asked) => {
        let nowMs = 0;
        let table = emptyEnvelopes;
        for (const { kind, envelope: subject, gib, afterMs } of happenings) {
          nowMs += afterMs;
          if (kind === "misfit") table = noteMisfit(table, place, subject, at(nowMs));
          else if (kind === "fit") table = noteFit(table, place, subject);
          else table = notePeak(table, place, subject, gib * gibibyte);
        }
        const larger = { ...asked, frames: asked.frames + 40 };
        const refused = noteMisfit(table, place, asked, at(nowMs));
        expect(fitsCard(refused, place, larger, 1e15, nowMs)).toBe(false);
        expect(fitsCard(refused, place, larger, 1e15, nowMs + misfitLifeMs)).toBe(true);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
