/**
 * What simulated workers say when they fail, in the words of the real libraries, so that the real classifier judges
 * them.
 */
import type { DeviceMemory, WorkerFailure } from "../../src/core/fault.ts";
import { gibibyte } from "../../src/core/units.ts";
import { libraryFailure } from "../../src/workers/simulator/library-errors.ts";
import type { Armed } from "./sim-worker-types.ts";

/** What workers leave behind or report when something breaks. */
export const failureTexts = {
  traceback: `Traceback (most recent call last):
  File "worker/engine.py", line 212, in denoise
    latents = self.step(latents)
RuntimeError: shape mismatch in scheduler state`,
  outOfMemory: {
    exceptionType: "torch.OutOfMemoryError",
    message:
      "CUDA out of memory. Tried to allocate 12.00 GiB. GPU 0 has a total capacity of 80.00 GiB of which 2.00 GiB is free. Of the allocated memory 60.00 GiB is allocated by PyTorch, and 14.00 GiB is reserved by PyTorch but unallocated.",
  },
  garbage: {
    exceptionType: "RuntimeError",
    message: "The output of the transformer holds values that are not finite",
  },
  poisoned: {
    exceptionType: "torch.AcceleratorError",
    message: "CUDA error: an illegal memory access was encountered",
  },
} as const;

/** What an engine of somebody's own says; the classifier knows none of it. */
export const ownErrors = {
  tensor: {
    exceptionType: "RuntimeError",
    message: "The size of tensor a (81) must match the size of tensor b (80) at non-singleton dimension 2",
  },
  attribute: { exceptionType: "AttributeError", message: "'NoneType' object has no attribute 'shape'" },
} as const;

type Said = Pick<WorkerFailure, "exceptionType" | "message" | "deviceUsable">;

/** A library's error by its name, or one of an engine's own. */
export function raisedFailure(errorName: string): Said {
  if (errorName in ownErrors) return { ...ownErrors[errorName as keyof typeof ownErrors], deviceUsable: true };
  let deviceUsable = true;
  const { exceptionType, message } = libraryFailure(errorName, () => {
    deviceUsable = false;
  });
  return { exceptionType, message, deviceUsable };
}

/** What a proof reports that meets such a fault; one that tells nothing in a render tells nothing here. */
export function failureOf({ fault, errorName }: Pick<Armed, "fault" | "errorName">): Said {
  if (fault === "raise" && errorName !== undefined) return raisedFailure(errorName);
  if (fault === "oom") return { ...failureTexts.outOfMemory, deviceUsable: true };
  if (fault === "poison") return { ...failureTexts.poisoned, deviceUsable: false };
  return { exceptionType: "RuntimeError", message: "the phase did not end", deviceUsable: true };
}

const gib = (bytes: number): string => `${(bytes / gibibyte).toFixed(2)} GiB`;

/** The framework's sentence about an allocation that the card does not carry, with the numbers of the moment. */
export function shortageText(wantedBytes: number, memory: DeviceMemory, neighbourBytes: number): string {
  const { totalBytes, freeBytes, reservedBytes, allocatedBytes } = memory;
  return [
    `CUDA out of memory. Tried to allocate ${gib(wantedBytes)}.`,
    `GPU 0 has a total capacity of ${gib(totalBytes)} of which ${gib(freeBytes)} is free.`,
    `Process 77 has ${gib(neighbourBytes)} memory in use.`,
    `Including non-PyTorch memory, this process has ${gib(reservedBytes)} memory in use.`,
    `Of the allocated memory ${gib(allocatedBytes)} is allocated by PyTorch,`,
    `and ${gib(reservedBytes - allocatedBytes)} is reserved by PyTorch but unallocated.`,
  ].join(" ");
}
