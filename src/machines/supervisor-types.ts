/**
 * What the supervisor understands, remembers and tells the recorder. Its children talk to it alone; messages from one
 * to another go through here.
 */
import type { ErrorActorEvent } from "xstate";
import type { Clock } from "../core/clock.ts";
import type { EventKind, EventMap } from "../core/events.ts";
import type { Fault, RungResult } from "../core/fault.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { Blame, FailureType, LoadProfile, Mode, ModelId } from "../core/words.ts";
import type { BudgetLimits } from "../recovery/budget.ts";
import type { GpuExpectation } from "../recovery/health.ts";
import type { Ladders } from "../recovery/ladders.ts";
import type { RungTrial } from "../recovery/trials.ts";
import type { CircuitBreakerLimits, CircuitBreakerReport } from "./circuit-breaker-types.ts";
import type { HealthMonitorLimits, HealthMonitorReport, HealthReport } from "./health-monitor-types.ts";
import type { ModelLoaderLimits, ModelLoaderReport } from "./model-loader-types.ts";
import type { PipelineLimits, PipelineReport } from "./pipeline-types.ts";
import type { RecoveryLimits, RecoveryReport, RecoveryResume } from "./recovery-types.ts";
import type { OpenIncident, OpenIncidents, WorkersFacts } from "./supervisor-facts.ts";
import type { StopShape, WorkerLimits, WorkerReport } from "./worker-types.ts";

export interface SupervisedWorker {
  readonly id: string;
  readonly model: ModelId;
  readonly profile: LoadProfile;
}

/** Until then no second climb is owed to this failure on this worker. */
export interface VainLadder {
  readonly workerId: string;
  readonly signature: string;
  readonly untilMs: number;
}

/** Workers take no new job until an operator resumes. */
interface Pause {
  /** Idle workers end, so that their cards are free for others. */
  readonly isReleasing: boolean;
  readonly by: string;
  readonly atMs: number;
}

/** Nothing new is accepted until an operator resumes. */
type IntakeDrain = Pick<Pause, "by" | "atMs">;

export interface SupervisorLimits {
  /** How long pipelines may take to write their attempts down, and workers to end, when the service stops. */
  readonly drainMs: number;
  readonly respawnMs: number;
  readonly respawnCount: number;
  readonly respawnWindowMs: number;
}

export interface SubsystemLimits {
  readonly supervisor?: Partial<SupervisorLimits>;
  readonly worker?: Partial<WorkerLimits>;
  readonly loader?: Partial<ModelLoaderLimits>;
  readonly pipeline?: Partial<PipelineLimits>;
  readonly breaker?: Partial<CircuitBreakerLimits>;
  readonly health?: Partial<HealthMonitorLimits>;
  readonly recovery?: Partial<RecoveryLimits>;
  readonly budget?: BudgetLimits;
}

/** Durable facts of an earlier supervisor; deadlines are absolute. */
export interface ResumedFacts {
  readonly budgetSpentAtMs: readonly number[];
  readonly cooldowns: Readonly<Record<string, number>>;
  readonly breakers: Readonly<Record<string, { readonly untilMs: number; readonly openingCount: number }>>;
  readonly pause: Pause | null;
  readonly drain: IntakeDrain | null;
  readonly trials: readonly RungTrial[];
  readonly incidents: readonly ResumedIncident[];
}

export interface ResumedIncident
  extends Omit<OpenIncident, "stage" | "lastFaultAtMs" | "climbCount" | "lookBackCount" | "lookBackAtMs"> {
  readonly resume: RecoveryResume;
}

export const nothingResumed: ResumedFacts = {
  budgetSpentAtMs: [],
  cooldowns: {},
  breakers: {},
  pause: null,
  drain: null,
  trials: [],
  incidents: [],
};

export interface SupervisorInput {
  readonly epoch: number;
  readonly workers: readonly SupervisedWorker[];
  /** The main model: what the mode is about. */
  readonly lead: ModelId;
  readonly ladders: Ladders;
  readonly clock: Pick<Clock, "nowMs">;
  readonly catalog: ModelCatalog;
  readonly gpuExpectation: GpuExpectation;
  readonly limits?: SubsystemLimits;
  readonly resumed?: ResumedFacts;
  /** Uniform numbers in [0, 1) for jitter. */
  readonly draws?: readonly number[];
}

