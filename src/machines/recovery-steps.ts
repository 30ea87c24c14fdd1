/**
 * What recovery does in each step, as plain functions from context to change and reports. They hold no effect and read
 * no clock of their own, so that tests and replays call them directly.
 */
import type { Fault, RungResult } from "../core/fault.ts";
import type { Blame, ClimbOutcome, RecoveryAction } from "../core/words.ts";
import { isConclusive, judgeBlame, ladderWasInVain, reasonOfBlame } from "../recovery/blame.ts";
import { chooseRung, type RungFacts } from "../recovery/preconditions.ts";
import { lookBackMs } from "../recovery/rung-deadlines.ts";
import { signatureOf } from "../recovery/signature.ts";
import { ailmentOf } from "../recovery/trials.ts";
import { judgeRung, nothingProven, type ProbeVerdict } from "../recovery/verdicts.ts";
import type {
  ExperimentAnswer,
  RecoveryContext,
  RecoveryReport,
  RungEvidence,
  StandInAnswer,
} from "./recovery-types.ts";

/** One step of recovery as data: what changes in the context, and what the parent is told, in order. */
export interface Step {
  readonly change: Partial<RecoveryContext>;
  readonly reports: readonly RecoveryReport[];
}

const nothing: Step = { change: {}, reports: [] };
const onlyReport = (report: RecoveryReport): Step => ({ change: {}, reports: [report] });
const about = ({
  incidentId,
  workerId,
}: RecoveryContext): { readonly incidentId: string; readonly workerId: string } => ({
  incidentId,
  workerId,
});

function rungEnded(context: RecoveryContext, result: RungResult): RecoveryReport {
  const { failureType, climbCount: climb, fault, jobIds } = context;
  const ailment = jobIds.length === 0 ? null : ailmentOf(fault, jobIds);
  return { type: "rung.ended", ...about(context), failureType, climb, result, ailment };
}

function skippedRung(context: RecoveryContext, action: RecoveryAction, reason: string): RecoveryReport {
  const atMs = context.clock.nowMs();
  return rungEnded(context, { action, outcome: "skipped", reason, evidence: null, startedAtMs: atMs, endedAtMs: atMs });
}

function beginRung(context: RecoveryContext, action: RecoveryAction): Step {
  const atMs = context.clock.nowMs();
  return {
    change: { rung: { action, startedAtMs: atMs }, evidence: null, proof: nothingProven, testRender: null },
    reports: [
      {
        type: "rung.started",
        ...about(context),
        action,
        failureType: context.failureType,
        climb: context.climbCount,
        atMs,
      },
    ],
  };
}

export function chooseNext(context: RecoveryContext, facts: RungFacts): Step {
  const choice = chooseRung(context.ladder, context.nextRungIndex, context.fault, facts);
  return {
    change: { choice },
    reports: choice.skipped.map(({ action, reason }) => skippedRung(context, action, reason)),
  };
}

export function skipForBudget(
  context: RecoveryContext,
  params: { readonly retryAtMs: number | null; readonly reason: string },
): Step {
  const { choice } = context;
  if (choice === null) return nothing;
  return {
    change: { nextRungIndex: choice.rungIndex + 1, budgetRetryAtMs: params.retryAtMs },
    reports: [skippedRung(context, choice.action, params.reason)],
  };
}

export function startRung(context: RecoveryContext): Step {
  const { choice } = context;
  if (choice === null) return nothing;
  const { change, reports } = beginRung(context, choice.action);
  return { change: { ...change, nextRungIndex: choice.rungIndex + 1 }, reports };
}

/** The worker machine restarts a dead worker by itself; that restart is recorded and proven like a rung. */
export const startJoinedRestart = (context: RecoveryContext): Step => beginRung(context, "restart_pipeline");

/** A climb has just ended, and this incident has had none: what serves until it may climb is no rung of it. */
const isWaitingToClimb = ({ climbCount, cooldownUntilMs, workerState, clock }: RecoveryContext): boolean =>
  climbCount === 0 &&
  (workerState === "unknown" || workerState === "connected") &&
  cooldownUntilMs !== null &&
  cooldownUntilMs > clock.nowMs();

export const startStandInRung = (context: RecoveryContext): Step =>
  context.isStandInServed || isWaitingToClimb(context) ? nothing : beginRung(context, "fallback_to_mock");

/** The only place where a rung that ran ends: its verdict comes from what was proven. */
export function concludeRung(context: RecoveryContext): Step {
  const { rung, evidence, proof, clock } = context;
  if (rung === null) return nothing;
  const { action, startedAtMs } = rung;
  const result = {
    action,
    ...judgeRung(action, evidence, { ...proof, hasFailedJob: context.jobIds.length > 0 }),
    evidence,
    startedAtMs,
    endedAtMs: clock.nowMs(),
  };
  return { change: { rung: null }, reports: [rungEnded(context, result)] };
}

