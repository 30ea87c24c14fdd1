import { expect, it } from "vitest";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { expectRenderMs, expectTurnMs, type TimedRender } from "../../src/recovery/expected-time.ts";

const catalog = createModelCatalog();
const small = { model: "T2V-A14B", width: 854, height: 480, frames: 9, steps: 12 };
const timed = (tookMs: number, change: Partial<TimedRender> = {}): TimedRender => ({ ...small, ...change, tookMs });

it("goes by renders of the same size where there are any, whatever others took", () => {
  const recent = [timed(700), timed(650), timed(640), timed(60_000, { frames: 81, steps: 50 })];
  expect(expectRenderMs(catalog, recent, small)).toBe(650);
});

it("scales from other sizes by steps and by size, and never from nothing", () => {
  const recent = [timed(10_000, { steps: 15 })];
  expect(expectRenderMs(catalog, recent, { ...small, steps: 35 })).toBeCloseTo(20_000);
  expect(expectRenderMs(catalog, recent, { ...small, frames: 81 })).toBeGreaterThan(40_000);
  expect(expectRenderMs(catalog, [], small)).toBeNull();
  expect(expectRenderMs(catalog, recent, { ...small, model: "of-nobody" })).toBeNull();
});

it.each<[string, readonly (number | null)[], readonly (number | null)[], number | null]>([
  ["a free worker takes it at once", [], [0], 0],
  ["it waits for the render in hand", [], [12_000], 12_000],
  ["each one before it is a render more", [30_000, 30_000], [12_000], 72_000],
  ["two workers share those before it", [30_000, 30_000], [12_000, 20_000], 42_000],
  ["a free worker takes the one before it", [30_000], [0, 12_000], 12_000],
  ["without a worker nothing can be said", [], [], null],
  ["a render in hand of which nobody knows", [], [null], null],
  ["one before it of which nobody knows", [null], [0], null],
])("%s", (_, aheadMs, leftMs, expected) => {
  expect(expectTurnMs({ aheadMs, leftMs })).toBe(expected);
});
