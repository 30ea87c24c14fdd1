import { describe, expect, it } from "vitest";
import type { OwnWait } from "../../src/core/wait-reason.ts";
import {
  type FallbackConsent,
  fallbackConsents,
  type PromiseKind,
  type PromiseReason,
  type Standing,
} from "../../src/core/words.ts";
import { isLost, type PromiseFacts, promiseFor, type RouteFacts } from "../../src/recovery/promise.ts";

const nowMs = 1_000_000;
const model = "T2V-A14B";

const route = (standing: Standing, change: Partial<RouteFacts> = {}): RouteFacts => ({
  workerId: "a",
  models: [model],
  standing,
  untilMs: null,
  isBusy: false,
  heldModel: model,
  aside: [],
  ...change,
});

const factsWith = (change: Partial<PromiseFacts> = {}): PromiseFacts => ({
  nowMs,
  routes: [route("serving")],
  door: null,
  isPaused: false,
  isDiskShort: false,
  isProcessorShort: false,
  ownWait: null,
  queue: { aheadCount: 0, turnInMs: 0, renderMs: 8_000 },
  lostSinceMs: null,
  standInAfterMs: 2_000,
  ...change,
});

const lost = { lostSinceMs: nowMs - 60_000 };
const kinds = (facts: PromiseFacts): Record<FallbackConsent, PromiseKind> => {
  const of = (consent: FallbackConsent): PromiseKind => promiseFor(consent, model, facts).kind;
  return { stand_in_then_real: of("stand_in_then_real"), wait: of("wait"), fail: of("fail"), stand_in: of("stand_in") };
};
const everybody = (kind: PromiseKind): Record<FallbackConsent, PromiseKind> => ({
  stand_in_then_real: kind,
  wait: kind,
  fail: kind,
  stand_in: kind,
});
const byConsent: Record<FallbackConsent, PromiseKind> = {
  stand_in_then_real: "standInThenReal",
  wait: "realLater",
  fail: "refused",
  stand_in: "standInOnly",
};

