/** What lists take in their query, where everything is text. */
import { z } from "zod";

export const longestListCount = 1_000;
const limitProblem = `must be a whole number from 1 to ${longestListCount}`;

const isListCount = (text: string): boolean =>
  /^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= longestListCount;

/** How many entries at most. */
export const limitParam = z
  .string()
  .refine(isListCount, limitProblem)
  .transform(Number)
  .meta({ type: "integer", minimum: 1, maximum: longestListCount, description: "How many entries at most." });
