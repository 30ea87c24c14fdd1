import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gibibyte } from "../../src/core/units.ts";
import { failureTypes, recoveryActions } from "../../src/core/words.ts";
import { classify, faultOfOrder } from "../../src/recovery/classify.ts";
import { defaultLadders, validateLadders } from "../../src/recovery/ladders.ts";
import { chooseRung, type RungFacts, reasonToSkip, unknownFacts } from "../../src/recovery/preconditions.ts";
import { machineTexts } from "./recovery-raw-machines.ts";
import { failure, memoryTexts } from "./recovery-raw-makers.ts";
import { requestTexts } from "./recovery-raw-requests.ts";

const rawTexts = [...requestTexts, ...machineTexts];

const crash = classify({ exitSignal: "SIGSEGV" });
const shortage = classify({ message: "CUDA out of memory" });
const poisoned = classify({ exitCode: 75 });
const gated = classify({ message: "Cannot access gated repo for url https://h/x" });
const facts = (known: Partial<RungFacts>): RungFacts => ({ ...unknownFacts, ...known });

describe("ladders", () => {
  it.each([
    ["model_loading_failure", "clear_gpu_cache retry_model_download apply_vram_optimization fallback_to_mock"],
    [
      "vram_exhaustion",
      "clear_gpu_cache apply_vram_optimization enable_cpu_offload reduce_generation_params fallback_to_mock",
    ],
    ["generation_pipeline_error", "clear_gpu_cache restart_pipeline apply_vram_optimization fallback_to_mock"],
    ["hardware_optimization_failure", "system_health_check clear_gpu_cache fallback_to_mock"],
    ["system_resource_error", "system_health_check clear_gpu_cache fallback_to_mock"],
    ["network_error", "retry_model_download fallback_to_mock"],
  ] as const)("of %s are climbed in the predecessor's order", (type, rungs) => {
    expect(defaultLadders[type].join(" ")).toBe(rungs);
  });
  it.each(failureTypes)("the default ladder of %s can be climbed", (type) => {
    expect(validateLadders({ [type]: defaultLadders[type] }).kind).toBe("valid");
  });
  it("keep the defaults of the types that are not configured", () => {
    const check = validateLadders({ network_error: ["fallback_to_mock"] });
    expect(check).toEqual({ kind: "valid", ladders: { ...defaultLadders, network_error: ["fallback_to_mock"] } });
  });
  it.each([
    [
      "an unknown action, with the nearest known one",
      { network_error: ["retry_model_downlaod", "fallback_to_mock"] },
      'The ladder of network_error names an unknown action "retry_model_downlaod"; write "retry_model_download" instead, or another of',
    ],
    [
      "an unknown action that is near none",
      { network_error: ["pray", "fallback_to_mock"] },
      'names an unknown action "pray"; write one of fallback_to_mock, retry_model_download,',
    ],
    [
      "a ladder without the stand-in at its end",
      { network_error: ["retry_model_download", "clear_gpu_cache"] },
      'must end in fallback_to_mock, so that somebody always answers; write ["retry_model_download","clear_gpu_cache","fallback_to_mock"].',
    ],
    [
      "a stand-in that is not at the end",
      { network_error: ["fallback_to_mock", "retry_model_download"] },
      'write ["retry_model_download","fallback_to_mock"].',
    ],
    [
      "an empty ladder",
      { network_error: [] },
      'The ladder of network_error is empty; write at least ["fallback_to_mock"], or leave it out to keep the built-in one.',
    ],
    [
      "a rung three times",
      { network_error: ["clear_gpu_cache", "clear_gpu_cache", "clear_gpu_cache", "fallback_to_mock"] },
      'names "clear_gpu_cache" 3 times; a rung that did not help is not tried again in the same climb: keep the first.',
    ],
    [
      "the stand-in twice",
      { network_error: ["fallback_to_mock", "clear_gpu_cache", "fallback_to_mock"] },
      'names "fallback_to_mock" 2 times; a rung that did not help is not tried again in the same climb: keep the one at the end.',
    ],
    [
      "an unknown failure type, with the nearest known one",
      { network_eror: ["fallback_to_mock"] },
      'There is no failure type "network_eror"; write "network_error" instead, or another of',
    ],
    [
      "an unknown failure type that is near none",
      { bad_weather: ["fallback_to_mock"] },
      'no failure type "bad_weather"; write one of',
    ],
  ])("are refused with a sentence for %s", (_, configured, sentence) => {
    const check = validateLadders(configured);
    expect(check.kind === "refused" ? check.problems.join(" ") : check).toContain(sentence);
  });
  it("are refused once for everything that is wrong with them, not one thing at a time", () => {
    const check = validateLadders({
      network_error: ["pray", "clear_gpu_cache", "clear_gpu_cache"],
      vram_exhaustion: [],
    });
    expect(check.kind === "refused" ? check.problems.length : 0).toBe(4);
  });
  it("that are accepted can be climbed: known rungs, each once, the stand-in at the end", () => {
    const rungs = fc.array(fc.oneof(fc.constantFrom(...recoveryActions), fc.constant("pray")), { maxLength: 6 });
    fc.assert(
      fc.property(rungs, (network_error) => {
        const check = validateLadders({ network_error });
        const isClimbable =
          network_error.every((rung) => (recoveryActions as readonly string[]).includes(rung)) &&
          new Set(network_error).size === network_error.length &&
          network_error.at(-1) === "fallback_to_mock";
        expect(check.kind).toBe(isClimbable ? "valid" : "refused");
        if (check.kind === "valid") expect(check.ladders.network_error).toEqual(network_error);
        else for (const problem of check.problems) expect(problem).toMatch(/^(?:The|There) .*(?:write|keep) .*\.$/);
      }),
    );
  });
});

