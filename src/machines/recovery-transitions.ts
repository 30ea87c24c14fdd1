/** Transitions that several states of recovery's chart share. */
import type { ExperimentAnswer, RecoveryEvent } from "./recovery-types.ts";

type JoinedEvent = Extract<RecoveryEvent, { type: "fault.joined" }>;

/** What a fault that joins the incident brings. */
export const joinedOf = ({ event: { fault, jobId, isDeath } }: { readonly event: JoinedEvent }) => ({
  fault,
  jobId,
  isDeath,
});

/** The next rung of a climb that is under way. */
export const goOn = { guard: "isClimbing", target: "#recovery.choosing" } as const;

/** What follows a failed proof outside a climb: the next one, or the wait for the next look-back. */
export const climbAgain = [
  { guard: "mayClimb", target: "#recovery.choosing", actions: "startClimb" },
  { guard: "climbsRemain", target: "#recovery.standingIn" },
  { target: "#recovery.exhausted" },
] as const;

/** What follows once the worker is left alone: a question where one is open, else the ladder, else a test render. */
export const fromDiagnosis = [
  { guard: "isExperimentDue", target: "#recovery.experimenting" },
  { guard: "isAskedFor", target: "#recovery.verifying.runningCanary" },
  // A climb has just ended: whether anything is broken again is tried out before anybody waits for it.
  { guard: "isInCooldown", target: "#recovery.verifying.runningCanary" },
  goOn,
  { guard: "mayClimb", target: "#recovery.choosing", actions: "startClimb" },
  { target: "#recovery.probing" },
] as const;

/** What follows the experiment. A worker that renders serves on, also where it may not be repaired yet. */
export const fromExperiment = [
  { guard: "isJobToBlame", target: "#recovery.resolved" },
  goOn,
  { guard: "mayClimb", target: "#recovery.choosing", actions: "startClimb" },
  { guard: "hasTestRenderPassed", target: "#recovery.returning" },
  { guard: "climbsRemain", target: "#recovery.standingIn" },
  { target: "#recovery.exhausted" },
] as const;

/** Nobody is acquitted by silence. */
export const noExperiment: ExperimentAnswer = {
  testRender: "unknown",
  failedPhase: "unknown",
  jobIds: [],
  reason: "no answer",
};

/** A rung in hand ends as failed, and the climb goes on. */
export const refuteRung = (reason: string) =>
  [{ type: "failRung", params: { reason } }, "noteProvenFailure", "concludeRung", "signalRefuted"] as const;

/** A worker that is down for good is stood in for. */
export const standInFor = (workerState: "crashLooping" | "stopped", reason: string) =>
  ({
    guard: "isNewlyDown",
    target: "#recovery.standingIn",
    actions: [
      { type: "noteDown", params: { workerState } },
      { type: "failRung", params: { reason } },
      "noteProvenFailure",
    ],
  }) as const;