/** A fact about a worker that becomes a row as it is. */
type RowFact<Kind extends EventKind> = {
  readonly [Each in Kind]: {
    readonly type: Each;
    readonly workerId: string;
    readonly data: Readonly<EventMap[Each]>;
  };
}[Kind];

type IncidentRowFact = RowFact<
  | "rung.started"
  | "climb.ended"
  | "blame.settled"
  | "incident.stoodIn"
  | "incident.exhausted"
  | "canary.passed"
  | "canary.failed"
> & { readonly id: string };

type WorkerRowFact = RowFact<
  | "worker.connected"
  | "worker.exited"
  | "worker.crashLooped"
  | "worker.notStarted"
  | "worker.stopped"
  | "model.proven"
  | "model.loadFailed"
  | "model.loadRetried"
  | "model.setAside"
  | "pipeline.stalled"
>;

/** What happened, as it is told to the recorder, which writes it before anything else is done about it. */
export type SupervisorFact =
  | { readonly type: "mode.changed"; readonly from: Mode; readonly to: Mode }
  | {
      readonly type: "incident.opened";
      readonly id: string;
      readonly key: string;
      readonly workerId: string;
      readonly failureType: FailureType;
      readonly fault: Fault;
      readonly model: ModelId | null;
      readonly jobId: string | null;
      /** Who works on it: a recovery actor, or nobody. */
      readonly attendance: "recovery" | "setAside" | "needsPerson";
      readonly atMs: number;
      /** The operator's order that opened it; null where nobody ordered it. */
      readonly orderId: string | null;
    }
  | {
      readonly type: "incident.joined";
      readonly id: string;
      readonly fault: Fault;
      readonly jobId: string | null;
      readonly orderId: string | null;
    }
  /** Proven; one job is let through before all are. The rows of its rung and its test render tell that already. */
  | { readonly type: "incident.returning"; readonly id: string }
  | {
      readonly type: "incident.closed";
      readonly id: string;
      readonly status: "resolved" | "abandoned";
      readonly climbCount: number;
      /** Who was found to blame, where that was asked. */
      readonly blame?: Blame;
    }
  | {
      readonly type: "budget.spent";
      readonly spentAtMs: readonly number[];
      readonly workerId: string;
      readonly action: string;
    }
  | {
      readonly type: "budget.exhausted";
      readonly workerId: string;
      readonly action: string;
      readonly retryAtMs: number;
    }
  | {
      readonly type: "cooldown.started";
      readonly cooldowns: Readonly<Record<string, number>>;
      readonly id: string;
      readonly untilMs: number;
    }
  | IncidentRowFact
  | {
      readonly type: "rung.ended";
      readonly id: string;
      readonly workerId: string;
      readonly failureType: FailureType;
      readonly climb: number;
      readonly result: RungResult;
    }
  /** What jobs showed of a repair, with all repairs that are still on trial. */
  | {
      readonly type: "rung.revised";
      readonly id: string;
      readonly workerId: string;
      readonly data: EventMap["rung.revised"];
      readonly trials: readonly RungTrial[];
    }
  | { readonly type: "trials.changed"; readonly trials: readonly RungTrial[] }
  | WorkerRowFact
  | {
      readonly type: "breaker.opened" | "breaker.halfOpened" | "breaker.closed";
      readonly workerId: string;
      readonly breakers: ResumedFacts["breakers"];
      /** What it opened or closed for; empty where there is nothing to say. */
      readonly because: string;
    }
  | { readonly type: "intake.paused"; readonly pause: Pause }
  | { readonly type: "intake.drained"; readonly drain: IntakeDrain }
  | { readonly type: "intake.resumed"; readonly by: string }
  | { readonly type: "health.changed" | "health.checked"; readonly health: HealthReport }
  | { readonly type: "child.crashed" | "child.abandoned"; readonly childId: string; readonly message: string };

