import { describe, expect, it } from "vitest";
import { failureTypes } from "../../src/core/words.ts";
import { classify } from "../../src/recovery/classify.ts";
import { defaultLadders, validateLadders } from "../../src/recovery/ladders.ts";
import { chooseRung, type RungFacts, reasonToSkip, unknownFacts } from "../../src/recovery/preconditions.ts";

const crash = classify({ exitSignal: "SIGSEGV" });
const poisoned = classify({ exitCode: 75 });
const gated = classify({ message: "Cannot access gated repo for url https://h/x" });
const facts = (known: Partial<RungFacts>): RungFacts => ({ ...unknownFacts, ...known });

describe("ladders", () => {
  it.each(failureTypes)("the default ladder of %s can be climbed", (type) => {
    expect(validateLadders({ [type]: defaultLadders[type] }).kind).toBe("valid");
  });
  it("keep the defaults of the types that are not configured", () => {
    const check = validateLadders({ network_error: ["fallback_to_mock"] });
    expect(check).toEqual({ kind: "valid", ladders: { ...defaultLadders, network_error: ["fallback_to_mock"] } });
  });
  it.each([
    ["an unknown action", { network_error: ["pray", "fallback_to_mock"] }, 'unknown action "pray"'],
    [
      "a ladder without the stand-in at its end",
      { network_error: ["fallback_to_mock", "retry_model_download"] },
      "must end in fallback_to_mock",
    ],
    ["an empty ladder", { network_error: [] }, "must end in fallback_to_mock"],
    ["a rung twice", { network_error: ["clear_gpu_cache", "clear_gpu_cache", "fallback_to_mock"] }, "twice"],
    ["an unknown failure type", { bad_weather: ["fallback_to_mock"] }, 'no failure type "bad_weather"'],
  ])("are refused with a sentence for %s", (_, configured, sentence) => {
    const check = validateLadders(configured);
    expect(check.kind === "refused" ? check.problems.join(" ") : check).toContain(sentence);
  });
});

describe("preconditions", () => {
  it.each(["clear_gpu_cache", "apply_vram_optimization", "enable_cpu_offload", "reduce_generation_params"] as const)(
    "skip %s in a process whose device context is poisoned",
    (action) => {
      expect(reasonToSkip(action, poisoned, unknownFacts)).toContain("poisoned");
      expect(reasonToSkip(action, crash, unknownFacts)).toBeNull();
    },
  );
  it.each([
    ["a cache clear when nothing is reserved", "clear_gpu_cache", facts({ reservedUnallocatedBytes: 0 }), "no unused memory"],
    [
      "a cache clear that frees less than what is needed",
      "clear_gpu_cache",
      facts({ reservedUnallocatedBytes: 5, neededBytes: 6 }),
      "less than",
    ],
    ["a cache clear when a neighbour holds the memory", "clear_gpu_cache", facts({ isNeighbourToBlame: true }), "other processes"],
    ["offload in the leanest profile", "enable_cpu_offload", facts({ hasLeanerProfile: false }), "leanest"],
    ["a reduction without consent", "reduce_generation_params", facts({ hasConsentedReduction: false }), "consents"],
    ["what the worker does not offer", "apply_vram_optimization", facts({ supportedActions: ["clear_gpu_cache"] }), "does not offer"],
    ["what lacks a package here", "apply_vram_optimization", facts({ unavailableActions: ["apply_vram_optimization"] }), "package"],
    ["anything inside a worker that is away", "clear_gpu_cache", facts({ isWorkerConnected: false }), "not connected"],
  ] as const)("skip %s", (_, action, known, reason) => {
    expect(reasonToSkip(action, crash, known)).toContain(reason);
  });
  it("skip a download that only an operator can make possible", () => {
    expect(reasonToSkip("retry_model_download", gated, unknownFacts)).toContain("licence");
    expect(reasonToSkip("retry_model_download", classify({ message: "Error while deserializing header: x" }), unknownFacts)).toBeNull();
  });
  it("skip nothing because of something that was not measured", () => {
    for (const rung of defaultLadders.vram_exhaustion) expect(reasonToSkip(rung, crash, unknownFacts)).toBeNull();
  });
  it("never skip the stand-in, whatever is known", () => {
    const worst = facts({ isWorkerConnected: false, hasLeanerProfile: false, hasConsentedReduction: false, supportedActions: [] });
    expect(chooseRung(defaultLadders.vram_exhaustion, 0, poisoned, worst)).toMatchObject({ action: "fallback_to_mock", rungIndex: 4 });
  });
  it("choose the next rung that can help, and name those passed over", () => {
    const choice = chooseRung(defaultLadders.generation_pipeline_error, 0, poisoned, unknownFacts);
    expect(choice).toMatchObject({ action: "restart_pipeline", isHeavy: true, rungIndex: 1, skipped: [{ action: "clear_gpu_cache" }] });
    expect(chooseRung(defaultLadders.generation_pipeline_error, 2, poisoned, unknownFacts).action).toBe("fallback_to_mock");
  });
});
