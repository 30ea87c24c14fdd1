import type { Evidence, Fault } from "../core/fault.ts";
import type { FailureType } from "../core/words.ts";
import { type FaultClassFacts, faultClasses } from "./fault-classes.ts";
import { ofHardware, ofThrottling, ofWeakKernelLines } from "./judge-machine.ts";
import { ofChosenExit, ofExit, ofHostKill, ofLastWords, ofOwnStop, ofQuiet } from "./judge-process.ts";
import { ofErrorNumber, ofHttp, ofMessage, ofOwnError, ofWorkerReport } from "./judge-reports.ts";
import { type Judge, type Recognition, recognition } from "./recognition.ts";

const ofOutput: Judge = ({ outputProblem }) =>
  outputProblem === undefined ? null : recognition("badOutput", 0.95, outputProblem);

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
  return recognition("unknown", 0, "no signature matched; the raw evidence is kept");
}

/** What goes wrong while a model loads is a loading failure: its ladder fetches and reloads. */
function failureTypeOf(facts: FaultClassFacts, evidence: Evidence): FailureType | null {
  const phase = evidence.phase ?? evidence.workerFailure?.phase;
  return facts.failureType === "generation_pipeline_error" && phase === "load"
    ? "model_loading_failure"
    : facts.failureType;
}

/** A fault of a known class, for callers that measured the condition themselves (disk full, silently on the CPU). */
export function faultOf(recognised: Recognition, evidence: Evidence): Fault {
  const facts: FaultClassFacts = faultClasses[recognised.faultClass];
  const { code, attribution, contextPoisoned, retryable, operatorAction } = facts;
  return {
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
    evidence,
  };
}

/** Maps everything known about one failure to one fault. Total: there is a fault for every evidence. */
export function classify(evidence: Evidence): Fault {
  return faultOf(recognise(evidence), evidence);
}
