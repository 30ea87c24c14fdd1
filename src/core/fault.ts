/**
 * What is known of a failure (evidence), what it was recognised as (fault), and what an action against it brought. All
 * of it is plain data, because rows keep it.
 */
import type { ErrorCode } from "./error-codes.ts";
import type { Attribution, FailureType, FaultClass, Outcome, Phase, RecoveryAction } from "./words.ts";

/** Memory of one device as the worker's framework sees it. Bytes. */
export interface DeviceMemory {
  readonly totalBytes: number;
  readonly allocatedBytes: number;
  /** Allocated plus the allocator's cache. */
  readonly reservedBytes: number;
  /** Free on the device, neighbours included. */
  readonly freeBytes: number;
  readonly peakBytes: number;
}

/** A worker's own report of a failure: structured, so that nothing has to be guessed from prose. */
export interface WorkerFailure {
  readonly phase: Phase | "load" | "idle";
  readonly step: number | null;
  /** Full type name, such as `torch.OutOfMemoryError`. */
  readonly exceptionType: string;
  readonly message: string;
  readonly causes: readonly string[];
  /** Result of a tiny allocation on the worker's device after the failure; null when it was not tried. */
  readonly deviceUsable: boolean | null;
  readonly memory: DeviceMemory | null;
}

/** An answer of a remote server that was not a success. */
interface HttpEvidence {
  /** `hub` = where model files come from; `worker` = a renderer behind HTTP, such as ComfyUI. */
  readonly from: "hub" | "worker";
  readonly status: number;
  /** The hub's `X-Error-Code`, for instance `GatedRepo`. */
  readonly errorCode?: string;
  /** The hub's `X-Error-Message`. */
  readonly errorMessage?: string;
  readonly body?: string;
}

/** What the driver's own tools say about the worker's card. */
export interface GpuEvidence {
  /** Exit code of `nvidia-smi`. */
  readonly smiExitCode?: number;
  /** NVML's return code. */
  readonly nvmlCode?: number;
  /** `gpu_recovery_action`: the driver's own verdict, for instance `GPU Reset`. */
  readonly recoveryAction?: string;
  /** `clocks_event_reasons.active`, a mask of bits. */
  readonly throttleMask?: number;
  /** Cards that were there before and are no longer listed. */
  readonly missingDeviceCount?: number;
}

/** Everything known about one failure. Absent = not observed. The text of a request is never part of it. */
export interface Evidence {
  readonly workerFailure?: WorkerFailure;
  readonly exitCode?: number;
  readonly exitSignal?: string;
  /** True when this service sent the signal. */
  readonly isOwnSignal?: boolean;
  /** Somebody asked this service to kill the process, to see what follows. */
  readonly isOnRequest?: boolean;
  /** How often within the last hour this worker's process was ended from outside, this time included. */
  readonly outsideEndCount?: number;
  readonly silentForMs?: number;
  readonly stalledForMs?: number;
  /** How long the worker's main thread had done nothing when its last heartbeat came. */
  readonly mainThreadIdleMs?: number;
  /** `/proc/<pid>/stat`'s state letter, for instance `T` for stopped or `D` for uninterruptible. */
  readonly processState?: string;
  readonly logTail?: string;
  /** Lines of the kernel's log around the failure (± 10 s), where it may be read. */
  readonly kernelLog?: string;
  /** By how much the `oom_kill` counter of the worker's cgroup rose across its exit; 0 = it was read and did not rise. */
  readonly oomKillCount?: number;
  /** The last measured use of the worker's memory limit (its cgroup's, else the host's) before the failure. 0..1 */
  readonly hostMemoryUseRatio?: number;
  readonly outputProblem?: string;
  /** Name of a failed system call's error, for instance `ENOSPC`. */
  readonly errorNumber?: string;
  readonly http?: HttpEvidence;
  readonly gpu?: GpuEvidence;
  /** A recovery action that the worker could not apply. */
  readonly failedAction?: RecoveryAction;
  /** The worker renders on the processor although it was given a card. */
  readonly isOnProcessor?: boolean;
  /** The code of this program's own error, when one was thrown. */
  readonly errorCode?: ErrorCode;
  /** What was rejected, as the subject of a sentence, such as `the download`. */
  readonly during?: string;
  /** A model's file that was fetched again, and still did not match its hash. */
  readonly brokenFile?: string;
  readonly phase?: Phase | "load" | "idle";
  readonly message?: string;
}

/** Known to the compiler alone: an object that somebody writes down, or copies with a change, lacks it. */
declare class FromTheClassifier {
  private readonly isMadeOfEvidence: true;
}

/** Made by `recovery/classify` alone, so that class, code, attribution and failure type agree everywhere. */
export interface Fault extends FromTheClassifier {
  readonly faultClass: FaultClass;
  readonly code: ErrorCode;
  readonly attribution: Attribution;
  /** Null for a request's own fault: it opens no incident. */
  readonly failureType: FailureType | null;
  /** 0..1 */
  readonly confidence: number;
  /** The text that decided, for people. */
  readonly decidedBy: string;
  readonly message: string;
  readonly contextPoisoned: boolean;
  readonly retryable: boolean;
  /** What only a person can do; null when nothing. */
  readonly operatorAction: string | null;
  readonly evidence: Evidence;
}

export interface FaultReport {
  readonly fault: Fault;
  readonly workerId: string;
  readonly model: string | null;
  readonly jobId: string | null;
  readonly atMs: number;
}

/** What the GPU adapter measured around one action. */
export interface ActionEvidence {
  readonly action: RecoveryAction;
  readonly before: EvidenceMeasure;
  readonly applied: readonly string[];
  readonly after: EvidenceMeasure;
}

export interface EvidenceMeasure {
  readonly atMs: number;
  /** Free on the device by the telemetry probe, never by the worker that acted; null when it could not be measured. */
  readonly deviceFreeBytes: number | null;
  readonly workerReservedBytes: number | null;
  readonly workerAllocatedBytes: number | null;
  readonly note?: string;
}

/** One rung's end, as it is recorded, shown and counted. */
export interface RungResult {
  readonly action: RecoveryAction;
  readonly outcome: Outcome;
  readonly reason: string;
  readonly evidence: ActionEvidence | null;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}
