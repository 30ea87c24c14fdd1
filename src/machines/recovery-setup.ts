/**
 * Binds the names in recovery's chart to guards, steps and effects. The steps are plain functions in
 * recovery-steps.ts; here the machine takes them.
 */
import { assign, enqueueActions, raise, setup } from "xstate";
import type { ClimbOutcome, MachineTag } from "../core/words.ts";
import type { RungFacts } from "../recovery/preconditions.ts";
import { nothingProven, type ProbeVerdict } from "../recovery/verdicts.ts";
import { promiseOf } from "./not-provided.ts";
import { recoveryGuards } from "./recovery-guards.ts";
import * as steps from "./recovery-steps.ts";
import type {
  ExperimentAnswer,
  PerformActionInput,
  ProbeAnswer,
  RecoveryContext,
  RecoveryEvent,
  RecoveryInput,
  RecoveryOutput,
  RecoveryReport,
  RecoveryTarget,
  RungEvidence,
  StandInAnswer,
} from "./recovery-types.ts";

/** Raised by this machine for itself, once the context holds what the next guards ask about. */
type RecoverySignal =
  | { readonly type: "blame.judged" }
  | { readonly type: "rung.chosen" }
  | { readonly type: "rung.applied" }
  | { readonly type: "probe.judged" }
  | { readonly type: "repair.proven" }
  | { readonly type: "repair.refuted" };

/** Whom an effect is about. */
export const targetOf = ({ context }: { context: RecoveryContext }): RecoveryTarget => {
  const { incidentId, workerId, model, jobIds, fault, rung } = context;
  return { incidentId, workerId, model, jobIds, fault, action: rung?.action ?? null };
};

/** How the incident ended, as its final state says; the chart has no other end than these two. */
export const endingOf = (event: object): RecoveryOutput["ending"] =>
  "output" in event && event.output === "resolved" ? "resolved" : "stopped";

/** Want of memory alone has its failed phase run again. */
const experimentMsOf = ({ fault, limits }: RecoveryContext): number =>
  limits.canaryMs + (fault.failureType === "vram_exhaustion" ? limits.envelopeMs : 0);

interface StepSink {
  assign(change: Partial<RecoveryContext>): void;
  sendTo(parent: RecoveryContext["parent"], report: RecoveryReport): void;
}

/** Carries one step out: the change first, then the reports in their order. */
function take(
  { context, enqueue }: { readonly context: RecoveryContext; readonly enqueue: StepSink },
  step: steps.Step,
): void {
  enqueue.assign(step.change);
  for (const report of step.reports) enqueue.sendTo(context.parent, report);
}