export function storeEvidence(context: RecoveryContext, found: RungEvidence): Partial<RecoveryContext> {
  const { filesMatch, isConditionGone, neededBytes, error, evidence } = found;
  return { evidence, proof: { ...context.proof, filesMatch, isConditionGone, neededBytes, actionError: error } };
}

/** A fault that came to an incident that is open already. */
export interface Joined {
  readonly fault: Fault;
  readonly jobId: string | null;
  readonly isDeath: boolean;
}

const withJob = (jobIds: readonly string[], jobId: string | null): readonly string[] =>
  jobId === null ? jobIds : [...new Set([...jobIds, jobId])];

export function noteJoined(context: RecoveryContext, { fault, jobId }: Joined): Partial<RecoveryContext> {
  const isAlike = signatureOf(fault) === signatureOf(context.fault);
  return {
    joinedFaultCount: context.joinedFaultCount + 1,
    hasProvenFailure: true,
    // Another job that fails alike speaks against the worker; one that fails by something else says nothing of this failure.
    jobIds: isAlike ? withJob(context.jobIds, jobId) : context.jobIds,
    // A poisoned context changes which rungs can help; anything else is more of the same.
    fault: fault.contextPoisoned ? fault : context.fault,
  };
}

/** The fault of a job that was let through: the incident is about this one from now on, and asks anew who is to blame. */
export function takeUpFault(context: RecoveryContext, joined: Joined): Partial<RecoveryContext> {
  const { fault, jobId, isDeath } = joined;
  const noted = noteJoined(context, joined);
  if (jobId === null || isDeath || isConclusive(fault)) return { ...noted, isExperimentDue: false };
  const isAlike = signatureOf(fault) === signatureOf(context.fault);
  const jobIds = isAlike ? withJob(context.jobIds, jobId) : [jobId];
  return { ...noted, fault, jobIds, isExperimentDue: true };
}

const blameReport = (
  context: RecoveryContext,
  blame: Blame,
  because: string,
  { jobIds, isClimbInVain }: Pick<RecoveryContext, "jobIds" | "isClimbInVain">,
): RecoveryReport => ({
  type: "blame.settled",
  ...about(context),
  blame,
  because,
  jobIds,
  jobCount: jobIds.length,
  signature: signatureOf(context.fault),
  isClimbInVain,
});

/** Who is to blame, by what the experiment showed. Only a worker that is to blame is held back from then on. */
export function settleBlame(context: RecoveryContext, answer: ExperimentAnswer): Step {
  const { testRender, failedPhase } = answer;
  const { isClimbInVain } = context;
  const alike = [...new Set([...context.jobIds, ...answer.jobIds])];
  const experiment = { testRender, failedPhase, jobCount: isClimbInVain ? 1 : alike.length };
  const blame = judgeBlame(experiment);
  const because = isClimbInVain && blame === "job" ? ladderWasInVain : reasonOfBlame(experiment);
  // Only a repair of the worker is a matter of the other jobs too.
  const jobIds = blame === "route" ? alike : context.jobIds;
  const canary = noteCanary(context, testRender);
  return {
    change: { ...canary.change, jobIds, blame, isExperimentDue: false },
    reports: [
      ...canary.reports,
      blameReport(context, blame, because, { jobIds, isClimbInVain }),
      ...(blame === "route" ? tell(context, "breaker.hold").reports : []),
    ],
  };
}

/** The whole ladder changed nothing, and the worker renders: the jobs are what fails. */
export function settleInVain(context: RecoveryContext): Step {
  const blame = context.fault.code === "GPU_OUT_OF_MEMORY" ? "size" : "job";
  const found = { jobIds: context.jobIds, isClimbInVain: true };
  return { change: { blame }, reports: [blameReport(context, blame, ladderWasInVain, found)] };
}

/** An operator may have removed what was in the way: every climb is open again, but for the one under way, and no cooldown holds. */
export const forgiveClimbs = ({ climbCount, isClimbing }: RecoveryContext): Partial<RecoveryContext> => ({
  forgivenClimbCount: isClimbing ? climbCount - 1 : climbCount,
  cooldownUntilMs: null,
  isExhausted: false,
});

export function armLookBack(context: RecoveryContext): Partial<RecoveryContext> {
  const { lookBackCount, lookBackAtMs, clock, limits } = context;
  const isResumed = lookBackAtMs !== null && lookBackAtMs > clock.nowMs();
  if (isResumed) return {};
  return { lookBackAtMs: clock.nowMs() + lookBackMs(lookBackCount, limits.lookBack), lookBackCount: lookBackCount + 1 };
}

