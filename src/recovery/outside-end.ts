/**
 * Whether somebody else ended a process: a colleague, systemd, earlyoom, the kernel. No crash of its own ends a process by
 * one of these signals, and no render has a reason to end it with success.
 */
import type { Evidence } from "../core/fault.ts";
import { shellSignals } from "./fault-numbers.ts";

/** The signal that ended the process, also when a shell told it as a code; null when none did. */
export const signalOf = ({ exitCode, exitSignal }: Evidence): string | null =>
  exitSignal ?? shellSignals[exitCode ?? 0] ?? null;

/**
 * SIGKILL is among them whether or not the kernel's killer can be shown: a process cannot end itself so by a mistake, and
 * five kills within a minute look the same in every phase.
 */
const sentSignals: ReadonlySet<string> = new Set([
  "SIGKILL",
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "SIGQUIT",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGPWR",
]);

/** How somebody else ended the process, or stopped it; null where nothing says so, or this service did. */
export function outsideEndOf(evidence: Evidence): string | null {
  const { exitCode, silentForMs, stalledForMs, processState, isOwnSignal } = evidence;
  const signal = signalOf(evidence);
  if (isOwnSignal === true) return null;
  if (signal !== null) return sentSignals.has(signal) ? signal : null;
  if (exitCode === 0) return "exit code 0, as after a request to end";
  const isQuiet = silentForMs !== undefined || stalledForMs !== undefined;
  return isQuiet && processState === "T" ? "it was stopped (state T)" : null;
}

/** So many such ends within an hour are no accident, and only a person can find out who does it. */
export const askPersonFromCount = 3;
