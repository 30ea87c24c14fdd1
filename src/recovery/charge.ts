/**
 * What a failed attempt costs its job. Only what nothing else explains is charged to it; what the host, the card, the
 * network or a person did costs it nothing but a wait, and never ends it.
 */
import type { ErrorCode } from "../core/error-codes.ts";
import type { Fault } from "../core/fault.ts";
import type { AttemptFailure } from "../core/job.ts";
import { present } from "../core/present.ts";
import { minuteMs, secondMs } from "../core/units.ts";
import type { FaultClass } from "../core/words.ts";
import { isBroughtByJob, isConclusive, isSharedWithOthers, type Recurrence } from "./blame.ts";
import { outsideEndOf } from "./outside-end.ts";
import { signatureOf } from "./signature.ts";

const waitsOfSuspects = [secondMs, 30 * secondMs, 5 * minuteMs] as const;
const longestWaitOfSuspectsMs = 5 * minuteMs;

/** How long a job waits after its charged attempt of this number; 1 = the first. */
const waitOfSuspectMs = (attempt: number): number => waitsOfSuspects[attempt - 1] ?? longestWaitOfSuspectsMs;

const firstWaitAfterLossMs = secondMs;
const waitGrowth = 4;
const longestWaitAfterLossMs = 10 * minuteMs;

/** How long a job waits after its loss of this number; 1 = the first. The first costs a second, the sixth ten minutes. */
const waitAfterLossMs = (loss: number): number =>
  Math.min(firstWaitAfterLossMs * waitGrowth ** (loss - 1), longestWaitAfterLossMs);

/** Where in its life a job is when an attempt of it fails. */
export interface Tries {
  /** The number of the attempt that failed, among the charged ones. */
  readonly attempt: number;
  /** Losses before it. */
  readonly hostLosses: number;
}

type Failed = Pick<AttemptFailure, "kind" | "isRetryable" | "isSuspect" | "endCode"> & { readonly waitMs: number };

const lost = (tries: Tries): Failed => ({
  kind: "hostLoss",
  isRetryable: true,
  isSuspect: false,
  waitMs: waitAfterLossMs(tries.hostLosses + 1),
});

/** A class that nobody knows has no code that would tell the owner more than this. */
const endCodeOf = ({ faultClass }: Fault): { endCode?: ErrorCode } =>
  faultClass === "unknown" ? { endCode: "JOB_UNRENDERABLE" } : {};

const suspected = (kind: "error" | "death", fault: Fault, tries: Tries): Failed => ({
  kind,
  isRetryable: true,
  isSuspect: true,
  ...endCodeOf(fault),
  waitMs: waitOfSuspectMs(tries.attempt),
});

/** How an attempt failed, and what came before it. */
interface Setting {
  /** The worker was told to render the job. */
  readonly hasBegun: boolean;
  readonly recurrence: Recurrence;
}

/** What is measured or told by driver and kernel is the place's, until one job alone brings it again and again. */
const isOfPlace = (fault: Fault, { hasBegun, recurrence }: Setting): boolean =>
  !hasBegun || (isConclusive(fault) && !isBroughtByJob(fault, recurrence));

/** In a fresh process nothing is held from before, and on another card there may be room. */
const ofOwnMemory: ReadonlySet<FaultClass> = new Set<FaultClass>(["outOfMemory", "outOfMemoryFragmented"]);

/**
 * An attempt that told an error. The request's own fault ends the job; what the place did costs it a wait; any other
 * makes the job a suspect, until an experiment acquits it. Want of memory makes it one that is not charged: what fits is
 * a matter of sizes and of what else is held, and a job that fits no card is told so by the figures of its model.
 */
export function chargeOfError(fault: Fault, tries: Tries, setting: Setting): Failed {
  if (fault.attribution === "request") return { kind: "error", isRetryable: false, isSuspect: false, waitMs: 0 };
  if (!setting.hasBegun) return lost(tries);
  if (ofOwnMemory.has(fault.faultClass) && !isBroughtByJob(fault, setting.recurrence))
    return { ...lost(tries), isSuspect: true };
  return isOfPlace(fault, setting) ? lost(tries) : suspected("error", fault, tries);
}

/** A worker that ended under a job. */
export interface Death extends Setting {
  readonly fault: Fault;
}

/** Who or what ended the worker, where it was not the job. */
type EndedBy = "place" | "request" | "outside" | "unseen" | "others";

interface Explanation {
  readonly by: EndedBy;
  readonly because: string;
}

/** Each names what it recognises; null where it is something else. */
const explanations: readonly (readonly [EndedBy, (death: Death) => string | null])[] = [
  ["place", ({ hasBegun }) => (hasBegun ? null : "its render had not begun")],
  ["request", ({ fault }) => (fault.evidence.isOnRequest === true ? "it was killed on request" : null)],
  ["place", ({ fault, ...setting }) => (isOfPlace(fault, setting) ? fault.decidedBy : null)],
  // Whom the kernel ends for want of memory, it ends by SIGKILL; what took the memory is known by then.
  ["outside", ({ fault }) => (fault.faultClass === "hostOomKiller" ? null : outsideEndOf(fault.evidence))],
  // A process that an earlier supervisor started is nobody's child: that it ended is seen, and not how.
  [
    "unseen",
    ({ fault: { faultClass, evidence } }) =>
      faultClass === "unknown" && evidence.exitCode === undefined && evidence.exitSignal === undefined
        ? "nobody saw how it ended"
        : null,
  ],
  ["others", ({ recurrence }) => (isSharedWithOthers(recurrence) ? "it ended the same way under another job" : null)],
];

/** What explains a death without the job, the first that does; null when nothing does. */
export function explanationOf(death: Death): Explanation | null {
  for (const [by, recognise] of explanations) {
    const because = recognise(death);
    if (because !== null) return { by, because };
  }
  return null;
}

/** A death is charged to the job only when nothing else explains it. */
export const chargeOfDeath = (fault: Fault, tries: Tries, explanation: Explanation | null): Failed =>
  explanation === null ? suspected("death", fault, tries) : lost(tries);

/** What the attempt's evidence says of a death that was not charged. */
export const toldExplanation = (explanation: Explanation | null): Readonly<Record<string, string>> =>
  explanation === null ? {} : { ended_by: explanation.by, explained_by: explanation.because };

/** What the attempt's owner sees of an error: what told its class, and where in the render it came. */
export function evidenceOfError({ faultClass, decidedBy, evidence }: Fault): AttemptFailure["evidence"] {
  const { phase, step, exceptionType } = evidence.workerFailure ?? {};
  return { fault_class: faultClass, decided_by: decidedBy, ...present({ phase, step, exception_type: exceptionType }) };
}

/** Puts a charge and what it is for together. */
export function failureOf(
  fault: Fault,
  { waitMs, ...charge }: Failed,
  evidence: AttemptFailure["evidence"],
  nowMs: number,
): AttemptFailure {
  const { code, message } = fault;
  return { code, message, ...charge, signature: signatureOf(fault), evidence, runAtMs: nowMs + waitMs };
}
