/**
 * What a judge answers: the class of a fault, how sure it is, and what decided. The reason is kept in the incident, so
 * that people can check the judgement.
 */
import type { Evidence } from "../core/fault.ts";
import type { FaultClass } from "../core/words.ts";

/** A class with what led to it. */
export interface Recognition {
  readonly faultClass: FaultClass;
  /** 0..1 */
  readonly confidence: number;
  readonly decidedBy: string;
  /** For people, where the raw text is not a sentence. */
  readonly sentence?: string;
}

/** Looks at one kind of evidence; null when there is none of it, or it says nothing. */
export type Judge = (evidence: Evidence) => Recognition | null;

export const recognition = (faultClass: FaultClass, confidence: number, decidedBy: string): Recognition => ({
  faultClass,
  confidence,
  decidedBy,
});
