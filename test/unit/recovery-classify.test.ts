import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../../src/core/error-codes.ts";
import type { Attribution, FailureType, FaultClass } from "../../src/core/words.ts";
import { countsAgainstWorker } from "../../src/recovery/breaker.ts";
import { classify, recognise } from "../../src/recovery/classify.ts";
import { faultClasses } from "../../src/recovery/fault-classes.ts";
import {
  chosenExitCodes,
  errorNumberClasses,
  hubErrorCodes,
  hubStatuses,
  nvmlCodes,
  ownErrorClasses,
  shellSignals,
  smiExitCodes,
  workerStatuses,
} from "../../src/recovery/fault-numbers.ts";
import { faultSignatures } from "../../src/recovery/fault-signatures.ts";
import { listedKernelLines, listedStrings, listedTypes } from "./recovery-listed-strings.ts";
import { machineTexts } from "./recovery-raw-machines.ts";
import { failure } from "./recovery-raw-makers.ts";
import { requestTexts } from "./recovery-raw-requests.ts";

const rawTexts = [...requestTexts, ...machineTexts];

type Flag = "poisoned" | "final" | "person";
/** Code, attribution and failure type of each class, and the flags that are not at rest. */
const expected: Readonly<Record<FaultClass, readonly [ErrorCode, Attribution, FailureType | null, ...Flag[]]>> = {
  request: ["REQUEST_INVALID", "request", null, "final"],
  loraUnsupported: ["LORA_UNSUPPORTED", "request", null, "final"],
  modelFile: ["MODEL_FILE_CORRUPT", "model", "model_loading_failure"],
  authentication: ["MODEL_NOT_AVAILABLE", "configuration", "model_loading_failure", "final", "person"],
  notFound: ["MODEL_NOT_AVAILABLE", "configuration", "model_loading_failure", "final", "person"],
  offlineMode: ["MODEL_NOT_AVAILABLE", "configuration", "model_loading_failure", "final", "person"],
  outOfMemory: ["GPU_OUT_OF_MEMORY", "gpu", "vram_exhaustion"],
  outOfMemoryFragmented: ["GPU_OUT_OF_MEMORY", "gpu", "vram_exhaustion"],
  outOfVirtualSpace: ["GPU_OUT_OF_MEMORY", "worker", "vram_exhaustion"],
  outOfMemoryNeighbour: ["GPU_OUT_OF_MEMORY", "host", "vram_exhaustion"],
  contextPoisoned: ["GPU_CONTEXT_POISONED", "gpu", "generation_pipeline_error", "poisoned"],
  multiGpu: ["GPU_LINK_FAILED", "gpu", "generation_pipeline_error", "poisoned"],
  gpuMemoryFault: ["GPU_MEMORY_FAULT", "gpu", "system_resource_error", "poisoned"],
  gpuLost: ["GPU_LOST", "gpu", "system_resource_error", "poisoned", "person"],
  gpuResetRequired: ["GPU_RESET_REQUIRED", "gpu", "system_resource_error", "poisoned", "person"],
  gpuHardware: ["GPU_HARDWARE", "gpu", "system_resource_error", "poisoned", "person"],
  driver: ["GPU_DRIVER_FAILED", "host", "system_resource_error", "poisoned", "person"],
  thermal: ["GPU_THROTTLED", "gpu", "system_resource_error"],
  hostOomKiller: ["HOST_OUT_OF_MEMORY", "host", "system_resource_error"],
  hostAllocation: ["HOST_OUT_OF_MEMORY", "host", "system_resource_error"],
  diskFull: ["DISK_FULL", "host", "system_resource_error"],
  network: ["NETWORK_UNREACHABLE", "network", "network_error"],
  missingDependency: ["OPTIMIZATION_UNAVAILABLE", "configuration", "hardware_optimization_failure", "person"],
  offloadConflict: ["OPTIMIZATION_UNAVAILABLE", "configuration", "hardware_optimization_failure"],
  actionNotApplied: ["OPTIMIZATION_UNAVAILABLE", "configuration", "hardware_optimization_failure"],
  onProcessor: ["OPTIMIZATION_UNAVAILABLE", "configuration", "hardware_optimization_failure"],
  workerConfiguration: ["WORKER_CONFIGURATION", "configuration", "generation_pipeline_error", "final", "person"],
  protocolMismatch: ["WORKER_PROTOCOL_MISMATCH", "configuration", "generation_pipeline_error", "final", "person"],
  crashBySignal: ["WORKER_EXITED", "worker", "generation_pipeline_error"],
  workerExit: ["WORKER_EXITED", "worker", "generation_pipeline_error"],
  ownStop: ["WORKER_EXITED", "configuration", null],
  silence: ["WORKER_SILENT", "worker", "generation_pipeline_error"],
  stall: ["WORKER_STALLED", "worker", "generation_pipeline_error"],
  badOutput: ["OUTPUT_INVALID", "model", "generation_pipeline_error"],
  unknown: ["WORKER_ERROR", "worker", "generation_pipeline_error"],
};
const classes = Object.keys(faultClasses) as FaultClass[];
/** A text with something in the place of each gap. */
const filled = (template: string): string => template.replaceAll("…", " something ");

