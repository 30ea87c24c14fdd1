/**
 * Removes prompts, keys, tokens and paths of home directories from evidence before it is written. Rows of incidents
 * are shown, exported and attached to reports: what they hold may leave this machine.
 */
import { homedir } from "node:os";

const hidden = "[hidden]";
const keptLogLines = 20;

/** Lines of a log that tell of a failure; the others may hold anything, also what somebody asked for. */
const tellingLine =
  /error|exception|traceback|cuda|out of memory|killed|signal|fatal|abort|segmentation|^\s*file "|no space|refused|timed out/i;

const isBelowHome = (home: string): string => home.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\/$/, "");
const ownHome = homedir();
const homes = [
  "/home/[^/\\s\"']+",
  "/Users/[^/\\s\"']+",
  "/root",
  ...(ownHome.length > 1 ? [isBelowHome(ownHome)] : []),
].join("|");

const rules: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // The last part of a path tells which file it was; where it lies tells who somebody is.
  [new RegExp(`(?:${homes})(?:/[^/\\s"'):,]+)*?(/[^/\\s"'):,]*)?(?=[\\s"'):,]|$)`, "g"), "~$1"],
  [/(prompt["']?\s*[:=](?!\s*\[hidden\])\s*)(?:"[^"]*"|'[^']*'|[^\n]*)/gi, `$1${hidden}`],
  [/\b(bearer\s+)[^\s"',]+/gi, `$1${hidden}`],
  [/((?:token|secret|password|authorization|api[_-]?key)["']?\s*[:=]\s*["']?)(?!bearer\b)[^\s"',]+/gi, `$1${hidden}`],
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/:@]+:[^\s/@]+@/gi, `$1${hidden}@`],
  [/\b(?:hf|sk|pk|ghp|gho|xox[a-z])[_-][\w-]{8,}/g, hidden],
  [/\b[0-9a-f]{32,}\b/gi, hidden],
];

/** A text without prompts, keys, tokens and paths below a home directory. What it has made stays as it is. */
export const sanitiseText = (text: string): string =>
  rules.reduce((clean, [pattern, by]) => clean.replaceAll(pattern, by), text);

const tellingLines = (log: string): string =>
  log
    .split("\n")
    .filter((line) => tellingLine.test(line))
    .slice(-keptLogLines)
    .join("\n");

/** A copy of plain data that can be kept in a row: of the same shape, and every text in it sanitised. */
export const sanitise = <Value>(value: Value): Value => keepable(value) as Value;

/** Keeps only what JSON can hold: errors become name and message, functions go. */
export function keepable(value: unknown): unknown {
  if (typeof value === "string") return sanitiseText(value);
  if (value instanceof Error) return { name: value.name, message: sanitiseText(value.message) };
  if (Array.isArray(value)) return value.map(keepable);
  if (typeof value !== "object" || value === null) return typeof value === "function" ? undefined : value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      keepable(key === "logTail" && typeof inner === "string" ? tellingLines(inner) : inner),
    ]),
  );
}
