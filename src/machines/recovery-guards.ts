/**
 * The questions of recovery's chart, as claims about its context. None of them measures anything: a replay answers
 * them alike.
 */
import type { ModelId } from "../core/words.ts";
import { isConclusive } from "../recovery/blame.ts";
import { canRepeat, isDeath } from "../recovery/trials.ts";
import { isRepaired, probesFor } from "../recovery/verdicts.ts";
import type { RecoveryContext } from "./recovery-types.ts";

interface Args {
  readonly context: RecoveryContext;
}

const isWorkerDown = ({ workerState }: RecoveryContext): boolean =>
  workerState === "crashLooping" || workerState === "stopped";
const hasPassed = (atMs: number | null, { clock }: RecoveryContext): boolean => atMs === null || clock.nowMs() >= atMs;
const climbsRemain = ({ climbCount, forgivenClimbCount, limits }: RecoveryContext): boolean =>
  climbCount - forgivenClimbCount < limits.climbCount;
const probesOf = ({
  rung,
  jobIds,
  fault,
}: RecoveryContext): { readonly canary: boolean; readonly envelope: boolean } =>
  rung === null ? { canary: true, envelope: false } : probesFor(rung.action, jobIds.length > 0 && canRepeat(fault));
/** The test render before the last rung: of a climb that has no rung in hand any more. */
const isLastProof = ({ isClimbing, rung }: RecoveryContext): boolean => isClimbing && rung === null;
const isOfJobs = ({ jobIds, fault }: RecoveryContext): boolean =>
  jobIds.length > 0 && !isConclusive(fault) && !isDeath(fault);

/** What recovery's transitions ask, each a claim about the context. */
export const recoveryGuards = {
  startsStandingIn: ({ context }: Args) => context.start === "standingIn",
  startsExhausted: ({ context }: Args) => context.start === "exhausted",
  startsAtWork: ({ context }: Args) => context.start === "atWork",
  startsWithDeath: ({ context }: Args) => context.start === "workerDeath",
  /** An operator asked, and a test render decides whether there is anything to repair. */
  isAskedFor: ({ context }: Args) => context.origin === "manual" && context.climbCount === 0,
  /** A climb of this kind has just ended, and this incident has not climbed yet. */
  isInCooldown: ({ context }: Args) => context.climbCount === 0 && !hasPassed(context.cooldownUntilMs, context),
  mayWait: ({ context }: Args) =>
    context.isExperimentDue ||
    ((context.origin === "health" ||
      context.origin === "manual" ||
      (context.origin === "forced" && !hasPassed(context.cooldownUntilMs, context))) &&
      !context.hasProvenFailure),
  isExperimentDue: ({ context }: Args) => context.isExperimentDue,
  /** The experiment speaks against the job or its size, and for its worker. */
  isJobToBlame: ({ context }: Args) => context.blame !== null && context.blame !== "route",
  hasTestRenderPassed: ({ context }: Args) => context.testRender === "passed",
  /** Nobody gets a stand-in before a test render was asked, after the last thing that was done. */
  isUnprovenStandIn: ({ context }: Args) =>
    context.choice?.action === "fallback_to_mock" && (context.testRender === null || context.testRender === "passed"),
  isStandIn: ({ context }: Args) => context.choice?.action === "fallback_to_mock",
  isHeavyChoice: ({ context }: Args) => context.choice?.isHeavy === true,
  isRestart: ({ context }: Args) => context.choice?.action === "restart_pipeline",
  isActionFailed: ({ context }: Args) => context.proof.actionError !== null,
  isCanaryDue: ({ context }: Args) => probesOf(context).canary,
  isEnvelopeDue: ({ context }: Args) => context.proof.canary === "passed" && probesOf(context).envelope,
  isRepaired: ({ context }: Args) => isRepaired(context.proof),
  /** An operator's trigger whose first test render passed. */
  isNothingToRepair: ({ context }: Args) =>
    (context.origin === "manual" || context.origin === "forced") && context.climbCount === 0,
  /** All was tried, nothing changed the jobs' failure, and the worker renders: it is not the worker's. */
  isClimbInVain: ({ context }: Args) => isLastProof(context) && isOfJobs(context),
  isClimbing: ({ context }: Args) => context.isClimbing,
  mayClimb: ({ context }: Args) =>
    climbsRemain(context) &&
    !isWorkerDown(context) &&
    hasPassed(context.budgetRetryAtMs, context) &&
    hasPassed(context.cooldownUntilMs, context),
  climbsRemain: ({ context }: Args) => climbsRemain(context),
  /** A fault of one model is over with that model; any other with whatever model the worker had in use. */
  isOwnModel: ({ context }: Args, params: { readonly model: ModelId }) =>
    context.model === null || context.model === params.model,
  isTrialJobMissing: ({ context }: Args) => !context.isTrialJobBegun,
  jobSucceeded: (_: Args, params: { readonly isSuccessful: boolean }) => params.isSuccessful,
  isNewlyDown: ({ context }: Args) => !isWorkerDown(context),
};
