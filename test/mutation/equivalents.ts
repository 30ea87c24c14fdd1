import type { Mutant } from "./mutant.ts";

/** A mutant that no observer can tell from the original; it is run all the same, and its death is an error. */
export interface Equivalent extends Mutant {
  readonly reason: string;
}

export const equivalents: readonly Equivalent[] = [];
