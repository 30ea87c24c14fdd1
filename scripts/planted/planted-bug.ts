/** A small wrong change of the product, as data: proofs are proven by it, because one of them must find it. */

export interface PlantedBug {
  /** What is wrong then, in a few words. */
  readonly name: string;
  /** Why nobody may ship it. */
  readonly why: string;
  /** Below the project. */
  readonly file: string;
  /** Occurs once in the file. */
  readonly from: string;
  readonly to: string;
  /** Further changes of the same file, where one alone would not be wrong enough. */
  readonly also?: readonly { readonly from: string; readonly to: string }[];
  /** Test files that are asked first, in this order; what none of them finds, the simulation must. */
  readonly tests: readonly string[];
}