/** Everything that recovery's chart names: guards, actions, delays, and the effects that src/app provides. */
export const recoverySetup = setup({
  types: {
    context: {} as RecoveryContext,
    events: {} as RecoveryEvent | RecoverySignal,
    input: {} as RecoveryInput,
    output: {} as RecoveryOutput,
    tags: {} as MachineTag,
  },
  actors: {
    /** Measures what decides which rungs can help; asks nothing of the device. */
    examine: promiseOf<RungFacts, RecoveryTarget>("examine"),
    performAction: promiseOf<RungEvidence, PerformActionInput>("performAction"),
    /** Runs the failed job's phase again. */
    proveEnvelope: promiseOf<ProbeAnswer, RecoveryTarget>("proveEnvelope"),
    runCanary: promiseOf<ProbeAnswer, RecoveryTarget>("runCanary"),
    /** A test render right after a job's failure, the failed phase where memory was wanting, and who else failed alike. */
    experiment: promiseOf<ExperimentAnswer, RecoveryTarget>("experiment"),
    /** Idempotent for an incident: makes one when there is none, and checks that it plays. */
    renderStandIn: promiseOf<StandInAnswer, RecoveryTarget>("renderStandIn"),
  },
  guards: recoveryGuards,
  actions: {
    startClimb: assign(({ context }) => ({ isClimbing: true, climbCount: context.climbCount + 1, nextRungIndex: 0 })),
    forgiveClimbs: assign(({ context }) => steps.forgiveClimbs(context)),
    clearStart: assign({ start: null }),
    clearChoice: assign({ choice: null }),
    chooseNext: enqueueActions((args, params: { facts: RungFacts }) =>
      take(args, steps.chooseNext(args.context, params.facts)),
    ),
    skipForBudget: enqueueActions((args, params: { retryAtMs: number | null; reason: string }) =>
      take(args, steps.skipForBudget(args.context, params)),
    ),
    settleBlame: enqueueActions((args, params: ExperimentAnswer) =>
      take(args, steps.settleBlame(args.context, params)),
    ),
    settleInVain: enqueueActions((args) => take(args, steps.settleInVain(args.context))),
    goToLastRung: assign({ nextRungIndex: ({ context }) => context.ladder.length - 1, proof: nothingProven }),
    startRung: enqueueActions((args) => take(args, steps.startRung(args.context))),
    startJoinedRestart: enqueueActions((args) => take(args, steps.startJoinedRestart(args.context))),
    startStandInRung: enqueueActions((args) => take(args, steps.startStandInRung(args.context))),
    concludeRung: enqueueActions((args) => take(args, steps.concludeRung(args.context))),
    storeEvidence: assign(({ context }, params: RungEvidence) => steps.storeEvidence(context, params)),
    failRung: assign({
      proof: ({ context }, params: { reason: string }) => ({ ...context.proof, actionError: params.reason }),
    }),
    storeRestart: assign({ proof: ({ context }) => ({ ...context.proof, hasRestarted: true }) }),
    storeCanary: enqueueActions((args, params: { verdict: ProbeVerdict }) =>
      take(args, steps.noteCanary(args.context, params.verdict)),
    ),
    storeEnvelope: assign({
      proof: ({ context }, params: { verdict: ProbeVerdict }) => ({ ...context.proof, envelope: params.verdict }),
    }),
    storeStandIn: assign(({ context }, params: Pick<StandInAnswer, "plays" | "isAwaited">) =>
      steps.noteStandIn(context, params),
    ),
    reportStoodIn: enqueueActions((args) => take(args, steps.reportStoodIn(args.context))),
    forgetProof: assign({ proof: nothingProven, testRender: null }),
    noteProvenFailure: assign({ hasProvenFailure: true }),
    noteModelMissing: assign({ testRender: "failed" }),
    noteJoined: assign(({ context }, params: steps.Joined) => steps.noteJoined(context, params)),
    takeUpFault: assign(({ context }, params: steps.Joined) => steps.takeUpFault(context, params)),
    noteConnected: assign({ workerState: "connected" }),
    /** Nothing can be asked of a worker that is not there. */
    noteDown: assign((_, params: { workerState: "crashLooping" | "stopped" }) => ({
      ...params,
      isExperimentDue: false,
    })),
    noteTrialJob: assign({ isTrialJobBegun: true }),
    forgetTrialJob: assign({ isTrialJobBegun: false }),
    armLookBack: assign(({ context }) => steps.armLookBack(context)),
    disarmLookBack: assign({ lookBackAtMs: null }),
    startCooldown: enqueueActions((args) => take(args, steps.startCooldown(args.context))),
    endClimb: enqueueActions((args, params: { outcome: ClimbOutcome }) =>
      take(args, steps.endClimb(args.context, params.outcome)),
    ),
    reportExhausted: enqueueActions((args) => take(args, steps.noteExhausted(args.context))),
    restartWhenCrashLooping: enqueueActions((args) => take(args, steps.restartWhenCrashLooping(args.context))),
    requestModel: enqueueActions((args) => take(args, steps.requestModel(args.context))),
    requestRestart: enqueueActions((args) => take(args, steps.requestRestart(args.context))),
    requestBudget: enqueueActions((args) => take(args, steps.requestBudget(args.context))),
    suspendPipeline: enqueueActions((args) => take(args, steps.suspendPipeline(args.context))),
    resumePipeline: enqueueActions((args) => take(args, steps.tell(args.context, "pipeline.resume"))),
    serveStandIns: enqueueActions((args) => take(args, steps.tell(args.context, "pipeline.standIn"))),
    holdBreaker: enqueueActions((args) => take(args, steps.holdBreaker(args.context))),
    admitOne: enqueueActions((args) => take(args, steps.admitOne(args.context))),
    admitAll: enqueueActions((args) => take(args, steps.admitAll(args.context))),
    releaseBreaker: enqueueActions((args, params: { isResolved: boolean }) =>
      take(args, steps.releaseBreaker(args.context, params.isResolved)),
    ),
    reportResolved: enqueueActions((args) => take(args, steps.reportResolved(args.context))),
    signalSettled: raise({ type: "blame.judged" }),
    signalChosen: raise({ type: "rung.chosen" }),
    signalApplied: raise({ type: "rung.applied" }),
    signalJudged: raise({ type: "probe.judged" }),
    signalProven: raise({ type: "repair.proven" }),
    signalRefuted: raise({ type: "repair.refuted" }),
  },
  delays: {
    suspendMs: ({ context }) => context.limits.suspendMs,
    examineMs: ({ context }) => context.limits.examineMs,
    budgetMs: ({ context }) => context.limits.budgetMs,
    actionMs: ({ context }) => context.limits.actionMs[context.rung?.action ?? "restart_pipeline"],
    workerReadyMs: ({ context }) => context.limits.workerReadyMs,
    canaryMs: ({ context }) => context.limits.canaryMs,
    experimentMs: ({ context }) => experimentMsOf(context),
    envelopeMs: ({ context }) => context.limits.envelopeMs,
    standInMs: ({ context }) => context.limits.standInMs,
    lookBackMs: ({ context }) => Math.max(0, (context.lookBackAtMs ?? 0) - context.clock.nowMs()),
    returnIdleMs: ({ context }) => context.limits.returnIdleMs,
    returnJobMs: ({ context }) => context.limits.returnJobMs,
  },
});
