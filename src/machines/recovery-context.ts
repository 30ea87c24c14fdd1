/** The beginning of an incident, new or resumed. Where its machine starts is decided here. */
import { nothingProven } from "../recovery/verdicts.ts";
import { defaultRecoveryLimits, type RecoveryContext, type RecoveryInput } from "./recovery-types.ts";

/** The worker ends by itself after its report: a ladder without a restart would climb over a process that is going. */
const endsByItself = ({ origin, fault, ladder }: RecoveryInput): boolean =>
  origin === "fault" && fault.contextPoisoned && !ladder.includes("restart_pipeline");

function startOf(input: RecoveryInput): RecoveryContext["start"] {
  if (input.resume !== undefined) return input.resume.kind;
  return input.origin === "workerDeath" || endsByItself(input) ? "workerDeath" : "climb";
}

/** The context of an incident that begins, or goes on after a restart of the service. */
export function contextOf(input: RecoveryInput): RecoveryContext {
  const { incidentId, workerId, model, jobId, origin, fault, failureType, ladder, parent, clock, resume } = input;
  const isCoolingDown = resume?.kind === "coolingDown";
  return {
    incidentId,
    workerId,
    model,
    jobId,
    origin,
    fault,
    failureType,
    ladder,
    parent,
    clock,
    limits: { ...defaultRecoveryLimits, ...input.limits },
    start: startOf(input),
    isClimbing: false,
    climbCount: resume?.climbCount ?? 0,
    forgivenClimbCount: 0,
    nextRungIndex: 0,
    choice: null,
    rung: null,
    evidence: null,
    proof: nothingProven,
    hasProvenFailure: resume !== undefined || origin === "fault" || origin === "workerDeath",
    workerState: "unknown",
    cooldownUntilMs: isCoolingDown ? resume.untilMs : (input.cooldownUntilMs ?? null),
    budgetRetryAtMs: null,
    lookBackCount: resume?.lookBackCount ?? 0,
    lookBackAtMs: resume === undefined || isCoolingDown ? null : resume.untilMs,
    isStandInServed: false,
    isExhausted: false,
    isTrialJobBegun: false,
    joinedFaultCount: 0,
  };
}
