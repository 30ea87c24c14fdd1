/**
 * Turns evidence into a fault: the one entry for everything that fails, whoever noticed it. The same evidence always
 * gives the same fault.
 */
import { messageOf, UnderstudyError } from "../core/errors.ts";
import type { Evidence, Fault, WorkerFailure } from "../core/fault.ts";
import type { FailureType } from "../core/words.ts";
import { endedAgainAndAgain, type FaultClassFacts, faultClasses, fetchedInVain } from "./fault-classes.ts";
import { ofHardware, ofThrottling, ofWeakKernelLines } from "./judge-machine.ts";
import { ofChosenExit, ofExit, ofHostKill, ofLastWords, ofOwnStop, ofQuiet } from "./judge-process.ts";
import { ofErrorNumber, ofHttp, ofMessage, ofOwnError, ofWorkerReport } from "./judge-reports.ts";
import { askPersonFromCount } from "./outside-end.ts";
import { type Judge, type Recognition, recognition } from "./recognition.ts";

const ofOutput: Judge = ({ outputProblem }) =>
  outputProblem === undefined ? null : recognition("badOutput", 0.95, outputProblem);

const ofBrokenFile: Judge = ({ brokenFile }) =>
  brokenFile === undefined ? null : recognition("modelFile", 0.9, "a fetched file does not match its hash");

const ofTuning: Judge = ({ isOnProcessor, failedAction }) => {
  if (isOnProcessor === true) return recognition("onProcessor", 0.95, "the worker renders on the processor");
  return failedAction === undefined
    ? null
    : recognition("actionNotApplied", 0.9, `${failedAction} could not be applied`);
};

/**
 * Who is asked, in this order; the first that recognises something decides. Measurements and the driver's word stand before
 * what the worker says, that before how its process ended, that before text of unknown origin. Who sent a signal is settled
 * before anything is read out of it.
 */
const judges: readonly Judge[] = [
  ofHardware,
  ofOutput,
  ofBrokenFile,
  ofWorkerReport,
  ofHttp,
  ofErrorNumber,
  ofHostKill,
  ofQuiet,
  ofOwnStop,
  ofChosenExit,
  ofLastWords,
  ofOwnError,
  ofMessage,
  ofWeakKernelLines,
  ofExit,
  ofTuning,
  ofThrottling,
];

/** The class of a failure: the most direct evidence decides, and what nobody knows stays `unknown`. */
export function recognise(evidence: Evidence): Recognition {
  for (const judge of judges) {
    const found = judge(evidence);
    if (found !== null) return found;
  }
  const rejected = evidence.during === undefined ? "" : `${evidence.during} was rejected, and `;
  return recognition("unknown", 0, `${rejected}no signature matched; the raw evidence is kept`);
}

/** What goes wrong while a model loads is a loading failure: its ladder fetches and reloads. */
function failureTypeOf(facts: FaultClassFacts, evidence: Evidence): FailureType | null {
  const phase = evidence.phase ?? evidence.workerFailure?.phase;
  return facts.failureType === "generation_pipeline_error" && phase === "load"
    ? "model_loading_failure"
    : facts.failureType;
}

/** What a fault says, before it is one. */
type FaultFacts = { readonly [Field in keyof Fault]: Fault[Field] };

/** The one place where facts become a fault. */
const made = (facts: FaultFacts): Fault => facts as Fault;

/** A fault of a known class, for callers that measured the condition themselves (disk full, silently on the CPU). */
export function faultOf(recognised: Recognition, evidence: Evidence): Fault {
  const facts: FaultClassFacts = faultClasses[recognised.faultClass];
  const { code, attribution, contextPoisoned, retryable, operatorAction } = facts;
  return made({
    faultClass: recognised.faultClass,
    code,
    attribution,
    failureType: failureTypeOf(facts, evidence),
    confidence: recognised.confidence,
    decidedBy: recognised.decidedBy,
    message: recognised.sentence ?? evidence.workerFailure?.message ?? evidence.message ?? recognised.decidedBy,
    contextPoisoned,
    retryable,
    operatorAction,
    ...(evidence.brokenFile === undefined ? {} : fetchedInVain),
    ...((evidence.outsideEndCount ?? 0) < askPersonFromCount ? {} : endedAgainAndAgain),
    evidence,
  });
}

/** What a sample of the machine shows. It was measured from outside: the context of the device may well be sound. */
export const faultOfSample = (recognised: Recognition, evidence: Evidence): Fault =>
  made({ ...faultOf(recognised, evidence), contextPoisoned: false });

/** An effect of this service that was not done within its time. `what`: the subject of a sentence. */
export function faultOfDelay(what: string, confidence: number, evidence: Evidence): Fault {
  const decidedBy = `${what} did not answer within its time`;
  return faultOf({ ...recognition("stall", confidence, decidedBy), sentence: `${decidedBy}.` }, evidence);
}

const orderedBy = "an operator asked";

/** Nothing has failed that anybody saw. */
export const isOrder = ({ decidedBy }: Pick<Fault, "decidedBy">): boolean => decidedBy === orderedBy;

/** Nothing was seen: an operator says which kind of failure is to be repaired. */
export function faultOfOrder(failureType: FailureType): Fault {
  const asked = recognition("unknown", 1, orderedBy);
  const sentence = `An operator asked for the recovery of ${failureType}.`;
  return made({ ...faultOf({ ...asked, sentence }, {}), failureType });
}

/** A fault as a row holds it; older programs recorded no evidence. */
export type RecordedFault = Omit<FaultFacts, "evidence"> & { readonly evidence?: Evidence };

export const faultOfRecord = (recorded: RecordedFault): Fault =>
  made({ ...recorded, evidence: recorded.evidence ?? {} });

/** Maps everything known about one failure to one fault. Total: there is a fault for every evidence. */
export function classify(evidence: Evidence): Fault {
  return faultOf(recognise(evidence), evidence);
}

/** Classifies what this program caught: its own error, which may carry the worker's report, or anything else. */
export function classifyThrown(thrown: unknown, where: Pick<Evidence, "phase" | "during">): Fault {
  const own = thrown instanceof UnderstudyError ? thrown : null;
  const failure = own?.details["failure"] as WorkerFailure | undefined;
  const said: Evidence = own === null ? { message: messageOf(thrown) } : { message: own.message, errorCode: own.code };
  return classify(failure === undefined ? { ...where, ...said } : { workerFailure: failure, ...where });
}
