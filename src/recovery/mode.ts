/**
 * One answer to what users can expect now. The mode follows from facts alone and has no memory, so that it cannot be
 * left behind by them.
 */
import type { Mode } from "../core/words.ts";

/** What the service's mode follows from. */
export interface ModeFacts {
  readonly isDraining: boolean;
  /** A worker can give, or is about to give, real output: connected or coming back, and not cut off. */
  readonly hasRealRoute: boolean;
  /** An open incident is diagnosing, choosing, acting or verifying on a worker that carries the main model. */
  readonly isRecoveringLead: boolean;
  /** The next job would be real, but by an alternative, changed, or with fewer workers than configured. */
  readonly isReduced: boolean;
  readonly isLeadReady: boolean;
  readonly hasOpenIncident: boolean;
  readonly hasLeadProofPassed: boolean;
}

const rules: readonly { readonly mode: Mode; readonly holds: (facts: ModeFacts) => boolean }[] = [
  { mode: "draining", holds: (facts) => facts.isDraining },
  { mode: "mock", holds: (facts) => !facts.hasRealRoute },
  { mode: "recovering", holds: (facts) => facts.isRecoveringLead },
  { mode: "degraded", holds: (facts) => facts.isReduced },
  { mode: "loading", holds: (facts) => !facts.isLeadReady && !facts.hasOpenIncident },
  { mode: "ready", holds: (facts) => facts.isLeadReady && facts.hasLeadProofPassed },
];

/** The first rule that holds wins; `degraded` when none does, because unknown is never shown as healthy. */
export function modeOf(facts: ModeFacts): Mode {
  return rules.find((rule) => rule.holds(facts))?.mode ?? "degraded";
}
