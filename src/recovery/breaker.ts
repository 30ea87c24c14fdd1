/**
 * When a worker was repaired often enough to get no more jobs, and for how long. The circuit breaker machine goes by it.
 */
import type { Fault } from "../core/fault.ts";
import { minuteMs } from "../core/units.ts";
import type { Attribution } from "../core/words.ts";

export interface BreakerLimits {
  /** Repairs within the window that open it. */
  readonly repairCount: number;
  readonly repairWindowMs: number;
  readonly firstOpenMs: number;
  readonly longestOpenMs: number;
}

export const defaultBreakerLimits: BreakerLimits = {
  repairCount: 3,
  repairWindowMs: 10 * minuteMs,
  firstOpenMs: minuteMs,
  longestOpenMs: 30 * minuteMs,
};

const counted: readonly Attribution[] = ["worker", "gpu", "model"];

/** Only what the worker, its card or its model did speaks against the worker; a bad request or a lost network never does. */
export function countsAgainstWorker(fault: Pick<Fault, "attribution">): boolean {
  return counted.includes(fault.attribution);
}

/** Repairs that are still of one spell of trouble. */
export const recentRepairs = (
  repairsAtMs: readonly number[],
  nowMs: number,
  limits: BreakerLimits,
): readonly number[] => repairsAtMs.filter((atMs) => nowMs - atMs < limits.repairWindowMs);

/** How long the breaker stays open the `openingCount`-th time in a row (1 = first). */
export function openForMs(openingCount: number, limits: BreakerLimits = defaultBreakerLimits): number {
  return Math.min(limits.firstOpenMs * 2 ** Math.max(0, openingCount - 1), limits.longestOpenMs);
}
