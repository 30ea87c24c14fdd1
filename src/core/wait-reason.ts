/**
 * Why a job that was given back is not tried again before a moment: kept as the reason of its last attempt, and told to its
 * owner while it waits.
 */
import { isoOf } from "./clock.ts";

const opening = "It is not tried before ";

/** A sentence. @param because a sentence of its own, without its full stop */
export const waitReasonOf = (untilMs: number, because: string): string => `${opening}${isoOf(untilMs)}: ${because}.`;

export const isWaitReason = (text: string): boolean => text.startsWith(opening);
