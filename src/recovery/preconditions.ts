import type { Fault } from "../core/fault.ts";
import { formatBytes } from "../core/units.ts";
import type { RecoveryAction } from "../core/words.ts";
import { isHeavy } from "./budget.ts";
import type { Ladder } from "./ladders.ts";

/** What is known before a rung is tried. Null = not measured; nothing is skipped because of something unmeasured. */
export interface RungFacts {
  readonly isWorkerConnected: boolean | null;
  /** The allocator's unused cache on the worker. */
  readonly reservedUnallocatedBytes: number | null;
  /** What the pending envelope needs on top of what is free. */
  readonly neededBytes: number | null;
  /** A leaner load profile exists for the model on this worker. */
  readonly hasLeanerProfile: boolean | null;
  /** The failed job consents to a smaller or alternative request that exists. */
  readonly hasConsentedReduction: boolean | null;
  /** The worker names this action among those that it can do. */
  readonly supportedActions: readonly RecoveryAction[] | null;
  /** Actions whose package is missing on this host: they never help here. */
  readonly unavailableActions: readonly RecoveryAction[];
  /** Other processes hold the memory that is missing. */
  readonly isNeighbourToBlame: boolean;
}

export const unknownFacts: RungFacts = {
  isWorkerConnected: null,
  reservedUnallocatedBytes: null,
  neededBytes: null,
  hasLeanerProfile: null,
  hasConsentedReduction: null,
  supportedActions: null,
  unavailableActions: [],
  isNeighbourToBlame: false,
};

/** Actions that the worker's own process carries out; a poisoned context fails every one of them. */
const inProcessActions: readonly RecoveryAction[] = [
  "clear_gpu_cache",
  "apply_vram_optimization",
  "enable_cpu_offload",
  "reduce_generation_params",
];

function reasonToSkipCacheClear(facts: RungFacts): string | null {
  const { reservedUnallocatedBytes, neededBytes, isNeighbourToBlame } = facts;
  if (isNeighbourToBlame) return "other processes hold the memory; clearing this worker's cache frees none of it";
  if (reservedUnallocatedBytes === 0) return "the allocator holds no unused memory";
  if (reservedUnallocatedBytes === null || neededBytes === null || reservedUnallocatedBytes >= neededBytes) return null;
  return `the cache holds ${formatBytes(reservedUnallocatedBytes)}, less than the ${formatBytes(neededBytes)} that are needed`;
}

function reasonToSkipDownload(fault: Fault): string | null {
  if (fault.code !== "MODEL_NOT_AVAILABLE") return null;
  return fault.operatorAction ?? "the model cannot be fetched";
}

/** Why this action cannot help now; null when it may. */
export function reasonToSkip(action: RecoveryAction, fault: Fault, facts: RungFacts): string | null {
  if (action === "fallback_to_mock" || action === "system_health_check") return null;
  if (facts.unavailableActions.includes(action)) return "a package that this action needs is missing on this host";
  if (inProcessActions.includes(action)) {
    if (fault.contextPoisoned) return "the device context is poisoned; nothing inside this process can help";
    if (facts.isWorkerConnected === false) return "the worker is not connected";
    if (facts.supportedActions?.includes(action) === false) return "this worker does not offer the action";
  }
  if (action === "clear_gpu_cache") return reasonToSkipCacheClear(facts);
  if (action === "retry_model_download") return reasonToSkipDownload(fault);
  if (action === "enable_cpu_offload" && facts.hasLeanerProfile === false) return "the leanest load profile is in use already";
  if (action === "reduce_generation_params" && facts.hasConsentedReduction === false) return "the job consents to no smaller request";
  return null;
}

export interface SkippedRung {
  readonly action: RecoveryAction;
  readonly reason: string;
}

export interface RungChoice {
  readonly action: RecoveryAction;
  readonly isHeavy: boolean;
  readonly rungIndex: number;
  readonly skipped: readonly SkippedRung[];
}

/** The next rung that can help, from `fromIndex` on. Every valid ladder ends in a rung that is never skipped. */
export function chooseRung(ladder: Ladder, fromIndex: number, fault: Fault, facts: RungFacts): RungChoice {
  const skipped: SkippedRung[] = [];
  for (let rungIndex = fromIndex; rungIndex < ladder.length - 1; rungIndex += 1) {
    const action = ladder[rungIndex] as RecoveryAction;
    const reason = reasonToSkip(action, fault, facts);
    if (reason === null) return { action, isHeavy: isHeavy(action), rungIndex, skipped };
    skipped.push({ action, reason });
  }
  return { action: "fallback_to_mock", isHeavy: false, rungIndex: ladder.length - 1, skipped };
}
