import { expect, it } from "vitest";
import { estimateWaitMs } from "../../../src/app/rendering/job-outlook.ts";

const took = [20_000, 40_000];

it.each([
  [
    "the next one on an idle worker takes as long as a render",
    { aheadCount: 0, workerCount: 1, remainingMs: [] },
    30_000,
  ],
  ["it waits for the render in hand", { aheadCount: 0, workerCount: 1, remainingMs: [12_000] }, 42_000],
  [
    "a render that has not said yet counts as a whole one",
    { aheadCount: 0, workerCount: 1, remainingMs: [null] },
    60_000,
  ],
  ["each one before it is a render more", { aheadCount: 2, workerCount: 1, remainingMs: [12_000] }, 102_000],
  ["two workers share those before it", { aheadCount: 2, workerCount: 2, remainingMs: [12_000, 20_000] }, 72_000],
  ["a free worker is not waited for", { aheadCount: 0, workerCount: 2, remainingMs: [12_000] }, 30_000],
])("%s", (_, question, expected) => {
  expect(estimateWaitMs({ ...question, tookMs: took })).toBe(expected);
});

it("says nothing without a worker or without a render to go by", () => {
  expect(estimateWaitMs({ aheadCount: 0, workerCount: 0, remainingMs: [], tookMs: took })).toBeNull();
  expect(estimateWaitMs({ aheadCount: 0, workerCount: 1, remainingMs: [], tookMs: [] })).toBeNull();
});
