import { expect, it } from "vitest";
import { promiseReasons } from "../../src/core/words.ts";
import type { VideoPromise } from "../../src/recovery/promise.ts";
import { aboutTime, promiseSentence, reasonWords } from "../../src/recovery/promise-sentences.ts";

const nowMs = 1_000_000;
const scene = { nowMs, isSimulated: false, servingCount: 1, workerCount: 1, subject: "A video submitted now" };
const atOnce: VideoPromise = {
  kind: "realNow",
  because: "serving",
  turnAtMs: nowMs,
  expectedAtMs: null,
  aheadCount: 0,
  retryAtMs: null,
  answerDueAtMs: null,
  clip: "own",
};
const say = (change: Partial<VideoPromise>, about: Partial<typeof scene> = {}): string =>
  promiseSentence({ ...atOnce, ...change }, { ...scene, ...about });

it.each<[Partial<VideoPromise>, Partial<typeof scene>, string]>([
  [{}, {}, "A video submitted now is rendered at once by the main model."],
  [
    {},
    { isSimulated: true },
    "A video submitted now is rendered at once. The card is simulated, and every frame says so.",
  ],
  [{}, { workerCount: 2 }, "A video submitted now is rendered at once by 1 of 2 workers."],
  [
    { kind: "realLater", because: "queued", aheadCount: 39, turnAtMs: nowMs + 24_500 },
    {},
    "A video submitted now is rendered after about 39 before it, in about 25 s by the main model.",
  ],
  [
    { kind: "realLater", because: "queued", aheadCount: 39, turnAtMs: null },
    {},
    "A video submitted now is rendered after about 39 before it by the main model.",
  ],
  [
    { kind: "realLater", because: "queued", turnAtMs: null },
    { subject: "This video" },
    "This video is rendered after the one in hand by the main model.",
  ],
  [
    { kind: "realLater", because: "loading" },
    {},
    "The main model is loading. A video submitted now is kept, and rendered when it is ready.",
  ],
  [
    { kind: "realLater", because: "repairing", answerDueAtMs: nowMs + 900 },
    {},
    "The main model is being repaired. A video submitted now is kept; if that takes longer, you get a labelled stand-in first.",
  ],
  [
    { kind: "standInThenReal", because: "standingIn", answerDueAtMs: nowMs - 1, retryAtMs: nowMs + 28_000 },
    {},
    "Stand-ins only: no real video right now. A video submitted now is kept, gets a labelled stand-in first, and is rendered when the main model is back. It is looked at again in about 30 s.",
  ],
  [
    { kind: "refused", because: "exhausted", answerDueAtMs: nowMs - 1 },
    { subject: "This video" },
    "Stand-ins only: no real video right now. Every repair was in vain; it needs you. This video does not want to wait, and fails.",
  ],
  [
    { kind: "standInOnly", because: "notOffered", answerDueAtMs: nowMs - 1 },
    {},
    "No worker offers its model. A video submitted now gets a labelled stand-in, and nothing else.",
  ],
  [
    { kind: "realLater", because: "paused" },
    {},
    "Paused by an operator. A video submitted now is kept, and rendered after a resume.",
  ],
  [
    { kind: "refused", because: "diskFull" },
    {},
    "The disk is full: nothing new is taken until there is room. What was accepted is kept.",
  ],
  [
    { kind: "standInThenReal", because: "diskFull", answerDueAtMs: nowMs },
    {},
    "The disk is full. A video submitted now is kept, gets a labelled stand-in first, and is rendered when the main model is back.",
  ],
  [
    { kind: "standInThenReal", because: "memoryShort", retryAtMs: nowMs + 60_000 },
    { subject: "This video" },
    "No worker has the memory for it now. This video gets a labelled stand-in first, and is tried again in about 60 s.",
  ],
  [
    { kind: "refused", because: "memoryShort", retryAtMs: nowMs + 60_000 },
    { subject: "This video" },
    "No worker has the memory for it now. This video does not want to wait, and fails.",
  ],
  [
    { kind: "standInOnly", because: "backingOff", retryAtMs: nowMs + 60_000 },
    { subject: "This video" },
    "Its last attempt failed or was interrupted. This video gets a labelled stand-in, and nothing else.",
  ],
])("%j is told as it is", (change, about, sentence) => {
  expect(say(change, about)).toBe(sentence);
});

it("every reason has words, for the sentence and for the picture", () => {
  for (const because of promiseReasons) {
    expect(say({ kind: "realLater", because })).toMatch(/^[A-Z].*\.$/);
    expect(reasonWords(because, "T2V-A14B")).not.toBe("");
  }
});

it.each([
  [1, "5 s"],
  [24_500, "25 s"],
  [90_000, "2 min"],
  [3 * 3_600_000 - 1, "3 h"],
])("%i ms are told as about %s", (ms, words) => {
  expect(aboutTime(ms)).toBe(words);
});
