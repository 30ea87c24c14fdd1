/**
 * What recovery understands, remembers and reports, and how long each of its steps may take. Every wait has a limit,
 * so that a climb always ends.
 */
import type { ActorRef, Snapshot } from "xstate";
import type { Clock } from "../core/clock.ts";
import type { ActionEvidence, Fault, RungResult } from "../core/fault.ts";
import { hourMs, minuteMs, secondMs } from "../core/units.ts";
import type { Blame, ClimbOutcome, FailureType, ModelId, RecoveryAction } from "../core/words.ts";
import type { Ladder } from "../recovery/ladders.ts";
import type { RungChoice } from "../recovery/preconditions.ts";
import { defaultLookBack, type LookBackLimits, rungDeadlinesMs } from "../recovery/rung-deadlines.ts";
import type { Ailment } from "../recovery/trials.ts";
import type { ProbeVerdict, RungProof } from "../recovery/verdicts.ts";

export interface RecoveryLimits {
  readonly climbCount: number;
  /** The wait for a phase's end before a rung acts. */
  readonly suspendMs: number;
  readonly examineMs: number;
  readonly budgetMs: number;
  readonly actionMs: Readonly<Record<RecoveryAction, number>>;
  /** The wait for a worker that restarts by itself, load included. */
  readonly workerReadyMs: number;
  readonly canaryMs: number;
  readonly envelopeMs: number;
  /** How long a stand-in may take; shorter than the first look back, which ends the wait too. */
  readonly standInMs: number;
  readonly cooldownMs: number;
  readonly lookBack: LookBackLimits;
  /** How long the one admitted job may take to begin, and then to end, before the test render alone is believed. */
  readonly returnIdleMs: number;
  readonly returnJobMs: number;
}

export const defaultRecoveryLimits: RecoveryLimits = {
  climbCount: 3,
  suspendMs: 30 * secondMs,
  examineMs: 10 * secondMs,
  budgetMs: 5 * secondMs,
  actionMs: rungDeadlinesMs,
  workerReadyMs: 2 * minuteMs,
  canaryMs: 2 * minuteMs,
  envelopeMs: 15 * minuteMs,
  standInMs: 20 * secondMs,
  cooldownMs: 30 * secondMs,
  lookBack: defaultLookBack,
  returnIdleMs: minuteMs,
  returnJobMs: hourMs,
};

/**
 * How the incident began. `fault`: a job or a load failed · `workerDeath`: the process ended and restarts by itself ·
 * `health`: measured, not suffered · `manual`: an operator asked, the test render decides first · `forced`: the ladder is
 * climbed in any case, but never to the stand-in while a test render passes.
 */
export type RecoveryOrigin = "fault" | "workerDeath" | "health" | "manual" | "forced";

/** Rebuilds an incident after a restart of the service; deadlines are absolute. */
export interface RecoveryResume {
  /** `atWork`: it was being repaired, or was about to end; the worker is waited for and then proven. */
  readonly kind: "standingIn" | "exhausted" | "atWork";
  readonly untilMs: number;
  readonly climbCount: number;
  readonly lookBackCount: number;
}

export interface RecoveryInput {
  readonly incidentId: string;
  readonly workerId: string;
  /** Whose fault it is; null where it is no model's. */
  readonly model: ModelId | null;
  /** The jobs whose failure it is; none where no job failed. */
  readonly jobIds: readonly string[];
  readonly origin: RecoveryOrigin;
  readonly fault: Fault;
  readonly failureType: FailureType;
  readonly ladder: Ladder;
  /** The ladder was climbed for this same failure of late and changed nothing: no second climb is owed to it. */
  readonly isClimbInVain?: boolean;
  /** A cooldown of this failure type and worker that still runs; nothing is climbed in it, and a test render goes first. */
  readonly cooldownUntilMs?: number | null;
  readonly resume?: RecoveryResume;
  readonly parent: ActorRef<Snapshot<unknown>, RecoveryReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly limits?: Partial<RecoveryLimits>;
}

