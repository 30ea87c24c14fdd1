/** What idle workers do for memory's sake, one after the other: a proof first, because it may open a richer mode. */
import type { Supervisor } from "../../machines/supervisor-view.ts";
import { createMisfitProofs, type ProofNeeds } from "./misfit-proofs.ts";
import { createProfileReturn, type RicherNeeds } from "./richer-profile.ts";

export function createMemoryLook(
  parts: ProofNeeds & RicherNeeds,
  supervisor: Supervisor,
): (signal: AbortSignal) => Promise<void> {
  const proveMisfits = createMisfitProofs(parts, supervisor);
  const makeRicher = createProfileReturn(parts, supervisor);
  return async (signal) => {
    await proveMisfits(signal);
    await makeRicher(signal);
  };
}
