/** Mutants of recovery's tables and judges: neighbouring rungs swapped, verdicts turned around. */
import { failureTypes, type Outcome, recoveryActions } from "../../src/core/words.ts";
import type { Ladders } from "../../src/recovery/ladders.ts";
import type { Mutant } from "./mutant.ts";

const swapPath = (type: string, first: string, second: string): string => `${type}: ${first} ↔ ${second}`;

/** Neighbours of each ladder, exchanged. */
export function mutantsOfLadders(ladders: Ladders): readonly Mutant[] {
  return failureTypes.flatMap((type) =>
    ladders[type].slice(1).map((rung, index): Mutant => {
      const path = swapPath(type, ladders[type][index] ?? "", rung);
      return { machine: "recovery", operator: "swap rungs", path };
    }),
  );
}

/** Null: there are no such neighbours. */
export function swapRungs(ladders: Ladders, path: string): Ladders | null {
  for (const type of failureTypes) {
    const ladder = ladders[type];
    const index = ladder.findIndex((rung, at) => swapPath(type, rung, ladder[at + 1] ?? "") === path);
    if (index >= 0)
      return {
        ...ladders,
        [type]: ladder
          .with(index, ladder[index + 1] ?? "fallback_to_mock")
          .with(index + 1, ladder[index] ?? "fallback_to_mock"),
      };
  }
  return null;
}

/** What a turned judge says instead. */
const turned: Readonly<Partial<Record<Outcome, Outcome>>> = {
  effective: "ineffective",
  ineffective: "effective",
  unknown: "effective",
  failed: "effective",
};
const repairPath = (isRepaired: boolean): string => `isRepaired: ${isRepaired} → ${!isRepaired}`;
const verdictPath = (action: string, outcome: Outcome): string => `${action}: ${outcome} → ${turned[outcome]}`;

export function mutantsOfVerdicts(): readonly Mutant[] {
  const outcomes = Object.keys(turned) as Outcome[];
  const paths = [
    ...recoveryActions.flatMap((action) => outcomes.map((outcome) => verdictPath(action, outcome))),
    ...[true, false].map(repairPath),
  ];
  return paths.map((path) => ({ machine: "recovery", operator: "turn outcome", path }));
}

let pathInForce: string | null = null;
/** The judge whose answers are turned from now on; null: none. */
export const turnOutcomes = (path: string | null): void => {
  pathInForce = path;
};

/** The outcome as the judge in force says it. */
export const outcomeInForce = (action: string, outcome: Outcome): Outcome =>
  pathInForce === verdictPath(action, outcome) ? (turned[outcome] ?? outcome) : outcome;
export const repairInForce = (isRepaired: boolean): boolean =>
  pathInForce === repairPath(isRepaired) ? !isRepaired : isRepaired;
