/**
 * How long each recovery action may take, and how often the service looks back for the main model. An action without
 * an end would hold its worker for ever.
 */
import { hourMs, minuteMs, secondMs } from "../core/units.ts";
import type { RecoveryAction } from "../core/words.ts";

/** How long an action may take, its retries included. Past it the rung has failed. */
export const rungDeadlinesMs: Readonly<Record<RecoveryAction, number>> = {
  /** Frees, then polls the device for at most 5 s. */
  clear_gpu_cache: 30 * secondMs,
  apply_vram_optimization: minuteMs,
  /** A reload of 67 GB of weights from a cold disk. */
  enable_cpu_offload: 15 * minuteMs,
  reduce_generation_params: 30 * secondMs,
  retry_model_download: 2 * hourMs,
  /** Stop ladder (40 s), spawn, handshake and load. */
  restart_pipeline: 5 * minuteMs,
  system_health_check: 30 * secondMs,
  fallback_to_mock: minuteMs,
};

export interface LookBackLimits {
  readonly firstMs: number;
  readonly longestMs: number;
}

/**
 * The service looks back after 30 s, then at doubling intervals, at most 10 min: a repair by hand shows soon, a lost
 * card costs little.
 */
export const defaultLookBack: LookBackLimits = { firstMs: 30 * secondMs, longestMs: 10 * minuteMs };

/** The wait before the look-back number `lookBackCount` + 1. */
export function lookBackMs(lookBackCount: number, limits: LookBackLimits = defaultLookBack): number {
  return Math.min(limits.firstMs * 2 ** Math.min(lookBackCount, 30), limits.longestMs);
}
