/**
 * Tells why a worker cannot start, where only a person can mend it: a wrong setting, a missing program or package,
 * versions that do not match. A start that is tried again then ends as the one before it.
 */
import type { Evidence, Fault } from "../core/fault.ts";
import type { FaultClass } from "../core/words.ts";
import { classify, faultOf, recognise } from "./classify.ts";
import { lastWords } from "./judge-process.ts";
import { type Recognition, recognition } from "./recognition.ts";

/** Nothing that passes by itself ends a worker so. */
const always: readonly FaultClass[] = ["workerConfiguration", "protocolMismatch"];

/** Shells, and `env` in the first line of a script, end so when there is no such program, or it may not be executed. */
const shellRefusals: Readonly<Record<number, string>> = {
  126: "a program may not be executed (exit code 126)",
  127: "there is no such program (exit code 127)",
};

/** How Python and Node.js say that a package, or a file of their own program, is missing. */
const missingLine = /No module named|Cannot find (?:module|package)/;

/** What ended a process before it answered. In one that has served, an optimisation may lack a package: a lighter rung helps. */
function ofStart(evidence: Evidence): Recognition | null {
  const refusal = shellRefusals[evidence.exitCode ?? 0];
  if (refusal !== undefined)
    return { ...recognition("workerConfiguration", 0.9, refusal), sentence: lastWords(evidence) ?? refusal };
  const found = recognise(evidence);
  const lines = (evidence.logTail ?? "").split("\n");
  const isMissing = found.faultClass === "missingDependency" || found.faultClass === "workerExit";
  const missing = isMissing ? lines.findLast((line) => missingLine.test(line))?.trim() : undefined;
  if (missing !== undefined) return { ...recognition("missingDependency", 0.9, missing), sentence: missing };
  return found.faultClass === "missingDependency"
    ? { ...found, sentence: lastWords(evidence) ?? found.decidedBy }
    : null;
}

/** @param hasAnswered the process had shaken hands before it ended; then nothing says that it cannot start */
export function unstartableFault(evidence: Evidence, hasAnswered: boolean): Fault | null {
  // One that has served ends like any other, whatever code a job made it end with: its next start tells.
  if (hasAnswered) return null;
  const found = ofStart(evidence);
  if (found !== null) return faultOf(found, evidence);
  const fault = classify(evidence);
  return always.includes(fault.faultClass) ? fault : null;
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

/** What is wrong and what a person can do, in the worker's own words first. */
export const remedyOf = ({ message, operatorAction }: Pick<Fault, "message" | "operatorAction">): string =>
  operatorAction === null ? sentence(message) : `${sentence(message)} ${sentence(operatorAction)}`;
