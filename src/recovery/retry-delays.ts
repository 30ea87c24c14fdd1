/**
 * How often something is tried before it counts as failed, and after which waits. Waits are jittered, so that workers
 * that failed together do not return together.
 */
import { secondMs } from "../core/units.ts";

export interface RetryTable {
  /** Tries in all, the first one included. */
  readonly tryCount: number;
  readonly firstMs: number;
  readonly factor: number;
  readonly longestMs: number;
}

/**
 * Only downloads and loads are tried again by themselves: their causes pass. A restart and a setting are tried once.
 */
export const retryTables = {
  model_download: { tryCount: 3, firstMs: 5 * secondMs, factor: 2, longestMs: 60 * secondMs },
  model_loading: { tryCount: 2, firstMs: 2 * secondMs, factor: 1.5, longestMs: 10 * secondMs },
} as const satisfies Record<string, RetryTable>;

/** Share by which a wait may be moved, so that many callers do not come back at once. */
export const retryJitterRatio = 0.2;

/**
 * The wait after the `failedCount`-th try has failed, or null when none is left. `draw` in [0, 1) moves it by at most
 * ± 20 %, never beyond the table's longest.
 */
export function retryDelayMs(table: RetryTable, failedCount: number, draw: number): number | null {
  const { tryCount, firstMs, factor, longestMs } = table;
  if (failedCount < 1 || failedCount >= tryCount) return null;
  const plainMs = Math.min(firstMs * factor ** (failedCount - 1), longestMs);
  return Math.min(Math.round(plainMs * (1 + (draw * 2 - 1) * retryJitterRatio)), longestMs);
}
