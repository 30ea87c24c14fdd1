import { describe, expect, it } from "vitest";
import type { FaultClass } from "../../src/core/words.ts";
import { classify } from "../../src/recovery/classify.ts";
import { libraryErrorNames, libraryFailure } from "../../src/workers/simulator/library-errors.ts";

const classOf: Readonly<Record<string, FaultClass>> = {
  // A real failure that no table names: it stays unknown, and an experiment says whose it is.
  "tensor-size": "unknown",
  request: "request",
  "model-file": "modelFile",
  "no-weights": "modelFile",
  "oom-virtual-space": "outOfVirtualSpace",
  "memory-fault": "gpuMemoryFault",
  "gpu-lost": "gpuLost",
  "reset-required": "gpuResetRequired",
  driver: "driver",
  "host-alloc": "hostAllocation",
  "disk-full": "diskFull",
  network: "network",
  offline: "offlineMode",
  gated: "authentication",
  "not-found": "notFound",
  "missing-package": "missingDependency",
  "offload-conflict": "offloadConflict",
  nccl: "multiGpu",
};

describe("an error of a library that the simulator plays", () => {
  it.each([...libraryErrorNames])("%s is known by its own words, also where the device answers no more", (name) => {
    let isPoisoned = false;
    const { exceptionType, message } = libraryFailure(name, () => {
      isPoisoned = true;
    });
    const workerFailure = {
      phase: "denoise",
      step: 1,
      exceptionType,
      message,
      causes: [],
      deviceUsable: !isPoisoned,
      memory: null,
    } as const;
    expect(classify({ workerFailure })).toMatchObject({ faultClass: classOf[name] });
  });
});