describe("what a job gets, by its consent", () => {
  it.each<[string, Partial<PromiseFacts>, PromiseReason, Record<FallbackConsent, PromiseKind>]>([
    ["a worker is free and nothing waits", {}, "serving", everybody("realNow")],
    ["one job is let through before all are", { routes: [route("returning")] }, "returning", everybody("realNow")],
    [
      "jobs go before it",
      { queue: { aheadCount: 39, turnInMs: 24_000, renderMs: 650 } },
      "queued",
      everybody("realLater"),
    ],
    [
      "the worker has a job in hand",
      { routes: [route("serving", { isBusy: true })] },
      "queued",
      everybody("realLater"),
    ],
    ["a test render is in the worker's hand", { routes: [route("checking")] }, "checking", everybody("realLater")],
    [
      "the worker holds another model",
      { routes: [route("serving", { heldModel: "TI2V-5B" })] },
      "loading",
      everybody("realLater"),
    ],
    [
      "another worker serves while one is being repaired",
      { routes: [route("repairing"), route("serving")] },
      "serving",
      everybody("realNow"),
    ],
    [
      "the worker starts, and that is new",
      { routes: [route("starting")], lostSinceMs: nowMs },
      "starting",
      everybody("realLater"),
    ],
    ["it has started for long", { routes: [route("starting")], ...lost }, "starting", byConsent],
    ["the main model is loading for long", { routes: [route("loading")], ...lost }, "loading", byConsent],
    ["it is being repaired for long", { routes: [route("repairing")], ...lost }, "repairing", byConsent],
    ["the workers rest", { routes: [route("resting")] }, "resting", everybody("realLater")],
    ["stand-ins serve", { routes: [route("standingIn")], ...lost }, "standingIn", byConsent],
    ["every climb was in vain", { routes: [route("exhausted")], ...lost }, "exhausted", byConsent],
    ["the worker keeps crashing", { routes: [route("crashLooping")], ...lost }, "crashLooping", byConsent],
    ["the worker was stopped", { routes: [route("stopped")], ...lost }, "stopped", byConsent],
    ["the breaker is open", { routes: [route("breakerOpen")], ...lost }, "breakerOpen", byConsent],
    [
      "its model is set aside",
      { routes: [route("serving", { aside: [{ model, untilMs: nowMs + 1 }] })], ...lost },
      "modelAside",
      byConsent,
    ],
    [
      "its model was set aside, and is tried again",
      { routes: [route("serving", { aside: [{ model, untilMs: nowMs }] })] },
      "serving",
      everybody("realNow"),
    ],
    [
      "no worker offers its model",
      { routes: [route("serving", { models: ["TI2V-5B"] })], ...lost },
      "notOffered",
      byConsent,
    ],
    ["there is no worker", { routes: [], ...lost }, "notOffered", byConsent],
    ["the disk is full", { isDiskShort: true, ...lost }, "diskFull", byConsent],
    [
      "an operator paused everything",
      { isPaused: true, routes: [route("exhausted")], ...lost },
      "paused",
      everybody("realLater"),
    ],
    ["the service stops", { door: "stopping" }, "stopping", everybody("refused")],
    ["the intake is drained", { door: "drained" }, "drained", everybody("refused")],
    ["the door is closed by a full disk", { door: "diskFull", isDiskShort: true }, "diskFull", everybody("refused")],
  ])("when %s", (_, change, because, expected) => {
    const facts = factsWith(change);
    expect(kinds(facts)).toEqual(expected);
    for (const consent of fallbackConsents) expect(promiseFor(consent, model, facts).because).toBe(because);
  });

  it("goes by the best of the workers that offer its model", () => {
    const order: readonly Standing[] = [
      "serving",
      "returning",
      "checking",
      "loading",
      "starting",
      "resting",
      "repairing",
    ];
    for (const [rank, standing] of order.entries()) {
      const routes = order
        .slice(rank)
        .toReversed()
        .map((each) => route(each));
      expect(promiseFor("wait", model, factsWith({ routes })).because).toBe(standing);
    }
  });
});

describe("what a job gets that is held back for a time of its own, while a worker is free", () => {
  const held = (change: Partial<OwnWait>, facts: Partial<PromiseFacts> = {}): PromiseFacts =>
    factsWith({
      ownWait: { because: "memoryShort", sinceMs: nowMs, untilMs: nowMs + 60_000, ...change },
      ...facts,
    });

  it.each<[string, PromiseFacts, PromiseReason, Record<FallbackConsent, PromiseKind>]>([
    ["there is no memory for it until a named time", held({}), "memoryShort", byConsent],
    [
      "its last attempt failed by itself",
      held({ because: "backingOff" }),
      "backingOff",
      { ...byConsent, fail: "realLater" },
    ],
    ["it is due before the answer is", held({ untilMs: nowMs + 2_000 }), "memoryShort", everybody("realLater")],
    ["its time is over", held({ untilMs: nowMs, sinceMs: nowMs - 60_000 }), "serving", everybody("realNow")],
    ["an operator paused everything", held({}, { isPaused: true }), "paused", everybody("realLater")],
    ["there is no way either", held({}, { routes: [route("exhausted")] }), "exhausted", byConsent],
  ])("when %s", (_, facts, because, expected) => {
    expect(kinds(facts)).toEqual(expected);
    expect(promiseFor("stand_in_then_real", model, facts).because).toBe(because);
  });

  it("is answered so long after that was known, and no later where its way is lost meanwhile", () => {
    const dueAt = (facts: PromiseFacts) => promiseFor("stand_in", model, facts).answerDueAtMs;
    const sinceMs = nowMs - 1_500;
    expect(dueAt(held({ sinceMs }))).toBe(nowMs + 500);
    expect(dueAt(held({ sinceMs }, { routes: [route("exhausted")], lostSinceMs: nowMs }))).toBe(nowMs + 500);
    expect(dueAt(held({ sinceMs }, { routes: [route("exhausted")], lostSinceMs: nowMs - 1_900 }))).toBe(nowMs + 100);
    expect(promiseFor("wait", model, held({ sinceMs }))).toMatchObject({
      answerDueAtMs: null,
      retryAtMs: nowMs + 60_000,
      turnAtMs: nowMs,
      expectedAtMs: nowMs + 8_000,
    });
  });
});

