/**
 * Judges that read what programs say: exceptions, reports of workers, answers over HTTP, messages. Type names and the
 * beginnings of messages decide, because the rest may quote anything.
 */
import type { Evidence } from "../core/fault.ts";
import { comfyRefusalOf } from "./comfy-refusal.ts";
import { faultClasses } from "./fault-classes.ts";
import { errorNumberClasses, hubErrorCodes, hubStatuses, ownErrorClasses, workerStatuses } from "./fault-numbers.ts";
import { faultSignatures } from "./fault-signatures.ts";
import { memoryAdviceOf, shortageOf } from "./memory-advice.ts";
import { parseOutOfMemory } from "./out-of-memory-text.ts";
import { type Judge, type Recognition, recognition } from "./recognition.ts";
import { beginsWith, isNamed, type Thrown, thrownOf } from "./thrown-text.ts";

/** Words of others may be names that every object has, such as `toString`. */
const rowOf = <Row>(table: Readonly<Record<string, Row | undefined>>, word: string | undefined): Row | undefined =>
  word !== undefined && Object.hasOwn(table, word) ? table[word] : undefined;

/** Sharpens a want of memory by the numbers in its message. */
function ofShortage(thrown: readonly Thrown[], phase: Evidence["phase"], plain: Recognition): Recognition {
  const numbers = thrown.map(({ message }) => parseOutOfMemory(message)).find((found) => found?.wantedBytes != null);
  if (numbers == null) return plain;
  const { first, measures } = memoryAdviceOf(numbers, phase);
  const advice = first === null ? "" : `; ${measures[first].reason}`;
  return { ...plain, faultClass: shortageOf(numbers), decidedBy: `${plain.decidedBy}${advice}` };
}

/** What was thrown, outermost first: the first row of the table that knows a type or how a message begins. */
export function ofThrown(thrown: readonly Thrown[], phase: Evidence["phase"]): Recognition | null {
  for (const { faultClass, types, texts, confidence } of faultSignatures) {
    const type = types?.find((candidate) => thrown.some((one) => isNamed(one.type, candidate)));
    const decidedBy = type ?? texts?.find((template) => thrown.some(({ message }) => beginsWith(message, template)));
    if (decidedBy === undefined) continue;
    const plain = recognition(faultClass, confidence, decidedBy);
    return faultClass === "outOfMemory" ? ofShortage(thrown, phase, plain) : plain;
  }
  return null;
}

function ofRefusal(text: string): Recognition | null {
  const refusal = comfyRefusalOf(text);
  return refusal === null ? null : { ...recognition(refusal.kind, 0.95, refusal.sentence), sentence: refusal.sentence };
}

/** What this program's own client puts before a worker's text: the method that the worker rejected. */
const rejectedMethod =
  /^(?:initialize|(?:model|job|action|fault)\/[a-z]+|generate|attach|cancel|probe|stats|shutdown): /;

/** Judges a text of which only the wording is known. */
export const ofMessage: Judge = ({ message, phase }) => {
  const text = message?.replace(rejectedMethod, "");
  return text === undefined ? null : (ofRefusal(text) ?? ofThrown([thrownOf(text)], phase));
};

/** The worker's structured report of what it caught. */
export function ofWorkerReport({ workerFailure }: Evidence): Recognition | null {
  if (workerFailure === undefined) return null;
  const { exceptionType, message, causes, deviceUsable, phase } = workerFailure;
  const byText = ofRefusal(message) ?? ofThrown([{ type: exceptionType, message }, ...causes.map(thrownOf)], phase);
  const isPoisoned = byText !== null && faultClasses[byText.faultClass].contextPoisoned;
  if (deviceUsable === false && !isPoisoned)
    return recognition("contextPoisoned", 0.9, "a tiny allocation on the device failed afterwards");
  // The text speaks of a context that is lost for ever, the device answers: the safe reading wins, with less certainty.
  return isPoisoned && deviceUsable === true ? { ...byText, confidence: byText.confidence * 0.7 } : byText;
}

/** A remote server's refusal, by its own error code where it sends one. */
export function ofHttp({ http }: Evidence): Recognition | null {
  if (http === undefined) return null;
  const { from, status, errorCode, errorMessage, body } = http;
  const said = `HTTP ${status} of the ${from}`;
  const ofStatus = (faultClass = (from === "hub" ? hubStatuses : workerStatuses)[status]): Recognition | null =>
    faultClass === undefined ? null : recognition(faultClass, 0.8, said);
  if (from === "worker") return (status === 400 && body !== undefined ? ofRefusal(body) : null) ?? ofStatus();
  const byCode = rowOf(hubErrorCodes, errorCode);
  if (byCode !== undefined) return recognition(byCode, 0.95, `${said}, ${errorCode}`);
  return (errorMessage === undefined ? null : ofThrown([thrownOf(errorMessage)], "load")) ?? ofStatus();
}

export const ofErrorNumber: Judge = ({ errorNumber }) => {
  const faultClass = rowOf(errorNumberClasses, errorNumber);
  return faultClass === undefined ? null : recognition(faultClass, 0.95, `error number ${errorNumber}`);
};

/** What this program itself threw. */
export const ofOwnError: Judge = ({ errorCode }) => {
  const faultClass = rowOf(ownErrorClasses, errorCode);
  return faultClass === undefined ? null : recognition(faultClass, 0.8, `error ${errorCode}`);
};
