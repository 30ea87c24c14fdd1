/**
 * Limits restarts, reloads and downloads by the hour. Without it a fault that no repair can end would keep the machine
 * busy with repairs.
 */
import { hourMs } from "../core/units.ts";
import type { RecoveryAction } from "../core/words.ts";

/**
 * Actions that cost minutes. A canary, a cache clear and a probe never count: without them nobody could see that the
 * fault is over.
 */
const heavyActions: readonly RecoveryAction[] = ["restart_pipeline", "enable_cpu_offload", "retry_model_download"];

export const isHeavy = (action: RecoveryAction): boolean => heavyActions.includes(action);

export interface BudgetLimits {
  readonly heavyActionCount: number;
  readonly windowMs: number;
}

export const defaultBudgetLimits: BudgetLimits = { heavyActionCount: 10, windowMs: hourMs };

export type BudgetAnswer =
  /** `spentAtMs` replaces the old list: entries outside the window are gone, this one is in. */
  | { readonly kind: "granted"; readonly spentAtMs: readonly number[] }
  | { readonly kind: "refused"; readonly retryAtMs: number };

/** Asks for one heavy action at `nowMs`. */
export function askBudget(
  spentAtMs: readonly number[],
  nowMs: number,
  limits: BudgetLimits = defaultBudgetLimits,
): BudgetAnswer {
  const { heavyActionCount, windowMs } = limits;
  const recent = spentAtMs.filter((atMs) => atMs > nowMs - windowMs).toSorted((a, b) => a - b);
  if (recent.length < heavyActionCount) return { kind: "granted", spentAtMs: [...recent, nowMs] };
  const freeing = recent[recent.length - heavyActionCount];
  return { kind: "refused", retryAtMs: (freeing ?? nowMs) + windowMs };
}