describe("when somebody is answered without a real video", () => {
  const due = (consent: FallbackConsent, change: Partial<PromiseFacts>): number | null =>
    promiseFor(consent, model, factsWith(change)).answerDueAtMs;

  it.each<FallbackConsent>(["stand_in_then_real", "stand_in", "fail"])(
    "%s: so long after the way was lost",
    (consent) => {
      expect(due(consent, { routes: [route("exhausted")], lostSinceMs: nowMs - 500 })).toBe(nowMs + 1_500);
      expect(due(consent, { routes: [route("repairing")], lostSinceMs: nowMs - 500 })).toBe(nowMs + 1_500);
    },
  );

  it("never who simply waits, nobody while there is a way, and nobody while everything is paused", () => {
    expect(due("wait", { routes: [route("exhausted")], ...lost })).toBeNull();
    expect(due("stand_in_then_real", {})).toBeNull();
    expect(due("fail", { queue: { aheadCount: 99, turnInMs: null, renderMs: null } })).toBeNull();
    expect(due("fail", { routes: [route("exhausted")], isPaused: true, ...lost })).toBeNull();
  });

  it("by the clip that was made at the start where the host has no room for another", () => {
    const clip = (change: Partial<PromiseFacts>): string => promiseFor("stand_in", model, factsWith(change)).clip;
    expect([clip({}), clip({ isDiskShort: true }), clip({ isProcessorShort: true })]).toEqual([
      "own",
      "generic",
      "generic",
    ]);
  });
});

describe("what is told of times", () => {
  it("the turn, and the end of its own render", () => {
    const queue = { aheadCount: 39, turnInMs: 24_000, renderMs: 650 };
    expect(promiseFor("wait", model, factsWith({ queue }))).toMatchObject({
      aheadCount: 39,
      turnAtMs: nowMs + 24_000,
      expectedAtMs: nowMs + 24_650,
    });
  });

  it("nothing is invented where nothing is known", () => {
    const queue = { aheadCount: 39, turnInMs: null, renderMs: null };
    expect(promiseFor("wait", model, factsWith({ queue }))).toMatchObject({ turnAtMs: null, expectedAtMs: null });
    expect(promiseFor("wait", model, factsWith({ queue: { ...queue, turnInMs: 5 } }))).toMatchObject({
      turnAtMs: nowMs + 5,
      expectedAtMs: null,
    });
    expect(promiseFor("wait", model, factsWith({ routes: [route("exhausted")], ...lost }))).toMatchObject({
      turnAtMs: null,
      expectedAtMs: null,
    });
  });

  it("when what is in the way is looked at again, as long as that is to come", () => {
    const retry = (untilMs: number | null): number | null =>
      promiseFor("wait", model, factsWith({ routes: [route("standingIn", { untilMs })], ...lost })).retryAtMs;
    expect([retry(nowMs + 30_000), retry(nowMs), retry(null)]).toEqual([nowMs + 30_000, null, null]);
  });
});

it.each<[Standing, boolean]>([
  ["serving", false],
  ["returning", false],
  ["checking", false],
  ["resting", false],
  ["loading", true],
  ["repairing", true],
  ["exhausted", true],
])("a way that is %s is lost: %s", (standing, isLostThen) => {
  expect(isLost(model, factsWith({ routes: [route(standing)] }))).toBe(isLostThen);
  expect(isLost(model, factsWith({ routes: [route(standing)], isDiskShort: true }))).toBe(true);
});