describe("preconditions", () => {
  it.each(["clear_gpu_cache", "apply_vram_optimization", "enable_cpu_offload", "reduce_generation_params"] as const)(
    "skip %s in a process whose device context is poisoned",
    (action) => {
      expect(reasonToSkip(action, poisoned, unknownFacts)).toContain("poisoned");
      expect(reasonToSkip(action, shortage, unknownFacts)).toBeNull();
    },
  );
  it.each([
    [
      "a cache clear when nothing is reserved",
      "clear_gpu_cache",
      facts({ reservedUnallocatedBytes: 0 }),
      "no unused memory",
    ],
    [
      "a cache clear that frees less than what is needed",
      "clear_gpu_cache",
      facts({ reservedUnallocatedBytes: 5, neededBytes: 6 }),
      "less than",
    ],
    [
      "a cache clear when a neighbour holds the memory",
      "clear_gpu_cache",
      facts({ isNeighbourToBlame: true }),
      "other processes",
    ],
    ["offload in the leanest profile", "enable_cpu_offload", facts({ hasLeanerProfile: false }), "leanest"],
    ["a reduction without consent", "reduce_generation_params", facts({ hasConsentedReduction: false }), "consents"],
    [
      "what the worker does not offer",
      "apply_vram_optimization",
      facts({ supportedActions: ["clear_gpu_cache"] }),
      "does not offer",
    ],
    [
      "what lacks a package here",
      "apply_vram_optimization",
      facts({ unavailableActions: ["apply_vram_optimization"] }),
      "package",
    ],
    [
      "a download of what nothing offers for download",
      "retry_model_download",
      facts({ canFetchFiles: false }),
      "local folder",
    ],
    ["anything inside a worker that is away", "clear_gpu_cache", facts({ isWorkerConnected: false }), "not connected"],
  ] as const)("skip %s", (_, action, known, reason) => {
    expect(reasonToSkip(action, shortage, known)).toContain(reason);
  });
  it("skip a cache clear for what is none of memory", () => {
    expect(reasonToSkip("clear_gpu_cache", crash, unknownFacts)).toContain("none of the card's memory");
    expect(reasonToSkip("clear_gpu_cache", faultOfOrder("vram_exhaustion"), unknownFacts)).toBeNull();
    expect(reasonToSkip("clear_gpu_cache", faultOfOrder("network_error"), unknownFacts)).not.toBeNull();
  });
  it("skip a download that only an operator can make possible", () => {
    expect(reasonToSkip("retry_model_download", gated, unknownFacts)).toContain("licence");
    expect(
      reasonToSkip("retry_model_download", classify({ message: "Error while deserializing header: x" }), unknownFacts),
    ).toBeNull();
  });
  it.each([
    ["a gated model", gated, "licence"],
    ["a wrong configuration of the worker", classify({ exitCode: 78 }), "Correct the worker's configuration."],
  ])("skip everything but a measurement and the stand-in for %s: only a person can help", (_, fault, sentence) => {
    for (const action of recoveryActions) {
      const reason = reasonToSkip(action, fault, unknownFacts);
      if (action === "system_health_check" || action === "fallback_to_mock") expect(reason).toBeNull();
      else expect(reason).toContain(sentence);
    }
  });
  it.each([
    [
      "an offload to a host without memory",
      "enable_cpu_offload",
      classify({ exitSignal: "SIGKILL", oomKillCount: 1 }),
      "host lacks memory",
    ],
    ["a download to a full disk", "retry_model_download", classify({ errorNumber: "ENOSPC" }), "needs room first"],
    [
      "a download for a poisoned context",
      "retry_model_download",
      classify({ exitCode: 75, phase: "load" }),
      "not the cause",
    ],
    ["a restart on a lost card", "restart_pipeline", classify({ gpu: { smiExitCode: 15 } }), "Reboot the host"],
    ["a restart without a driver", "restart_pipeline", classify({ gpu: { smiExitCode: 9 } }), "Repair the GPU driver"],
  ] as const)("skip %s", (_, action, fault, reason) => {
    expect(reasonToSkip(action, fault, unknownFacts)).toContain(reason);
    expect(reasonToSkip(action, crash, unknownFacts)).toBeNull();
  });
  it("never skip a restart because of a context that a new process does not have", () => {
    expect(reasonToSkip("restart_pipeline", poisoned, unknownFacts)).toBeNull();
    const missingPackage = classify({ message: "ModuleNotFoundError: No module named 'sageattention'" });
    expect(missingPackage.operatorAction).not.toBeNull();
    expect(reasonToSkip("restart_pipeline", missingPackage, unknownFacts)).toBeNull();
    expect(reasonToSkip("restart_pipeline", classify({ message: "NCCL error in: x.cpp:1" }), unknownFacts)).toBeNull();
  });
  it.each([
    [
      "a cache clear by the failure's own numbers",
      "clear_gpu_cache",
      memoryTexts.present,
      "denoise",
      "1.2 GiB of the 16.5 GiB that are missing",
    ],
    [
      "a cache clear while a neighbour holds the card",
      "clear_gpu_cache",
      memoryTexts.neighbour,
      "denoise",
      "other processes hold the memory",
    ],
    [
      "a cache clear against a want of addresses",
      "clear_gpu_cache",
      memoryTexts.addressSpace,
      "denoise",
      "address space",
    ],
    [
      "a leaner profile where even no model would not make room",
      "enable_cpu_offload",
      memoryTexts.rocm,
      "denoise",
      "with no model at all",
    ],
    [
      "a smaller request where the model itself does not fit",
      "reduce_generation_params",
      memoryTexts.present,
      "load",
      "the model itself",
    ],
  ] as const)("skip %s", (_, action, message, phase, reason) => {
    const fault = classify(failure("torch.OutOfMemoryError", message, { phase }));
    expect(reasonToSkip(action, fault, unknownFacts)).toContain(reason);
  });
  it("believe a fresh measurement of the cache before the numbers of the failure", () => {
    const fault = classify(failure("torch.OutOfMemoryError", memoryTexts.present));
    expect(
      reasonToSkip(
        "clear_gpu_cache",
        fault,
        facts({ reservedUnallocatedBytes: 30 * gibibyte, neededBytes: 16 * gibibyte }),
      ),
    ).toBeNull();
  });
  it("say each reason in a sentence that the page can show", () => {
    for (const [, , evidence] of rawTexts)
      for (const action of recoveryActions) {
        const reason = reasonToSkip(
          action,
          classify(evidence),
          facts({ isWorkerConnected: false, hasLeanerProfile: false }),
        );
        expect(reason ?? "it may help").toMatch(/\w+ \w+ \w+/);
      }
  });
  it("skip nothing because of something that was not measured", () => {
    for (const rung of defaultLadders.vram_exhaustion) expect(reasonToSkip(rung, shortage, unknownFacts)).toBeNull();
  });
  it("never skip the stand-in, whatever is known", () => {
    const worst = facts({
      isWorkerConnected: false,
      hasLeanerProfile: false,
      hasConsentedReduction: false,
      supportedActions: [],
    });
    expect(chooseRung(defaultLadders.vram_exhaustion, 0, poisoned, worst)).toMatchObject({
      action: "fallback_to_mock",
      rungIndex: 4,
    });
  });
  it("choose the next rung that can help, and name those passed over", () => {
    const choice = chooseRung(defaultLadders.generation_pipeline_error, 0, poisoned, unknownFacts);
    expect(choice).toMatchObject({
      action: "restart_pipeline",
      isHeavy: true,
      rungIndex: 1,
      skipped: [{ action: "clear_gpu_cache" }],
    });
    expect(chooseRung(defaultLadders.generation_pipeline_error, 2, poisoned, unknownFacts).action).toBe(
      "fallback_to_mock",
    );
  });
});
