import { describe, expect, it } from "vitest";
import { cardLines } from "../../src/cli/drill-commands.ts";
import { scoreCardSchema, toScoreCard } from "../../src/contract/drill-wire.ts";
import { isDrillPassed, lateStages, readCard, type ScoreCard } from "../../src/core/drill.ts";

const card: ScoreCard = {
  drill: "kill",
  startedAtMs: 1_000,
  endedAtMs: 61_000,
  times: { told: 100, watchable: 2_500, delivered: 7_000, recovered: 9_000, bystander: 8_000 },
  limits: { told: 5_000, watchable: 20_000, delivered: 120_000, recovered: 120_000, bystander: 10_000 },
  aloneMs: 2_000,
  lostJobCount: 0,
  falseClaims: [],
  recognisedAs: ["WORKER_EXITED"],
  actions: ["restart_pipeline: effective"],
  expectations: [{ expected: "It gets jobs again by itself.", isMet: true }],
  isPassed: true,
};

describe("a drill", () => {
  it("is passed when every stage came in time, nothing was lost, nothing said falsely, and all was seen", () => {
    expect(isDrillPassed(card)).toBe(true);
  });

  it.each<[string, Partial<ScoreCard>]>([
    ["the owner was told too late", { times: { ...card.times, told: 5_001 } }],
    ["the owner was never told", { times: { ...card.times, told: null } }],
    [
      "nobody measured when there was something to watch",
      { times: { told: 1, delivered: 1, recovered: 1, bystander: 1 } },
    ],
    ["a bystander waited too long", { times: { ...card.times, bystander: 10_001 } }],
    ["a job was lost", { lostJobCount: 1 }],
    ["something was said that was not so", { falseClaims: ["the mode was ready while no worker was connected"] }],
    ["what it shows was not seen", { expectations: [{ expected: "It gets jobs again by itself.", isMet: false }] }],
  ])("is not passed when %s", (_, change) => {
    expect(isDrillPassed({ ...card, ...change })).toBe(false);
  });

  it("needs no stage that has no limit: nobody has to be told of what costs only time", () => {
    const { told: _, ...limits } = card.limits;
    const times = { ...card.times, told: null };
    expect(lateStages({ times, limits })).toEqual([]);
    expect(lateStages({ times, limits: card.limits })).toEqual(["told"]);
  });
});

describe("a score card on the wire", () => {
  it("has each stage with its time and its limit, and fits its schema", () => {
    const wire = scoreCardSchema.parse(toScoreCard({ ...card, times: { ...card.times, told: null } }));
    expect(wire.stages.told).toEqual({ took_ms: null, within_ms: 5_000, late: true });
    expect(wire.stages.bystander).toEqual({ took_ms: 8_000, within_ms: 10_000, late: false });
    expect(wire).toMatchObject({ alone_ms: 2_000, took_ms: 60_000, expectations: [{ met: true }] });
  });
});

describe("a score card for people", () => {
  const linesOf = (change: Partial<ScoreCard>): string => cardLines(toScoreCard({ ...card, ...change })).join("\n");

  it("tells what owners saw, and when", () => {
    const text = linesOf({});
    expect(text).toMatch(/^kill: passed\n/);
    expect(text).toMatch(/owner told +0\.1 s {3}within 5\.0 s\n/);
    expect(text).toMatch(/bystander waited +8\.0 s {3}within 10\.0 s\n +such a job takes 2\.0 s alone/);
    expect(text).toMatch(/\n {2}seen +It gets jobs again by itself\./);
  });

  it("says of a harmless fault that it needs no detection, and not that it was detected in no time", () => {
    const { told: _, ...limits } = card.limits;
    const text = linesOf({ limits, times: { ...card.times, told: null }, recognisedAs: [] });
    expect(text).toContain("needs no detection: the fault costs time and nothing else");
    expect(text).toMatch(/known as +nothing, as it should/);
  });

  it("says what came too late, what never came, and what was not seen", () => {
    const text = linesOf({
      times: { ...card.times, told: 6_000, delivered: null },
      falseClaims: ["a stand-in was called the real result"],
      expectations: [{ expected: "It gets jobs again by itself.", isMet: false }],
      isPassed: false,
    });
    expect(text).toMatch(/^kill: NOT PASSED\n/);
    expect(text).toMatch(/owner told +6\.0 s {3}within 5\.0 s {3}TOO LATE/);
    expect(text).toMatch(/the real video +not reached {3}within 120\.0 s {3}TOO LATE/);
    expect(text).toMatch(/false claims +1\n +a stand-in was called the real result/);
    expect(text).toMatch(/NOT SEEN +It gets jobs/);
  });
});

/** As a released version kept it in the facts of the store. */
const former = {
  drill: "kill",
  startedAtMs: 1_760_114_378_000,
  endedAtMs: 1_760_114_787_200,
  detectedMs: 0,
  answeredMs: 0,
  recoveredMs: 373_200,
  falseClaims: [],
  recognisedAs: ["WORKER_EXITED"],
  actions: ["restart_pipeline: effective"],
  lostJobCount: 0,
  targets: { detectedMs: 5_000, answeredMs: 5_000, recoveredMs: 120_000 },
  isPassed: false,
};

describe("a card of a former version", () => {
  it("tells its recovery and its verdict; of what owners saw it says that nobody measured it", () => {
    const wire = scoreCardSchema.parse(toScoreCard(readCard(former)));
    expect(wire).toMatchObject({ passed: false, stages: { recovered: { took_ms: 373_200, within_ms: 120_000 } } });
    expect(wire.stages.told).toEqual({ late: false });
    expect(cardLines(wire).join("\n")).toMatch(/owner told +not measured\n/);
  });

  it("of this version comes back as it was kept", () => {
    expect(readCard(card)).toBe(card);
  });
});
