import { describe, expect, it } from "vitest";
import { createSeededChance } from "../../src/core/chance.ts";
import { hourMs } from "../../src/core/units.ts";
import { countsAgainstWorker, openForMs } from "../../src/recovery/breaker.ts";
import { askBudget, isHeavy } from "../../src/recovery/budget.ts";
import { retryDelayMs, retryTables } from "../../src/recovery/retry-delays.ts";
import { lookBackMs } from "../../src/recovery/rung-deadlines.ts";
import { type RecoveryAttempt, recoveryStatistics } from "../../src/recovery/statistics.ts";

describe("the budget of heavy steps", () => {
  it("grants ten in an hour and refuses the eleventh until the first has left the window", () => {
    let spentAtMs: readonly number[] = [];
    for (let index = 0; index < 10; index += 1) {
      const answer = askBudget(spentAtMs, index * 1_000);
      spentAtMs = answer.kind === "granted" ? answer.spentAtMs : [];
    }
    expect(spentAtMs).toHaveLength(10);
    expect(askBudget(spentAtMs, 20_000)).toEqual({ kind: "refused", retryAtMs: hourMs });
    expect(askBudget(spentAtMs, hourMs)).toMatchObject({ kind: "granted" });
  });
  it("counts spawns, reloads and downloads, and nothing lighter", () => {
    expect((["restart_pipeline", "enable_cpu_offload", "retry_model_download"] as const).every(isHeavy)).toBe(true);
    expect(
      (
        [
          "clear_gpu_cache",
          "apply_vram_optimization",
          "reduce_generation_params",
          "system_health_check",
          "fallback_to_mock",
        ] as const
      ).some(isHeavy),
    ).toBe(false);
  });
});

describe("waits", () => {
  it.each([
    ["a download", retryTables.model_download, [null, 5_000, 10_000, null]],
    ["a load", retryTables.model_loading, [null, 2_000, null]],
    [
      "more tries",
      { ...retryTables.model_download, tryCount: 7 },
      [null, 5_000, 10_000, 20_000, 40_000, 60_000, 60_000, null],
    ],
  ] as const)(
    "between the tries of %s follow the predecessor's table, and there are no more tries than it has",
    (_, table, expected) => {
      expect(expected.map((_wait, failedCount) => retryDelayMs(table, failedCount, 0.5))).toEqual(expected);
      expect(table.tryCount).toBe(expected.length - 1);
    },
  );
  it("are moved by at most a fifth, and never beyond the longest", () => {
    const chance = createSeededChance(7);
    for (let count = 0; count < 500; count += 1) {
      const delayMs = retryDelayMs(retryTables.model_download, 2, chance.next()) ?? 0;
      expect(delayMs).toBeGreaterThanOrEqual(8_000);
      expect(delayMs).toBeLessThanOrEqual(12_000);
    }
  });
  it("of an open breaker double up to half an hour, and of looking back up to ten minutes", () => {
    expect([1, 2, 3, 4, 5, 50].map((count) => openForMs(count) / 1_000)).toEqual([60, 120, 240, 480, 960, 1_800]);
    expect([0, 1, 2, 3, 4, 5, 5_000].map((count) => lookBackMs(count) / 1_000)).toEqual([
      30, 60, 120, 240, 480, 600, 600,
    ]);
  });
  it.each([
    ["worker", true],
    ["gpu", true],
    ["model", true],
    ["request", false],
    ["host", false],
    ["network", false],
    ["configuration", false],
  ] as const)("a fault of the %s counts against the worker: %s", (attribution, expected) => {
    expect(countsAgainstWorker({ attribution })).toBe(expected);
  });
});

describe("the recovery statistics", () => {
  const attempt = (
    action: RecoveryAttempt["rung"]["action"],
    outcome: RecoveryAttempt["rung"]["outcome"],
    tookMs: number,
  ): RecoveryAttempt => ({
    failureType: action === "retry_model_download" ? "network_error" : "vram_exhaustion",
    rung: { action, outcome, startedAtMs: 1_000, endedAtMs: 1_000 + tookMs },
  });
  it("are zero without attempts", () => {
    expect(recoveryStatistics([])).toEqual({
      totalAttempts: 0,
      successfulAttempts: 0,
      successRatePercent: 0,
      averageRecoverySeconds: 0,
      failureTypes: {},
      recoveryActions: {},
    });
  });
  it("count every action that ran, give percent with one decimal and the average of the successful with two", () => {
    const statistics = recoveryStatistics([
      attempt("clear_gpu_cache", "ineffective", 9_000),
      attempt("apply_vram_optimization", "effective", 1_000),
      attempt("fallback_to_mock", "effective", 2_335),
      attempt("retry_model_download", "skipped", 0),
    ]);
    expect(statistics).toMatchObject({
      totalAttempts: 3,
      successfulAttempts: 2,
      successRatePercent: 66.7,
      averageRecoverySeconds: 1.67,
    });
    expect(statistics.failureTypes).toEqual({ vram_exhaustion: { total: 3, successful: 2 } });
    expect(statistics.recoveryActions["fallback_to_mock"]).toEqual({ total: 1, successful: 1 });
  });
  it("never count unknown or failed as successful", () => {
    expect(
      recoveryStatistics([attempt("clear_gpu_cache", "unknown", 1), attempt("clear_gpu_cache", "failed", 1)])
        .successfulAttempts,
    ).toBe(0);
  });
});
