import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ActionEvidence } from "../../src/core/fault.ts";
import { gibibyte } from "../../src/core/units.ts";
import { type RecoveryAction, recoveryActions } from "../../src/core/words.ts";
import { isRepaired, judgeRung, nothingProven, probesFor, type RungProof } from "../../src/recovery/verdicts.ts";

const proof = (known: Partial<RungProof>): RungProof => ({ ...nothingProven, ...known });
interface Measures {
  readonly free?: readonly [number | null, number | null];
  readonly held?: readonly [number | null, number | null];
  readonly applied?: readonly string[];
}
function evidence({ free = [1, 1], held = [40, 40], applied = ["something"] }: Measures): ActionEvidence {
  const measure = (index: 0 | 1) => {
    const [freeGib, heldGib] = [free[index] ?? null, held[index] ?? null];
    return {
      atMs: 0,
      deviceFreeBytes: freeGib === null ? null : freeGib * gibibyte,
      workerReservedBytes: null,
      workerAllocatedBytes: heldGib === null ? null : heldGib * gibibyte,
    };
  };
  return { action: "clear_gpu_cache", before: measure(0), applied, after: measure(1) };
}
const passed = { canary: "passed", envelope: "passed" } as const;
const needs = (gib: number) => ({ neededBytes: gib * gibibyte });

const rows: readonly (readonly [string, RecoveryAction, ActionEvidence | null, RungProof, string])[] = [
  ["memory rose by what is needed", "clear_gpu_cache", evidence({ free: [1, 9] }), proof(needs(8)), "effective"],
  ["memory rose by less", "clear_gpu_cache", evidence({ free: [1, 8] }), proof(needs(8)), "ineffective"],
  [
    "memory did not move, though a test render passed",
    "clear_gpu_cache",
    evidence({ free: [1, 1] }),
    proof({ ...passed, ...needs(8) }),
    "ineffective",
  ],
  [
    "memory did not move and nobody knows what is needed",
    "clear_gpu_cache",
    evidence({ free: [1, 1] }),
    proof({}),
    "ineffective",
  ],
  ["memory could not be measured", "clear_gpu_cache", evidence({ free: [1, null] }), proof(needs(8)), "unknown"],
  ["no measurement was made", "clear_gpu_cache", null, proof(passed), "unknown"],
  [
    "it was applied and the phase passed",
    "apply_vram_optimization",
    evidence({}),
    proof({ envelope: "passed" }),
    "effective",
  ],
  [
    "it was applied and the phase failed",
    "apply_vram_optimization",
    evidence({}),
    proof({ canary: "passed", envelope: "failed" }),
    "ineffective",
  ],
  ["nothing was applied", "apply_vram_optimization", evidence({ applied: [] }), proof(passed), "ineffective"],
  ["it was applied and nothing was proven", "apply_vram_optimization", evidence({}), proof({}), "unknown"],
  [
    "resident memory fell and both proofs passed",
    "enable_cpu_offload",
    evidence({ held: [40, 10] }),
    proof({ ...passed, hasFailedJob: true }),
    "effective",
  ],
  [
    "resident memory fell, but the phase failed",
    "enable_cpu_offload",
    evidence({ held: [40, 10] }),
    proof({ canary: "passed", envelope: "failed", hasFailedJob: true }),
    "ineffective",
  ],
  [
    "resident memory fell, but the phase did not answer",
    "enable_cpu_offload",
    evidence({ held: [40, 10] }),
    proof({ canary: "passed", hasFailedJob: true }),
    "unknown",
  ],
  [
    "resident memory fell and there is no job",
    "enable_cpu_offload",
    evidence({ held: [40, 10] }),
    proof({ canary: "passed" }),
    "effective",
  ],
  ["resident memory did not fall", "enable_cpu_offload", evidence({ held: [40, 40] }), proof(passed), "ineffective"],
  ["the reload was not measured", "enable_cpu_offload", evidence({ held: [null, 10] }), proof(passed), "unknown"],
  [
    "the smaller request fits and passed",
    "reduce_generation_params",
    evidence({ free: [9, 9] }),
    proof({ envelope: "passed", ...needs(8) }),
    "effective",
  ],
  [
    "the smaller request does not fit either",
    "reduce_generation_params",
    evidence({ free: [7, 7] }),
    proof({ envelope: "passed", ...needs(8) }),
    "ineffective",
  ],
  [
    "the job consents to nothing smaller",
    "reduce_generation_params",
    evidence({ applied: [] }),
    proof(passed),
    "ineffective",
  ],
  ["every file matches", "retry_model_download", null, proof({ filesMatch: true }), "effective"],
  [
    "a file does not match",
    "retry_model_download",
    null,
    proof({ filesMatch: false, canary: "passed" }),
    "ineffective",
  ],
  ["files were not verified", "retry_model_download", null, proof(passed), "unknown"],
  [
    "the new process passed the test render",
    "restart_pipeline",
    null,
    proof({ hasRestarted: true, canary: "passed" }),
    "effective",
  ],
  [
    "the new process failed the test render",
    "restart_pipeline",
    null,
    proof({ hasRestarted: true, canary: "failed" }),
    "ineffective",
  ],
  [
    "there is no new process",
    "restart_pipeline",
    null,
    proof({ hasRestarted: false, canary: "passed" }),
    "ineffective",
  ],
  ["nobody saw a new process", "restart_pipeline", null, proof(passed), "unknown"],
  ["the condition is gone", "system_health_check", null, proof({ isConditionGone: true }), "effective"],
  [
    "the condition persists",
    "system_health_check",
    null,
    proof({ isConditionGone: false, canary: "passed" }),
    "ineffective",
  ],
  ["the condition could not be measured", "system_health_check", null, proof(passed), "unknown"],
  ["nobody waits for a stand-in", "fallback_to_mock", null, proof({ isStandInAwaited: false }), "skipped"],
  ["nobody has seen one yet", "fallback_to_mock", null, proof({ isStandInAwaited: true }), "unknown"],
  ["the stand-in plays", "fallback_to_mock", null, proof({ standInPlays: true }), "effective"],
  ["the stand-in does not play", "fallback_to_mock", null, proof({ standInPlays: false }), "ineffective"],
  ["nobody looked at the stand-in", "fallback_to_mock", null, proof({}), "unknown"],
];

