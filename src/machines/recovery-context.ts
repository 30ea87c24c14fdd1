/** The beginning of an incident, new or resumed. Where its machine starts is decided here. */
import { isConclusive } from "../recovery/blame.ts";
import { nothingProven } from "../recovery/verdicts.ts";
import { defaultRecoveryLimits, type RecoveryContext, type RecoveryInput } from "./recovery-types.ts";

/** The worker ends by itself after its report: a ladder without a restart would climb over a process that is going. */
const endsByItself = ({ origin, fault, ladder }: RecoveryInput): boolean =>
  origin === "fault" && fault.contextPoisoned && !ladder.includes("restart_pipeline");

function startOf(input: RecoveryInput): RecoveryContext["start"] {
  if (input.resume !== undefined) return input.resume.kind;
  return input.origin === "workerDeath" || endsByItself(input) ? "workerDeath" : "examined";
}

/** Nothing says yet whether the job or its worker is to blame. An incident that goes on has had its answer. */
const isExperimentDue = ({ origin, fault, jobIds, resume }: RecoveryInput): boolean =>
  origin === "fault" && resume === undefined && jobIds.length > 0 && !isConclusive(fault);

/** The context of an incident that begins, or goes on after a restart of the service. */
export function contextOf(input: RecoveryInput): RecoveryContext {
  const { incidentId, workerId, model, jobIds, origin, fault, failureType, ladder, parent, clock, resume } = input;
  const isWaiting = resume !== undefined && resume.kind !== "atWork";
  const start = startOf(input);
  return {
    incidentId,
    workerId,
    model,
    jobIds,
    origin,
    fault,
    failureType,
    ladder,
    isClimbInVain: input.isClimbInVain ?? false,
    parent,
    clock,
    limits: { ...defaultRecoveryLimits, ...input.limits },
    start,
    isExperimentDue: start === "examined" && isExperimentDue(input),
    blame: null,
    isClimbing: false,
    climbCount: resume?.climbCount ?? 0,
    forgivenClimbCount: 0,
    nextRungIndex: 0,
    choice: null,
    rung: null,
    evidence: null,
    proof: nothingProven,
    testRender: null,
    hasProvenFailure: resume !== undefined || origin === "fault" || origin === "workerDeath",
    workerState: "unknown",
    cooldownUntilMs: input.cooldownUntilMs ?? null,
    budgetRetryAtMs: null,
    lookBackCount: resume?.lookBackCount ?? 0,
    lookBackAtMs: isWaiting ? resume.untilMs : null,
    // Stand-ins that an earlier life of the incident began to serve are served on; that is no step of this one.
    isStandInServed: isWaiting,
    isExhausted: false,
    isTrialJobBegun: false,
    isNarrowed: false,
    joinedFaultCount: 0,
  };
}
