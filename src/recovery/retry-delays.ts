/**
 * How often and after which waits something is tried again inside one rung. Waits are jittered, so that workers that
 * failed together do not return together.
 */
import { secondMs } from "../core/units.ts";

/** Retries inside one rung. */
export interface RetryTable {
  readonly retryCount: number;
  readonly firstMs: number;
  readonly factor: number;
  readonly longestMs: number;
}

/**
 * Only downloads and loads are tried again inside a rung: their causes pass. A restart and a setting are tried once.
 */
export const retryTables = {
  model_download: { retryCount: 3, firstMs: 5 * secondMs, factor: 2, longestMs: 60 * secondMs },
  model_loading: { retryCount: 2, firstMs: 2 * secondMs, factor: 1.5, longestMs: 10 * secondMs },
} as const satisfies Record<string, RetryTable>;

export type RetryKind = keyof typeof retryTables;

/** Share by which a wait may be moved, so that many callers do not come back at once. */
export const retryJitterRatio = 0.2;

/**
 * The wait before the `retry`-th retry (1 = first), or null when there is none left. `draw` in [0, 1) moves it by at most
 * ± 20 %, never beyond the table's longest.
 */
export function retryDelayMs(kind: RetryKind, retry: number, draw: number): number | null {
  const { retryCount, firstMs, factor, longestMs } = retryTables[kind];
  if (retry < 1 || retry > retryCount) return null;
  const plainMs = Math.min(firstMs * factor ** (retry - 1), longestMs);
  return Math.min(Math.round(plainMs * (1 + (draw * 2 - 1) * retryJitterRatio)), longestMs);
}