export interface RecoveryContext {
  readonly incidentId: string;
  readonly workerId: string;
  readonly model: ModelId | null;
  readonly jobIds: readonly string[];
  readonly origin: RecoveryOrigin;
  readonly fault: Fault;
  readonly failureType: FailureType;
  readonly ladder: Ladder;
  readonly isClimbInVain: boolean;
  readonly parent: ActorRef<Snapshot<unknown>, RecoveryReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly limits: RecoveryLimits;
  /** Where the machine goes first; `null` once it has gone. */
  readonly start: "standingIn" | "exhausted" | "atWork" | "workerDeath" | "examined" | null;
  /** A job failed, and nothing says yet whether it is to blame or its worker: an experiment is owed. */
  readonly isExperimentDue: boolean;
  /** Who is to blame, as far as it is settled. */
  readonly blame: Blame | null;
  readonly isClimbing: boolean;
  readonly climbCount: number;
  /** Climbs before an operator's reset: they no longer count against the limit. */
  readonly forgivenClimbCount: number;
  readonly nextRungIndex: number;
  /** What examining chose; null until it has. */
  readonly choice: RungChoice | null;
  /** The rung in hand; null between rungs. */
  readonly rung: { readonly action: RecoveryAction; readonly startedAtMs: number } | null;
  readonly evidence: ActionEvidence | null;
  readonly proof: RungProof;
  /** How the last test render ended; null when none was asked since the last step. The stand-in may take over only after one. */
  readonly testRender: ProbeVerdict | null;
  /** A job or a canary has failed in this incident: it waits for no running job any more. */
  readonly hasProvenFailure: boolean;
  readonly workerState: "unknown" | "connected" | "crashLooping" | "stopped";
  readonly cooldownUntilMs: number | null;
  readonly budgetRetryAtMs: number | null;
  readonly lookBackCount: number;
  readonly lookBackAtMs: number | null;
  readonly isStandInServed: boolean;
  readonly isExhausted: boolean;
  readonly isTrialJobBegun: boolean;
  /** One job alone is let through, by this incident's wish. */
  readonly isNarrowed: boolean;
  readonly joinedFaultCount: number;
}

interface About {
  readonly incidentId: string;
  readonly workerId: string;
}

/** What recovery tells its parent; the supervisor routes requests to the siblings of the same worker. */
export type RecoveryReport =
  | ({ readonly type: "pipeline.suspend"; readonly isHealthOnly: boolean } & About)
  | ({ readonly type: "pipeline.resume" } & About)
  | ({ readonly type: "pipeline.standIn" } & About)
  | ({ readonly type: "pipeline.admit"; readonly admission: "none" | "one" | "all" } & About)
  /** `isBudgeted`: the budget was asked already. */
  | ({ readonly type: "worker.restart"; readonly reason: string; readonly isBudgeted: boolean } & About)
  /** The model that the worker is to hold is to be ready. */
  | ({ readonly type: "model.load" } & About)
  | ({ readonly type: "breaker.hold" } & About)
  | ({ readonly type: "breaker.release"; readonly isResolved: boolean } & About)
  | ({ readonly type: "budget.request"; readonly action: RecoveryAction } & About)
  | ({
      readonly type: "rung.started";
      readonly action: RecoveryAction;
      readonly failureType: FailureType;
      readonly climb: number;
      readonly atMs: number;
    } & About)
  | ({
      readonly type: "rung.ended";
      readonly failureType: FailureType;
      readonly climb: number;
      readonly result: RungResult;
      /** What it has to cure; null where no job failed. */
      readonly ailment: Ailment | null;
    } & About)
  | ({
      readonly type: "blame.settled";
      readonly blame: Blame;
      /** One sentence. */
      readonly because: string;
      readonly jobIds: readonly string[];
      readonly jobCount: number;
      readonly signature: string;
      /** A whole ladder was climbed for it, and changed nothing. */
      readonly isClimbInVain: boolean;
    } & About)
  | ({
      readonly type: "climb.ended";
      readonly climb: number;
      readonly outcome: ClimbOutcome;
      readonly atMs: number;
    } & About)
  | ({ readonly type: "cooldown.started"; readonly failureType: FailureType; readonly untilMs: number } & About)
  | ({ readonly type: "canary.passed" | "canary.failed" } & About)
  | ({
      readonly type: "incident.stoodIn";
      readonly lookBackAtMs: number;
      readonly climbCount: number;
      readonly lookBackCount: number;
    } & About)
  | ({
      readonly type: "incident.exhausted";
      readonly lookBackAtMs: number;
      readonly climbCount: number;
      readonly lookBackCount: number;
    } & About)
  | ({ readonly type: "incident.resolved"; readonly climbCount: number; readonly atMs: number } & About);