describe("classify", () => {
  it.each(rawTexts)("knows %s as %s", (_, faultClass, evidence) => {
    expect(recognise(evidence).faultClass).toBe(faultClass);
    const [code, attribution, ofPipeline, ...flags] = expected[faultClass];
    const phase = evidence.phase ?? evidence.workerFailure?.phase;
    const failureType =
      ofPipeline === "generation_pipeline_error" && phase === "load" ? "model_loading_failure" : ofPipeline;
    const fault = classify(evidence);
    expect(fault).toMatchObject({ code, attribution, failureType, evidence });
    expect(fault.contextPoisoned, "contextPoisoned").toBe(flags.includes("poisoned"));
    expect(fault.retryable, "retryable").toBe(!flags.includes("final"));
    expect(fault.operatorAction !== null, "operatorAction").toBe(flags.includes("person"));
    expect(fault.confidence > 0 && fault.confidence <= 1).toBe(faultClass !== "unknown");
    expect(fault.decidedBy).not.toBe("");
    expect(fault.message).not.toBe("");
  });
  it("has a raw text for every class", () => {
    const tried = new Set(rawTexts.map(([, faultClass]) => faultClass));
    expect(classes.filter((faultClass) => !tried.has(faultClass))).toEqual([]);
  });
  it.each(listedStrings.flatMap(([faultClass, texts]) => texts.map((text) => [text, faultClass] as const)))(
    "knows a message that begins with %j as %s, alone or behind its type",
    (text, faultClass) => {
      expect(recognise({ message: text }).faultClass).toBe(faultClass);
      expect(recognise({ message: `RuntimeError: ${text}` }).faultClass).toBe(faultClass);
      expect(recognise(failure("RuntimeError", text)).faultClass).toBe(faultClass);
      expect(recognise(failure("WrapperError", "it failed", { causes: [`OSError: ${text}`] })).faultClass).toBe(
        faultClass,
      );
    },
  );
  it.each(listedTypes.flatMap(([faultClass, types]) => types.map((type) => [type, faultClass] as const)))(
    "knows %s by its name alone as %s",
    (type, faultClass) => {
      expect(recognise(failure(type, "")).faultClass).toBe(faultClass);
      expect(recognise(failure("OSError", "", { causes: [`${type}('x')`] })).faultClass).toBe(faultClass);
    },
  );
  it.each(listedKernelLines)("knows as %s the kernel's line %j", (faultClass, line) => {
    expect(recognise({ kernelLog: `[ 0.100000] usb 1-1: new device\n${line}\n` }).faultClass).toBe(faultClass);
  });
  it("shadows no row of its table by another", () => {
    for (const { faultClass, texts = [], types = [] } of faultSignatures) {
      for (const text of texts)
        expect([text, recognise({ message: filled(text) }).faultClass]).toEqual([text, faultClass]);
      for (const type of types) expect([type, recognise(failure(type, "")).faultClass]).toEqual([type, faultClass]);
    }
  });
});

