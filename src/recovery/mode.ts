/**
 * One word for what users can expect now: the promise for the main model, seen from afar. It follows from facts alone and
 * has no memory, so that it cannot be left behind by them.
 *
 * Health is not among the facts. Memory or a card that is critical while a worker serves costs nobody a real video: the
 * next job would be rendered, so the mode stays what it is, and health tells of itself. Only a failure that a test render
 * or a job has shown closes the way.
 */
import type { Mode, PromiseReason } from "../core/words.ts";
import { isWithoutRoute } from "./promise.ts";

/** What the service's mode follows from. */
export interface ModeFacts {
  readonly isStopping: boolean;
  /** Why the promise for the main model is what it is, asked while the door is open and nothing waits. */
  readonly because: PromiseReason;
  /** A job is in a worker's hand. */
  readonly isRendering: boolean;
  /** An open incident works on a worker. */
  readonly isRepairing: boolean;
  /** Some workers serve, and others do not. */
  readonly isReduced: boolean;
  readonly hasOpenIncident: boolean;
}

const isServed: readonly PromiseReason[] = ["serving", "returning", "checking", "queued"];
const isOnItsWay: readonly PromiseReason[] = ["loading", "starting", "resting"];

const rules: readonly { readonly mode: Mode; readonly holds: (facts: ModeFacts) => boolean }[] = [
  { mode: "draining", holds: (facts) => facts.isStopping },
  // What is being rendered while the disk fills may still be kept: not ready, but not without a real video either.
  { mode: "degraded", holds: (facts) => facts.because === "diskFull" && facts.isRendering },
  { mode: "mock", holds: (facts) => isWithoutRoute(facts.because) },
  { mode: "recovering", holds: (facts) => facts.isRepairing },
  { mode: "degraded", holds: (facts) => facts.isReduced },
  { mode: "loading", holds: (facts) => isOnItsWay.includes(facts.because) && !facts.hasOpenIncident },
  { mode: "ready", holds: (facts) => isServed.includes(facts.because) },
];

/** The first rule that holds wins; `degraded` when none does, because unknown is never shown as healthy. */
export function modeOf(facts: ModeFacts): Mode {
  return rules.find((rule) => rule.holds(facts))?.mode ?? "degraded";
}
