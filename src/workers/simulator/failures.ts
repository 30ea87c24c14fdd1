/**
 * The errors of a simulated worker, worded as the real libraries word theirs, so that the same judges recognise them.
 */
import { messageOf } from "../../core/errors.ts";
import type { WorkerFailure } from "../../core/fault.ts";
import { OutOfMemory, type SimulatedDevice } from "./device.ts";

/** A failure with the words that the real libraries use. */
export class SimulatedFailure extends Error {
  readonly exceptionType: string;
  constructor(exceptionType: string, message: string) {
    super(message);
    this.exceptionType = exceptionType;
  }
}

/** The device is taken: nothing has changed, and the caller may ask later. */
export class Busy extends Error {}

export function contextLost(): SimulatedFailure {
  return new SimulatedFailure(
    "torch.AcceleratorError",
    "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported at some other API call",
  );
}

function exceptionTypeOf(thrown: unknown): string {
  if (thrown instanceof OutOfMemory) return "torch.OutOfMemoryError";
  return thrown instanceof SimulatedFailure ? thrown.exceptionType : "RuntimeError";
}

function causesOf(thrown: unknown): string[] {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause === undefined ? [] : [messageOf(cause), ...causesOf(cause)];
}

export interface FailurePlace {
  readonly phase: WorkerFailure["phase"];
  readonly step: number | null;
  readonly isPoisoned: boolean;
}

export function failureOf(
  thrown: unknown,
  device: SimulatedDevice,
  { phase, step, isPoisoned }: FailurePlace,
): WorkerFailure {
  return {
    phase,
    step,
    exceptionType: exceptionTypeOf(thrown),
    message: messageOf(thrown),
    causes: causesOf(thrown),
    deviceUsable: !isPoisoned,
    memory: device.memory(),
  };
}
