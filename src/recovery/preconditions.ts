/**
 * Chooses the next rung of a ladder, and says of each that is passed over why it cannot help. Nothing is skipped for
 * want of a measurement.
 */
import type { Fault } from "../core/fault.ts";
import { formatBytes } from "../core/units.ts";
import type { RecoveryAction } from "../core/words.ts";
import { isHeavy } from "./budget.ts";
import type { Ladder } from "./ladders.ts";
import { type MeasureAdvice, type MemoryAdvice, memoryAdviceOf, shortageNumbersOf } from "./memory-advice.ts";
import type { OutOfMemoryNumbers } from "./out-of-memory-text.ts";

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
  /** The model's files come from a hub, not from a folder that somebody else fills. */
  readonly canFetchFiles: boolean | null;
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
  canFetchFiles: null,
  isNeighbourToBlame: false,
};

/** Actions that the worker's own process carries out; a poisoned context fails every one of them. */
const inProcessActions: readonly RecoveryAction[] = [
  "clear_gpu_cache",
  "apply_vram_optimization",
  "enable_cpu_offload",
  "reduce_generation_params",
];

/** What the failed allocation's own message says; null when the fault is none of memory, or the message says nothing. */
const numbersOf = (fault: Fault): OutOfMemoryNumbers | null =>
  fault.code === "GPU_OUT_OF_MEMORY" ? shortageNumbersOf(fault.evidence) : null;

function adviceOf(fault: Fault): MemoryAdvice | null {
  const numbers = numbersOf(fault);
  return numbers === null ? null : memoryAdviceOf(numbers, fault.evidence.workerFailure?.phase ?? fault.evidence.phase);
}

const refusalOf = (measure: MeasureAdvice | undefined): string | null =>
  measure?.helps === "no" ? measure.reason : null;

/** By its code, or by the ladder that an operator or a measurement asked for. */
const isOfMemory = ({ code, failureType }: Fault): boolean =>
  code === "GPU_OUT_OF_MEMORY" || failureType === "vram_exhaustion";

/** A fresh measure of the worker's cache stands before the numbers of the failure: the failed job's leftovers have joined it. */
function reasonToSkipCacheClear(fault: Fault, facts: RungFacts): string | null {
  const { reservedUnallocatedBytes, neededBytes, isNeighbourToBlame } = facts;
  if (!isOfMemory(fault)) return "the failure is none of the card's memory; more of it cures nothing";
  if (numbersOf(fault)?.isAddressSpace === true) return "the process's address space is exhausted, not the card";
  if (isNeighbourToBlame) return "other processes hold the memory; clearing this worker's cache frees none of it";
  if (reservedUnallocatedBytes === null) return refusalOf(adviceOf(fault)?.measures.clearCache);
  if (reservedUnallocatedBytes === 0) return "the allocator holds no unused memory";
  if (neededBytes === null || reservedUnallocatedBytes >= neededBytes) return null;
  return `the cache holds ${formatBytes(reservedUnallocatedBytes)}, less than the ${formatBytes(neededBytes)} that are needed`;
}

function reasonToSkipOffload(fault: Fault, facts: RungFacts): string | null {
  if (facts.hasLeanerProfile === false) return "the leanest load profile is in use already";
  if (fault.code === "HOST_OUT_OF_MEMORY")
    return "the host lacks memory; moving the model's weights there would take more of it";
  return refusalOf(adviceOf(fault)?.measures.nextProfile);
}

function reasonToSkipReduction(fault: Fault, facts: RungFacts): string | null {
  if (facts.hasConsentedReduction === false) return "the job consents to no smaller request";
  return refusalOf(adviceOf(fault)?.measures.reduce);
}

function reasonToSkipDownload(fault: Fault, facts: RungFacts): string | null {
  if (facts.canFetchFiles === false) return "the model is a local folder; there is nothing to download it from";
  if (fault.code === "DISK_FULL") return "the disk is full; a download needs room first";
  return fault.contextPoisoned ? "the device context is poisoned; the model's files are not the cause" : null;
}

/** A new process sees the same card through the same driver. */
function reasonToSkipRestart({ contextPoisoned, operatorAction }: Fault): string | null {
  return contextPoisoned && operatorAction !== null
    ? `a new process meets the same card and driver. ${operatorAction}`
    : null;
}

const ownReasons: Partial<Record<RecoveryAction, (fault: Fault, facts: RungFacts) => string | null>> = {
  clear_gpu_cache: reasonToSkipCacheClear,
  enable_cpu_offload: reasonToSkipOffload,
  reduce_generation_params: reasonToSkipReduction,
  retry_model_download: reasonToSkipDownload,
  restart_pipeline: reasonToSkipRestart,
};

function reasonToSkipInProcess(action: RecoveryAction, fault: Fault, facts: RungFacts): string | null {
  if (!inProcessActions.includes(action)) return null;
  if (fault.contextPoisoned) return "the device context is poisoned; nothing inside this process can help";
  if (facts.isWorkerConnected === false) return "the worker is not connected";
  return facts.supportedActions?.includes(action) === false ? "this worker does not offer the action" : null;
}

/**
 * Why this action cannot help now, in one sentence; null when it may. A fresh measurement and the stand-in are never skipped:
 * the one can only find out, the other must always answer.
 */
export function reasonToSkip(action: RecoveryAction, fault: Fault, facts: RungFacts): string | null {
  if (action === "fallback_to_mock" || action === "system_health_check") return null;
  if (!fault.retryable && fault.operatorAction !== null) return `only a person can help. ${fault.operatorAction}`;
  if (facts.unavailableActions.includes(action)) return "a package that this action needs is missing on this host";
  return reasonToSkipInProcess(action, fault, facts) ?? ownReasons[action]?.(fault, facts) ?? null;
}

interface SkippedRung {
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
