import type { Evidence, Fault } from "../core/fault.ts";
import type { FailureType } from "../core/words.ts";
import { type FaultClass, type FaultClassFacts, faultClasses } from "./fault-classes.ts";
import { errorNumberClasses, exitCodeClasses, faultSignatures, xidClasses } from "./fault-signatures.ts";
import { parseOutOfMemory, shortageOf } from "./out-of-memory-text.ts";

/** A class with what led to it. */
export interface Recognition {
  readonly faultClass: FaultClass;
  readonly confidence: number;
  readonly decidedBy: string;
}

const shellOfKill = 137;

function ofXid(text: string): Recognition | null {
  const numbers = [...text.matchAll(/NVRM: Xid \((?:PCI:)?[0-9a-fA-F:.]+\).*?: (\d+),/g)].map((match) => Number(match[1]));
  for (const row of xidClasses) {
    const found = numbers.find((number) => row.numbers.includes(number));
    if (found !== undefined) return { faultClass: row.faultClass, confidence: 0.95, decidedBy: `XID ${found}` };
  }
  return null;
}

const isNamed = (name: string, type: string): boolean => name === type || (!type.includes(".") && name.split(".").at(-1) === type);

/** Type names first, then fragments of text; within each, the table's order. */
function ofText(typeNames: readonly string[], texts: readonly string[]): Recognition | null {
  for (const { faultClass, types, confidence } of faultSignatures) {
    const type = types?.find((candidate) => typeNames.some((name) => isNamed(name, candidate)));
    if (type !== undefined) return refine(faultClass, confidence, type, texts);
  }
  for (const { faultClass, texts: fragments, confidence } of faultSignatures) {
    const fragment = fragments?.find((candidate) => texts.some((text) => text.includes(candidate)));
    if (fragment !== undefined) return refine(faultClass, confidence, fragment, texts);
  }
  return null;
}

function refine(faultClass: FaultClass, confidence: number, decidedBy: string, texts: readonly string[]): Recognition {
  if (faultClass !== "outOfMemory") return { faultClass, confidence, decidedBy };
  const virtualSpace = faultSignatures
    .find((row) => row.faultClass === "outOfVirtualSpace")
    ?.texts?.find((text) => texts.some((seen) => seen.includes(text)));
  if (virtualSpace !== undefined) return { faultClass: "outOfVirtualSpace", confidence, decidedBy: virtualSpace };
  const numbers = texts.map(parseOutOfMemory).find((found) => found?.wantedBytes != null);
  return { faultClass: numbers == null ? "outOfMemory" : shortageOf(numbers), confidence, decidedBy };
}

function ofWorkerFailure(evidence: Evidence): Recognition | null {
  const { workerFailure } = evidence;
  if (workerFailure === undefined) return null;
  const { exceptionType, message, causes, deviceUsable } = workerFailure;
  // A cause is "Type: message": both its halves count.
  const causeTypes = causes.map((cause) => /^[\w.]+(?=[:(])/.exec(cause)?.[0] ?? cause);
  const texts = [message, ...causes];
  const byText = texts.map(ofXid).find((found) => found !== null) ?? ofText([exceptionType, ...causeTypes], texts);
  if (deviceUsable === false && (byText === null || !faultClasses[byText.faultClass].contextPoisoned)) {
    return { faultClass: "contextPoisoned", confidence: 0.9, decidedBy: "a tiny allocation on the device failed afterwards" };
  }
  return byText;
}

function ofExit(evidence: Evidence): Recognition | null {
  const { exitCode, exitSignal, isOwnSignal, oomKillCount, logTail } = evidence;
  if (exitCode === undefined && exitSignal === undefined) return null;
  if (exitCode === 75 || exitCode === 78) {
    return { faultClass: exitCodeClasses[exitCode] ?? "workerExit", confidence: 0.95, decidedBy: `exit code ${exitCode}` };
  }
  const isKilled = exitSignal === "SIGKILL" || exitCode === shellOfKill;
  if (isKilled && isOwnSignal !== true && (oomKillCount ?? 0) > 0) {
    return { faultClass: "hostOomKiller", confidence: 0.95, decidedBy: "SIGKILL while the cgroup's oom_kill counter rose" };
  }
  const byLog = logTail === undefined ? null : (ofXid(logTail) ?? ofText([], [logTail]));
  if (byLog !== null && isOwnSignal !== true) return { ...byLog, confidence: byLog.confidence * 0.8 };
  if (exitSignal !== undefined) return { faultClass: "crashBySignal", confidence: isKilled ? 0.6 : 0.9, decidedBy: `signal ${exitSignal}` };
  return { faultClass: exitCodeClasses[exitCode ?? 1] ?? "workerExit", confidence: 0.8, decidedBy: `exit code ${exitCode}` };
}

function ofQuiet(evidence: Evidence): Recognition | null {
  const { silentForMs, stalledForMs, processState } = evidence;
  if (silentForMs === undefined && stalledForMs === undefined) return null;
  if (processState === "D") return { faultClass: "gpuLost", confidence: 0.6, decidedBy: "the process hangs inside the kernel (state D)" };
  if (silentForMs !== undefined) {
    const suffix = processState === "T" ? ", the process is stopped (state T)" : "";
    return { faultClass: "silence", confidence: 0.9, decidedBy: `silent for ${silentForMs} ms${suffix}` };
  }
  return { faultClass: "stall", confidence: 0.85, decidedBy: `no progress for ${stalledForMs} ms` };
}

function ofErrorNumber(evidence: Evidence): Recognition | null {
  const faultClass = evidence.errorNumber === undefined ? undefined : errorNumberClasses[evidence.errorNumber];
  return faultClass === undefined ? null : { faultClass, confidence: 0.95, decidedBy: `error number ${evidence.errorNumber}` };
}

/** The class of a failure: the most direct evidence decides, and what nobody knows stays `unknown`. */
export function recognise(evidence: Evidence): Recognition {
  if (evidence.outputProblem !== undefined) return { faultClass: "badOutput", confidence: 0.95, decidedBy: evidence.outputProblem };
  const byMessage = evidence.message === undefined ? null : (ofXid(evidence.message) ?? ofText([], [evidence.message]));
  return (
    ofWorkerFailure(evidence) ??
    ofErrorNumber(evidence) ??
    ofExit(evidence) ??
    ofQuiet(evidence) ??
    byMessage ?? { faultClass: "unknown", confidence: 0, decidedBy: "no signature matched; the raw evidence is kept" }
  );
}

/** What goes wrong while a model loads is a loading failure: its ladder fetches and reloads. */
function failureTypeOf(facts: FaultClassFacts, evidence: Evidence): FailureType | null {
  const phase = evidence.phase ?? evidence.workerFailure?.phase;
  return facts.failureType === "generation_pipeline_error" && phase === "load" ? "model_loading_failure" : facts.failureType;
}

/** A fault of a known class, for callers that measured the condition themselves (disk full, silently on the CPU). */
export function faultOf(recognition: Recognition, evidence: Evidence): Fault {
  const facts: FaultClassFacts = faultClasses[recognition.faultClass];
  const { code, attribution, contextPoisoned, retryable, operatorAction } = facts;
  return {
    code,
    attribution,
    failureType: failureTypeOf(facts, evidence),
    confidence: recognition.confidence,
    decidedBy: recognition.decidedBy,
    message: evidence.workerFailure?.message ?? evidence.message ?? recognition.decidedBy,
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
