/** The service's snapshots as the program holds them: camelCase, ms, ratios. The other files of this folder put them on the wire. */
import type { ErrorCode } from "../core/error-codes.ts";
import type { JobProgress } from "../core/job.ts";
import type {
  FailureType,
  HealthStatus,
  LoadProfile,
  Mode,
  ModelId,
  Outcome,
  PromiseKind,
  PromiseReason,
  RecoveryAction,
} from "../core/words.ts";

export interface ServiceStatus {
  readonly mode: Mode;
  /** What a submission made now would get, for people. */
  readonly sentence: string;
  /** The same as a promise: of the main model, with the consent of the configuration. */
  readonly promise: PromiseView;
  /** True while what is made comes from the simulator. */
  readonly isSimulated: boolean;
  /** The main model. */
  readonly model: ModelId;
  readonly startedAtMs: number;
  readonly version: string;
  readonly workers: readonly WorkerStatus[];
  /** The newest check; null before the first one. */
  readonly health: HealthView | null;
  readonly isHealthMonitored: boolean;
  readonly recoveryStatistics: RecoveryStatisticsView;
  /** Newest first, at most 50. */
  readonly recoveryAttempts: readonly RecoveryAttemptView[];
  /** Newest first. */
  readonly openIncidents: readonly IncidentView[];
  /** Stand-ins are being served now: `mock_generation_enabled` on the wire. */
  readonly isMockEnabled: boolean;
  /** The service is not whole: `degraded_mode_active` on the wire. */
  readonly isDegradedActive: boolean;
  /** Every running job that has reported progress. */
  readonly running: readonly JobProgress[];
  /** Null when a submission can be made durable now; else why not. */
  readonly unreadyReason: UnreadyReason | null;
}

/** Structurally what src/recovery/promise.ts says. */
export interface PromiseView {
  readonly kind: PromiseKind;
  readonly because: PromiseReason;
  /** Jobs that go before it. */
  readonly aheadCount: number;
  /** When a worker may be free for it; null where nothing is known. */
  readonly turnAtMs: number | null;
  /** When what is in the way is looked at again by itself; null where nobody knows. */
  readonly retryAtMs: number | null;
  /** When those who wait are answered by a stand-in or a clear failure; null where that does not happen. */
  readonly answerDueAtMs: number | null;
}

export interface UnreadyReason {
  readonly code: Extract<ErrorCode, "DRAINING" | "INTAKE_DRAINED" | "DISK_FULL" | "STORE_UNAVAILABLE">;
  readonly message: string;
}

export interface WorkerStatus {
  readonly id: string;
  readonly pid: number | null;
  readonly state: string;
  readonly tags: readonly string[];
  readonly kind: string;
  /** Null while it holds no model. */
  readonly memoryMode: MemoryModeView | null;
  /** When its process is started again by itself; null while nothing waits for that. */
  readonly startsAtMs: number | null;
}

/** Which model a worker holds, proven by a test render, in which memory mode, and what that costs. */
export interface MemoryModeView {
  readonly model: ModelId;
  readonly profile: LoadProfile;
  /** The richest one, from the configured one on, that its card carries. */
  readonly whole: LoadProfile;
  /** How long a step takes against one in the whole mode. */
  readonly timeFactor: number;
  /** Slower than whole. */
  readonly isLean: boolean;
  /** Null: as it is configured, from the start on. */
  readonly sinceMs: number | null;
  readonly why: string | null;
}

/** One health check. Ratios are 0..1; null = not measured. */
export interface HealthView {
  readonly overallStatus: HealthStatus;
  readonly cpuRatio: number | null;
  readonly memoryRatio: number | null;
  /** Of the fullest card, whoever uses it. */
  readonly vramRatio: number | null;
  /** Of what is left of it beside the known need of model and job: what health judges. */
  readonly vramOutsideRatio: number | null;
  readonly isGpuAvailable: boolean;
  readonly isModelLoadingFunctional: boolean;
  readonly isGenerationPipelineFunctional: boolean;
  readonly issues: readonly string[];
  readonly recommendations: readonly string[];
  readonly checkedAtMs: number;
  /** At the moment of this view. */
  readonly ageMs: number;
}

/** Structurally what src/recovery/statistics.ts computes. */
interface RecoveryStatisticsView {
  readonly totalAttempts: number;
  readonly successfulAttempts: number;
  /** 0..100, one decimal. */
  readonly successRatePercent: number;
  readonly averageRecoverySeconds: number;
  readonly failureTypes: Readonly<Partial<Record<FailureType, TallyView>>>;
  readonly recoveryActions: Readonly<Partial<Record<RecoveryAction, TallyView>>>;
}

interface TallyView {
  readonly total: number;
  readonly successful: number;
}

/** One action that ran. */
export interface RecoveryAttemptView {
  readonly failureType: FailureType;
  readonly action: RecoveryAction;
  readonly outcome: Outcome;
  readonly reason: string;
  readonly workerId: string | null;
  readonly incidentId: string | null;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

export interface IncidentView {
  readonly id: string;
  readonly failureType: FailureType;
  readonly workerId: string | null;
  readonly openedAtMs: number;
  /** What is being done about it, for people. */
  readonly sentence: string;
}

export interface RecoveryTriggered {
  readonly isSuccess: boolean;
  readonly isPending: boolean;
  readonly message: string;
  readonly incidentId: string | null;
  /** The stand-in serves: the compatible clients count that as a success, and it is not the real model. */
  readonly isStandingIn: boolean;
  readonly isRealGenerationEnabled: boolean;
  readonly actions: readonly { readonly action: RecoveryAction; readonly outcome: Outcome; readonly reason: string }[];
}

export interface RecoveryReset {
  readonly isMockDisabled: boolean;
  /** True only after the main model's test render passed. */
  readonly isRealGenerationEnabled: boolean;
  /** `none`: no test render is made while the service stops or its workers rest. */
  readonly probe: "passed" | "running" | "failed" | "none";
  readonly message: string;
}

/** In which memory mode an accepted job will be rendered, and how long that takes; as of its submission. */
export interface EstimateView {
  readonly profile: LoadProfile;
  /** At the peak: of the card, and of the host. */
  readonly deviceBytes: number;
  readonly hostBytes: number;
  readonly time:
    | {
        readonly kind: "known";
        readonly ms: number;
        readonly source: "history" | "published" | "estimated";
        readonly basis: string;
      }
    | { readonly kind: "unknown"; readonly why: string };
}