export interface SupervisorContext {
  readonly epoch: number;
  readonly configured: readonly SupervisedWorker[];
  readonly lead: ModelId;
  readonly ladders: Ladders;
  readonly clock: Pick<Clock, "nowMs">;
  readonly catalog: ModelCatalog;
  readonly gpuExpectation: GpuExpectation;
  readonly limits: SubsystemLimits;
  readonly resumed: ResumedFacts;
  readonly draws: readonly number[];
  readonly workers: WorkersFacts;
  readonly incidents: OpenIncidents;
  readonly incidentCount: number;
  readonly budgetSpentAtMs: readonly number[];
  readonly cooldowns: Readonly<Record<string, number>>;
  /** Repairs of which the jobs are yet to show what they were worth. */
  readonly trials: readonly RungTrial[];
  /** Failures of jobs for which a whole ladder was climbed of late, and changed nothing. */
  readonly vainLadders: readonly VainLadder[];
  readonly breakers: ResumedFacts["breakers"];
  readonly crashes: Readonly<Record<string, readonly number[]>>;
  /** Jobs that had their result last: a repair that ends after that has nothing more to wait for. */
  readonly deliveredJobIds: readonly string[];
  readonly mode: Mode;
  readonly isProcessorShort: boolean;
  /** The disk cannot keep what is rendered. */
  readonly isDiskShort: boolean;
  readonly pause: Pause | null;
  readonly drain: IntakeDrain | null;
  readonly isDrilling: boolean;
  readonly stopShape: StopShape;
  /** Until when jobs in hand may go on while the service stops. */
  readonly finishUntilMs: number;
}

type SupervisorRequest =
  /** Jobs in hand may end within `finishMs`; 0 gives them back at once. */
  | { readonly type: "service.drain"; readonly shape: StopShape; readonly finishMs: number }
  | { readonly type: "jobs.becameAvailable" }
  | { readonly type: "intake.pause"; readonly isReleasing: boolean; readonly by: string }
  /** Nothing new is accepted; what was accepted is rendered. */
  | { readonly type: "intake.drain"; readonly by: string }
  | { readonly type: "intake.resume"; readonly by: string }
  | { readonly type: "workers.release" }
  /** Loads the worker's model once more from the start; no job begins on it meanwhile. */
  | { readonly type: "model.reload"; readonly workerId: string }
  /** Workers that cannot start are tried once more: somebody may have mended what keeps them. */
  | { readonly type: "workers.startAgain" }
  /** No job begins on the worker until it is let go: somebody proves something on its card. */
  | { readonly type: "worker.hold" | "worker.letGo"; readonly workerId: string; readonly by: string }
  /** A planned end between two jobs, because the worker leaks. */
  | { readonly type: "worker.recycle"; readonly workerId: string }
  /** What a drill makes necessary spends no budget. */
  | { readonly type: "drill.began" | "drill.ended" }
  | {
      readonly type: "recovery.trigger";
      readonly failureType: FailureType;
      readonly isForced: boolean;
      readonly workerId: string;
      /** By which the one who asked knows the incident that came of it. */
      readonly orderId: string;
    }
  | { readonly type: "recovery.reset" }
  /** The owner wants the end of a job that the worker has in hand. */
  | { readonly type: "job.cancel"; readonly workerId: string; readonly jobId: string }
  /** Measurements begin anew, or end; an operator's own act. */
  | { readonly type: "monitor.start" | "monitor.stop" }
  /** Comes now and then, to end incidents of models that are set aside and that nobody wants any more. */
  | { readonly type: "incidents.sweep" }
  | { readonly type: "health.check" }
  /** The watch of the disk saw that results can be kept no more, or again. */
  | { readonly type: "disk.ranShort" | "disk.sufficed" }
  | { readonly type: "child.respawn"; readonly childId: string };

export type SupervisorEvent =
  | SupervisorRequest
  | WorkerReport
  | ModelLoaderReport
  | PipelineReport
  | HealthMonitorReport
  | RecoveryReport
  | CircuitBreakerReport
  | ErrorActorEvent;
