/**
 * Why a job that was given back is not tried again before a moment: kept as the reason of its last attempt, and told to its
 * owner while it waits.
 */
import { isoOf } from "./clock.ts";
import type { HeldBack } from "./words.ts";

/** What a job waits for that is not tried before a moment, although a worker may be free for it. */
export interface OwnWait {
  readonly because: HeldBack;
  /** When that was known. */
  readonly sinceMs: number;
  readonly untilMs: number;
}

const opening = "It is not tried before ";

/** A sentence. @param because a sentence of its own, without its full stop */
export const waitReasonOf = (untilMs: number, because: string): string => `${opening}${isoOf(untilMs)}: ${because}.`;

export const isWaitReason = (text: string): boolean => text.startsWith(opening);

/** @param last the newest attempt of a job that is queued; null for a job that was never begun, and for one that is due at once */
export function ownWaitOf(
  last: { readonly endedAtMs: number | null; readonly message: string | null } | undefined,
  dueAtMs: number,
): OwnWait | null {
  const sinceMs = last?.endedAtMs ?? null;
  if (sinceMs === null || dueAtMs <= sinceMs) return null;
  return { because: isWaitReason(last?.message ?? "") ? "memoryShort" : "backingOff", sinceMs, untilMs: dueAtMs };
}