/** Fault type and worker get no new climb until then; a durable fact of the parent, because it outlives the incident. */
export function startCooldown(context: RecoveryContext): Step {
  if (!context.isClimbing) return nothing;
  const untilMs = context.clock.nowMs() + context.limits.cooldownMs;
  return {
    change: { cooldownUntilMs: untilMs },
    reports: [{ type: "cooldown.started", ...about(context), failureType: context.failureType, untilMs }],
  };
}

export function endClimb(context: RecoveryContext, outcome: ClimbOutcome): Step {
  if (!context.isClimbing) return nothing;
  const report: RecoveryReport = {
    type: "climb.ended",
    ...about(context),
    climb: context.climbCount,
    outcome,
    atMs: context.clock.nowMs(),
  };
  return { change: { isClimbing: false }, reports: [report] };
}

function lookBackFacts(context: RecoveryContext): {
  readonly lookBackAtMs: number;
  readonly climbCount: number;
  readonly lookBackCount: number;
} {
  const { lookBackAtMs, cooldownUntilMs, climbCount, lookBackCount, clock } = context;
  return { lookBackAtMs: lookBackAtMs ?? cooldownUntilMs ?? clock.nowMs(), climbCount, lookBackCount };
}

export function noteStandIn(
  context: RecoveryContext,
  { plays, isAwaited }: Pick<StandInAnswer, "plays" | "isAwaited">,
): Partial<RecoveryContext> {
  return {
    proof: { ...context.proof, standInPlays: plays, isStandInAwaited: isAwaited },
    isStandInServed: context.isStandInServed || (plays === true && context.rung !== null),
  };
}

/** From now on, and until the next look back, stand-ins are served; a restart of the service goes on from these facts. */
export const reportStoodIn = (context: RecoveryContext): Step =>
  onlyReport({ type: "incident.stoodIn", ...about(context), ...lookBackFacts(context) });

export function noteExhausted(context: RecoveryContext): Step {
  if (context.isExhausted) return nothing;
  return {
    change: { isExhausted: true },
    reports: [{ type: "incident.exhausted", ...about(context), ...lookBackFacts(context) }],
  };
}

export function noteCanary(context: RecoveryContext, verdict: ProbeVerdict): Step {
  const proof = { ...context.proof, canary: verdict };
  const change = { proof, testRender: verdict };
  if (verdict === "unknown") return { change, reports: [] };
  return { change, reports: [{ type: verdict === "passed" ? "canary.passed" : "canary.failed", ...about(context) }] };
}

/** A worker that was stopped by an operator stays stopped; one that crashes in a loop waits to be asked. */
export function restartWhenCrashLooping(context: RecoveryContext): Step {
  if (context.workerState !== "crashLooping") return nothing;
  return onlyReport({ type: "worker.restart", ...about(context), reason: "look back", isBudgeted: false });
}

export const requestModel = (context: RecoveryContext): Step => onlyReport({ type: "model.load", ...about(context) });

export const requestRestart = (context: RecoveryContext): Step =>
  onlyReport({ type: "worker.restart", ...about(context), reason: context.fault.message, isBudgeted: true });

export const requestBudget = (context: RecoveryContext): Step =>
  onlyReport({ type: "budget.request", ...about(context), action: context.choice?.action ?? "restart_pipeline" });

/** While nothing says that the worker is to blame, nothing is counted against it. */
export const holdBreaker = (context: RecoveryContext): Step =>
  context.isExperimentDue ? nothing : tell(context, "breaker.hold");

export const suspendPipeline = (context: RecoveryContext): Step =>
  onlyReport({
    type: "pipeline.suspend",
    ...about(context),
    isHealthOnly: context.origin === "health" && !context.hasProvenFailure,
  });

export const tell = (context: RecoveryContext, type: "pipeline.resume" | "pipeline.standIn" | "breaker.hold"): Step =>
  onlyReport({ type, ...about(context) });

/** Whoever admits a job again is exhausted no more: a return that fails is told anew. */
export const admitOne = (context: RecoveryContext): Step => ({
  change: { isNarrowed: true, isExhausted: false },
  reports: [{ type: "pipeline.admit", ...about(context), admission: "one" }],
});

/** What this incident has not narrowed is not its to widen. */
export const admitAll = (context: RecoveryContext): Step =>
  context.isNarrowed ? onlyReport({ type: "pipeline.admit", ...about(context), admission: "all" }) : nothing;

export const releaseBreaker = (context: RecoveryContext, isResolved: boolean): Step =>
  onlyReport({ type: "breaker.release", ...about(context), isResolved });

export const reportResolved = (context: RecoveryContext): Step =>
  onlyReport({
    type: "incident.resolved",
    ...about(context),
    climbCount: context.climbCount,
    atMs: context.clock.nowMs(),
  });
