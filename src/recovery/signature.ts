/** What makes two failures the same one: their class, and their message without what differs from one try to the next. */
import type { Fault } from "../core/fault.ts";

const longestText = 200;

/** Paths first, because they hold numbers; then everything that counts, addresses or identifies. */
const differing: readonly (readonly [RegExp, string])[] = [
  [/(?:[A-Za-z]:)?(?:\/[^\s/'":,)]+){2,}\/?/g, "‹path›"],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, "‹id›"],
  [/\b0x[0-9a-f]+\b/gi, "#"],
  [/\d+(?:[.,]\d+)*/g, "#"],
  [/\s+/g, " "],
];

/**
 * The signature of a failure: `class: text`, at most 200 characters of text. Two tries of one job that fail alike have
 * the same; so have two jobs that fail by one cause.
 */
export function signatureOf({ faultClass, message }: Pick<Fault, "faultClass" | "message">): string {
  const text = differing.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), message);
  return `${faultClass}: ${text.trim().slice(0, longestText)}`;
}
