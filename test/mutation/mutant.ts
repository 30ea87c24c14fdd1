/** What a mutant is: one small wrong change of a machine, named so that it can be made again. */

const operators = [
  "delete transition",
  "delete delay",
  "retarget",
  "drop guard",
  "negate guard",
  "swap rungs",
  "turn outcome",
  "nothing",
] as const;
/** `nothing` leaves the machine as it is: a proof that fails then is broken itself. */
export type Operator = (typeof operators)[number];

/** One small, wrong change; machine, operator and path name it for good. */
export interface Mutant {
  /** By the name of the machine's file. */
  readonly machine: string;
  readonly operator: Operator;
  /** Where, and into what: `living.handshaking: after handshakeMs → idle`. */
  readonly path: string;
}

export const nameOf = ({ machine, operator, path }: Mutant): string => `${machine} | ${operator} | ${path}`;