describe("the verdict on a rung", () => {
  it.each(rows)("when %s (%s)", (_, action, measured, proven, outcome) => {
    expect(judgeRung(action, measured, proven).outcome).toBe(outcome);
  });
  it.each(recoveryActions)("of %s is failed when it could not be carried out, whatever was proven", (action) => {
    const proven = proof({
      ...passed,
      filesMatch: true,
      isConditionGone: true,
      hasRestarted: true,
      standInPlays: true,
      actionError: "no",
    });
    expect(judgeRung(action, evidence({ free: [1, 70], held: [40, 1] }), proven)).toEqual({
      outcome: "failed",
      reason: "no",
    });
  });
  it.each(recoveryActions)("of %s is never effective when nothing was proven", (action) => {
    expect(judgeRung(action, evidence({}), nothingProven).outcome).not.toBe("effective");
  });
  it("is written by this one file", () => {
    const source = new URL("../../src/", import.meta.url);
    const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
    const writers = files.filter((file) =>
      /(?:outcome:|verdict\(|\?|:) "effective"/.test(readFileSync(new URL(file, source), "utf8")),
    );
    expect(writers).toEqual(["recovery/verdicts.ts"]);
  });
});

describe("a repair", () => {
  it.each([
    ["the failed phase passes", { envelope: "passed" }, true],
    ["a test render passes where there is no job", { canary: "passed" }, true],
    ["a test render passes, but the failed phase fails again", { canary: "passed", envelope: "failed" }, false],
    ["a test render passes, but the measured condition persists", { canary: "passed", isConditionGone: false }, false],
    ["nothing answers", {}, false],
  ] as const)("when %s: %o is %s", (_, known, expected) => {
    expect(isRepaired(proof(known))).toBe(expected);
  });
  it("of memory is proven with the failed job, that of a process with a test render", () => {
    expect(probesFor("clear_gpu_cache", true)).toEqual({ canary: false, envelope: true });
    expect(probesFor("clear_gpu_cache", false)).toEqual({ canary: true, envelope: false });
    expect(probesFor("restart_pipeline", true)).toEqual({ canary: true, envelope: false });
    expect(probesFor("enable_cpu_offload", true)).toEqual({ canary: true, envelope: true });
  });
});
