/**
 * Judges that read a process's end or its silence: exit codes, signals, the kernel's out-of-memory killer, last words.
 * A signal that this service sent itself says nothing of the fault.
 */
import type { Evidence } from "../core/fault.ts";
import { chosenExitCodes } from "./fault-numbers.ts";
import { ofThrown } from "./judge-reports.ts";
import { ofKernelLines } from "./kernel-log.ts";
import { outsideEndOf, signalOf } from "./outside-end.ts";
import { type Judge, type Recognition, recognition } from "./recognition.ts";
import { abortedWith, lastThrown } from "./thrown-text.ts";

const hasExited = ({ exitCode, exitSignal }: Evidence): boolean => exitCode !== undefined || exitSignal !== undefined;

/** Fuller than this, a process that somebody else killed was most likely the kernel's choice. */
const exhaustedRatio = 0.95;

/** The kernel ends processes with SIGKILL only; any other end is not its out-of-memory killer's. */
export function ofHostKill(evidence: Evidence): Recognition | null {
  const isQuiet = evidence.silentForMs !== undefined || evidence.stalledForMs !== undefined;
  const isAlive = !hasExited(evidence) && isQuiet;
  if (evidence.isOwnSignal === true || isAlive || (hasExited(evidence) && signalOf(evidence) !== "SIGKILL"))
    return null;
  if (hasExited(evidence) && (evidence.oomKillCount ?? 0) > 0)
    return recognition("hostOomKiller", 0.95, "SIGKILL while the cgroup's oom_kill counter rose");
  const kernel = ofKernelLines(evidence.kernelLog ?? "", ["hostOomKiller"]);
  if (kernel !== null) return recognition("hostOomKiller", 0.9, kernel.decidedBy);
  const { hostMemoryUseRatio, oomKillCount } = evidence;
  const isExhausted = hasExited(evidence) && oomKillCount === undefined && (hostMemoryUseRatio ?? 0) >= exhaustedRatio;
  return isExhausted
    ? recognition(
        "hostOomKiller",
        0.7,
        `SIGKILL with ${Math.round((hostMemoryUseRatio ?? 0) * 100)} % of the host's memory in use`,
      )
    : null;
}

const longestWords = 300;

/** The last line that the process wrote; null when it wrote none. */
export function lastWords({ logTail }: Pick<Evidence, "logTail">): string | null {
  const line = (logTail ?? "").trimEnd().split("\n").at(-1)?.trim() ?? "";
  return line === "" ? null : line.slice(0, longestWords);
}

/** A code by which the worker says why it ended. What a person has to set right, its last line says. */
export const ofChosenExit: Judge = (evidence) => {
  const faultClass = chosenExitCodes[evidence.exitCode ?? 0];
  if (faultClass === undefined) return null;
  const found = recognition(faultClass, 0.95, `exit code ${evidence.exitCode}`);
  const words = faultClass === "workerConfiguration" ? lastWords(evidence) : null;
  return words === null ? found : { ...found, sentence: words };
};

const idleMs = 10_000;

/** Recognises a worker that sends no heartbeat, or heartbeats without progress. */
export function ofQuiet(evidence: Evidence): Recognition | null {
  const { silentForMs, stalledForMs, processState, mainThreadIdleMs, isOwnSignal } = evidence;
  if (silentForMs === undefined && stalledForMs === undefined) return null;
  // A process that ended by itself fell silent because it ended.
  if (hasExited(evidence) && isOwnSignal !== true) return null;
  if (processState === "D") return recognition("gpuLost", 0.6, "the process hangs inside the kernel (state D)");
  const stopped = processState === "T" ? ", the process is stopped (state T)" : "";
  const idle = (mainThreadIdleMs ?? 0) >= idleMs ? `, its main thread did nothing for ${mainThreadIdleMs} ms` : "";
  if (silentForMs !== undefined) return recognition("silence", 0.9, `silent for ${silentForMs} ms${stopped}${idle}`);
  return recognition("stall", 0.85, `no progress for ${stalledForMs} ms${stopped}${idle}`);
}

export const ofOwnStop: Judge = (evidence) =>
  evidence.isOwnSignal === true && hasExited(evidence)
    ? recognition("ownStop", 0.95, "this service ended the process")
    : null;

/** The process's own last words. They tell of an exception that ended it, not of a signal from outside. */
export function ofLastWords(evidence: Evidence): Recognition | null {
  const { logTail } = evidence;
  if (logTail === undefined || !hasExited(evidence)) return null;
  const signal = signalOf(evidence);
  const aborted = signal === "SIGABRT" ? abortedWith(logTail) : null;
  const thrown = aborted === null ? (signal === null ? lastThrown(logTail) : []) : [aborted];
  const found = ofThrown(thrown, evidence.phase);
  return found === null ? null : { ...found, confidence: found.confidence * 0.8 };
}

/** How the process ended, when nothing says why. */
export function ofExit(evidence: Evidence): Recognition | null {
  const signal = signalOf(evidence);
  const outside = outsideEndOf(evidence);
  const told = outside === null ? {} : { sentence: `The worker was ended from outside: ${outside}.` };
  if (signal !== null)
    return { ...recognition("crashBySignal", signal === "SIGKILL" ? 0.6 : 0.9, `signal ${signal}`), ...told };
  return evidence.exitCode === undefined
    ? null
    : { ...recognition("workerExit", 0.8, `exit code ${evidence.exitCode}`), ...told };
}