describe("numbers", () => {
  it.each(Object.entries(chosenExitCodes))("an exit with %s is %s", (code, faultClass) => {
    expect(recognise({ exitCode: Number(code) }).faultClass).toBe(faultClass);
  });
  it.each(Object.entries(shellSignals))("an exit with %s behind a shell tells of %s", (code, signal) => {
    expect(recognise({ exitCode: Number(code) })).toEqual(recognise({ exitSignal: signal }));
  });
  it.each(Object.entries(errorNumberClasses))("%s is %s", (errorNumber, faultClass) => {
    expect(recognise({ errorNumber }).faultClass).toBe(faultClass);
  });
  it.each(Object.entries(hubStatuses))("status %s of the hub is %s", (status, faultClass) => {
    expect(recognise({ http: { from: "hub", status: Number(status) } }).faultClass).toBe(faultClass);
  });
  it.each(Object.entries(hubErrorCodes))("the hub's %s is %s, whatever its status", (errorCode, faultClass) => {
    expect(recognise({ http: { from: "hub", status: 401, errorCode } }).faultClass).toBe(faultClass);
  });
  it.each(Object.entries(workerStatuses))("status %s of a worker is %s", (status, faultClass) => {
    expect(recognise({ http: { from: "worker", status: Number(status) } }).faultClass).toBe(faultClass);
  });
  it("status 500 and a body that is no refusal say nothing", () => {
    expect(recognise({ http: { from: "worker", status: 500 } }).faultClass).toBe("unknown");
    expect(recognise({ http: { from: "worker", status: 400, body: "{not json" } }).faultClass).toBe("unknown");
    expect(recognise({ http: { from: "worker", status: 400, body: "[1]" } }).faultClass).toBe("unknown");
  });
  it.each(Object.entries(smiExitCodes))("nvidia-smi's exit code %s is %o", (code, { faultClass, meaning }) => {
    expect(recognise({ gpu: { smiExitCode: Number(code) } })).toMatchObject({
      faultClass,
      decidedBy: expect.stringContaining(meaning),
    });
  });
  it.each(Object.entries(nvmlCodes))("NVML's code %s is %o", (code, { faultClass, meaning }) => {
    expect(recognise({ gpu: { nvmlCode: Number(code) } })).toMatchObject({
      faultClass,
      decidedBy: expect.stringContaining(meaning),
    });
  });
  it("success, a caller's mistake and what is normal under load are no faults of the machine", () => {
    expect(
      recognise({
        gpu: { smiExitCode: 0, nvmlCode: 0, throttleMask: 0x4, missingDeviceCount: 0, recoveryAction: "None" },
      }).faultClass,
    ).toBe("unknown");
    expect(recognise({ gpu: { smiExitCode: 2 } }).faultClass).toBe("unknown");
  });
  it.each(Object.entries(ownErrorClasses))("this program's own %s is %s", (errorCode, faultClass) => {
    expect(recognise({ errorCode: errorCode as ErrorCode }).faultClass).toBe(faultClass);
  });
});

describe("a fault", () => {
  it("keeps the raw evidence of what nobody knows, and treats it as an error of the pipeline", () => {
    const evidence = failure("FooError", "the moon is full");
    expect(classify(evidence)).toMatchObject({
      code: "WORKER_ERROR",
      confidence: 0,
      failureType: "generation_pipeline_error",
      evidence,
    });
  });
  it("of a request ends the job with the library's own sentence and touches nothing else", () => {
    const fault = classify(
      failure("ValueError", "`height` and `width` have to be divisible by 16 but are 850 and 480."),
    );
    expect(fault).toMatchObject({ failureType: null, retryable: false, contextPoisoned: false, operatorAction: null });
    expect(fault.message).toBe("`height` and `width` have to be divisible by 16 but are 850 and 480.");
    expect(countsAgainstWorker(fault)).toBe(false);
  });
  it("of a refused workflow names node and input, and none of the request's values", () => {
    const refused = rawTexts.find(([what]) => what.startsWith("a value below"))?.[2] ?? {};
    expect(classify(refused).message).toBe(
      "the workflow was refused: prompt_outputs_failed_validation; KSampler.steps: value_smaller_than_min",
    );
  });
  it("of a crash in the loading phase is a loading failure", () => {
    expect(classify({ exitSignal: "SIGSEGV", phase: "load" }).failureType).toBe("model_loading_failure");
    expect(classify({ exitSignal: "SIGSEGV", phase: "denoise" }).failureType).toBe("generation_pipeline_error");
  });
  it("speaks against the worker only where worker, card or model are to blame", () => {
    const counted = classes.filter((faultClass) => countsAgainstWorker(faultClasses[faultClass]));
    const innocent = [
      "request",
      "authentication",
      "notFound",
      "offlineMode",
      "outOfMemoryNeighbour",
      "driver",
      "diskFull",
      "network",
    ];
    expect(
      counted.filter((faultClass) => [...innocent, "hostOomKiller", "hostAllocation", "ownStop"].includes(faultClass)),
    ).toEqual([]);
    expect(counted).toEqual(
      expect.arrayContaining(["contextPoisoned", "crashBySignal", "stall", "modelFile", "unknown"]),
    );
  });
});
