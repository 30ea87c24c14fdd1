/**
 * The questions of recovery's chart, as claims about its context. None of them measures anything: a replay answers
 * them alike.
 */
import type { ModelId } from "../core/words.ts";
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
const probesOf = ({ rung, jobId }: RecoveryContext): { readonly canary: boolean; readonly envelope: boolean } =>
  rung === null ? { canary: true, envelope: false } : probesFor(rung.action, jobId !== null);

/** What recovery's transitions ask, each a claim about the context. */
export const recoveryGuards = {
  startsStandingIn: ({ context }: Args) => context.start === "standingIn",
  startsExhausted: ({ context }: Args) => context.start === "exhausted",
  startsCoolingDown: ({ context }: Args) => context.start === "coolingDown",
  startsWithDeath: ({ context }: Args) => context.start === "workerDeath",
  /** An operator asked, and a test render decides whether there is anything to repair. */
  isAskedFor: ({ context }: Args) => context.origin === "manual",
  /** A climb of this kind has just ended, and this incident has not climbed yet. */
  isInCooldown: ({ context }: Args) => context.climbCount === 0 && !hasPassed(context.cooldownUntilMs, context),
  mayWait: ({ context }: Args) =>
    (context.origin === "health" ||
      context.origin === "manual" ||
      (context.origin === "forced" && !hasPassed(context.cooldownUntilMs, context))) &&
    !context.hasProvenFailure,
  isUnprovenStandIn: ({ context }: Args) => context.choice?.action === "fallback_to_mock" && !context.hasProvenFailure,
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
