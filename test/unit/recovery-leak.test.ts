import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gibibyte, mebibyte, minuteMs } from "../../src/core/units.ts";
import { isRecycleDue, leakTrend, noteResidue, type Residue } from "../../src/recovery/leak.ts";

const series = (bytes: readonly number[]): Residue[] =>
  bytes.map((value, index) => ({ atMs: index * minuteMs, bytes: value }));
const growing = (count: number, perJobBytes: number): Residue[] =>
  series(Array.from({ length: count }, (_, index) => 10 * gibibyte + index * perJobBytes));
const limitBytes = 20 * gibibyte;

describe("memory that stays after jobs", () => {
  it("is no trend before five jobs", () => {
    expect(leakTrend(growing(4, gibibyte), limitBytes)).toBeNull();
  });

  it("that grows evenly is foreseen: in how many jobs, and when", () => {
    expect(leakTrend(growing(6, gibibyte), limitBytes)).toEqual({
      bytesPerJob: gibibyte,
      confidence: 1,
      jobsLeft: 5,
      limitAtMs: 10 * minuteMs,
    });
  });

  it("that stays the same, or shrinks, has no end", () => {
    expect(leakTrend(growing(10, 0), limitBytes)).toMatchObject({ jobsLeft: null, limitAtMs: null });
    expect(leakTrend(growing(10, -gibibyte), limitBytes)).toMatchObject({ bytesPerJob: 0, jobsLeft: null });
  });

  it("that grows by what an allocator rounds is no leak", () => {
    expect(leakTrend(growing(30, 8 * mebibyte), limitBytes)).toMatchObject({ jobsLeft: null });
  });

  it("keeps no more jobs than it looks at", () => {
    let residues: readonly Residue[] = [];
    for (let index = 0; index < 100; index += 1) residues = noteResidue(residues, { atMs: index, bytes: index });
    expect(residues).toHaveLength(32);
    expect(residues.at(-1)).toEqual({ atMs: 99, bytes: 99 });
  });
});

describe("a planned end of the worker", () => {
  it("comes when a clear trend leaves three jobs, not before", () => {
    expect(isRecycleDue(leakTrend(growing(6, gibibyte), limitBytes))).toBe(false);
    expect(isRecycleDue(leakTrend(growing(8, gibibyte), limitBytes))).toBe(true);
  });

  it("is not caused by noise", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -512, max: 512 }), { minLength: 8, maxLength: 32 }), (noise) => {
        const residues = series(noise.map((mib) => 10 * gibibyte + mib * mebibyte));
        expect(isRecycleDue(leakTrend(residues, 80 * gibibyte))).toBe(false);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it("needs a trend", () => {
    expect(isRecycleDue(null)).toBe(false);
  });
});