export type RecoveryEvent =
  /** An operator's reset: every climb is open again, and an incident that waits looks at once. */
  | { readonly type: "recovery.reset" }
  /** An operator asked for a repair: an incident that waits looks at once, one that is worked on goes on. */
  | { readonly type: "recovery.look" }
  | { readonly type: "recovery.stop" }
  /** `isDeath`: the worker's process ended by it, so that nothing can be asked of it now. */
  | {
      readonly type: "fault.joined";
      readonly fault: Fault;
      readonly jobId: string | null;
      readonly isDeath: boolean;
    }
  | { readonly type: "worker.connected"; readonly workerId: string }
  | { readonly type: "worker.crashLooped"; readonly workerId: string }
  | { readonly type: "worker.stopped"; readonly workerId: string }
  | { readonly type: "pipeline.suspended"; readonly workerId: string }
  | { readonly type: "model.proven"; readonly workerId: string; readonly model: ModelId }
  | { readonly type: "model.loadFailed"; readonly workerId: string; readonly model: ModelId }
  | { readonly type: "job.begun"; readonly workerId: string; readonly jobId: string }
  | { readonly type: "job.ended"; readonly workerId: string; readonly isSuccessful: boolean }
  | { readonly type: "budget.granted" }
  | { readonly type: "budget.refused"; readonly retryAtMs: number };

/** `resolved`: a probe passed and the main model serves again · `stopped`: ended from outside. */
export interface RecoveryOutput {
  readonly incidentId: string;
  readonly ending: "resolved" | "stopped";
  readonly climbCount: number;
}

/** Who an effect is about. */
export interface RecoveryTarget extends About {
  readonly model: ModelId | null;
  /** The jobs that failed; any one of them can show whether it works again. */
  readonly jobIds: readonly string[];
  readonly fault: Fault;
  /** The rung in hand; null between rungs. */
  readonly action: RecoveryAction | null;
}

export interface PerformActionInput extends RecoveryTarget {
  /** Is never restart_pipeline or fallback_to_mock: these go through the worker machine and renderStandIn. */
  readonly action: RecoveryAction;
}

/** What an action left behind; it says what was measured, never whether it helped. */
export interface RungEvidence {
  readonly evidence: ActionEvidence | null;
  readonly neededBytes: number | null;
  /** retry_model_download only. */
  readonly filesMatch: boolean | null;
  /** system_health_check only. */
  readonly isConditionGone: boolean | null;
  /** The action was carried out as far as it goes; otherwise why not. */
  readonly error: string | null;
}

/** `unknown`: there was nothing to probe with (no job, no checkpoint). */
export interface ProbeAnswer {
  readonly verdict: "passed" | "failed" | "unknown";
  readonly reason: string;
}

/** What was found out right after a job's failure. */
export interface ExperimentAnswer {
  readonly testRender: ProbeVerdict;
  /** Want of memory alone: the failed phase again; `unknown` elsewhere. */
  readonly failedPhase: ProbeVerdict;
  /** Jobs that failed alike of late, on whatever worker. */
  readonly jobIds: readonly string[];
  readonly reason: string;
}

export interface StandInAnswer {
  /** Of one that an owner can see; null where none could be looked at. */
  readonly plays: boolean | null;
  /** Somebody waits who may have one. */
  readonly isAwaited: boolean;
  readonly reason: string;
}
