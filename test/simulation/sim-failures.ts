/**
 * What simulated workers say when they fail, in the words of the real libraries, so that the real classifier judges
 * them.
 */
import type { DeviceMemory } from "../../src/core/fault.ts";
import { gibibyte } from "../../src/core/units.ts";

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
  poisoned: {
    exceptionType: "torch.AcceleratorError",
    message: "CUDA error: an illegal memory access was encountered",
  },
} as const;

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
