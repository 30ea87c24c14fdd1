/** What passes between the mutation run and the processes that try mutants out. */
import type { Mutant } from "./mutant.ts";

/** What one process is to find out about one mutant. */
export interface Assignment {
  readonly mutant: Mutant;
  /** Only the proofs that take milliseconds. */
  readonly isQuick: boolean;
}

/** `killedBy`: the first proof that failed; null when every one passed. */
export interface Finding {
  readonly mutant: Mutant;
  readonly killedBy: string | null;
}

/** From the process that carries assignments out, in their order. `broken`: nothing can be found out there. */
export type ChunkMessage =
  | { readonly kind: "progressed" }
  | { readonly kind: "found"; readonly killedBy: string | null }
  | { readonly kind: "broken"; readonly message: string };
