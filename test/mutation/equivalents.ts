/**
 * Mutants that no test can kill, each with the reason. They are run as well, so that a reason that no longer holds is
 * noticed.
 */
import type { Mutant } from "./mutant.ts";

/** A mutant that no observer can tell from the original; it is run all the same, and its death is an error. */
export interface Equivalent extends Mutant {
  readonly reason: string;
}

export const equivalents: readonly Equivalent[] = [
  {
    machine: "pipeline",
    operator: "drop guard",
    path: "inHand.generating: on phase.started #4",
    reason: "There are four phases; the three guards before leave only the fourth.",
  },
  ...["root: on model.load", "failed: on model.ensure"].map(
    (path): Equivalent => ({
      machine: "model-loader",
      operator: "drop guard",
      path,
      reason: "Without a worker the loader is unloaded, and answers there.",
    }),
  ),
  ...["suspended", "mock"].map(
    (state): Equivalent => ({
      machine: "pipeline",
      operator: "retarget",
      path: `${state}: always #1 → idle`,
      reason: "idle is left for stopped in the same step, by the same guard.",
    }),
  ),
];
