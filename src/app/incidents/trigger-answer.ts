/**
 * What an operator's trigger is answered: in the words of what happened in this very request, and of nothing else. A
 * test render is only named where one was made and passed.
 */
import type { RungResult } from "../../core/fault.ts";
import { secondMs } from "../../core/units.ts";
import type { FailureType } from "../../core/words.ts";
import type { RecoveryTriggered } from "../../server/server-ports.ts";

/**
 * How far a climb had come when it was answered. `returning`: proven, one job is let through before all are ·
 * `returningAlready`: an earlier order had come so far · `abandoned`: nobody works on the incident any more.
 */
export type TriggerEnding =
  | "pending"
  | "draining"
  | "resolved"
  | "returning"
  | "returningAlready"
  | "standingIn"
  | "exhausted"
  | "abandoned";

/** What was heard of one order until its answer. */
export interface TriggerFacts {
  readonly failureType: FailureType;
  readonly ending: TriggerEnding;
  readonly incidentId: string | null;
  readonly rungs: readonly RungResult[];
  readonly hasTestPassed: boolean;
  /** The job in the worker's hand, while nothing was tried before its end. */
  readonly behindJobId: string | null;
  /** How long no climb of this kind begins. */
  readonly cooldownMs: number;
  readonly isRealGenerationEnabled: boolean;
}

type Said = Pick<RecoveryTriggered, "isSuccess" | "message">;
const succeeded = (message: string): Said => ({ isSuccess: true, message });
const failed = (message: string): Said => ({ isSuccess: false, message });

export const cooldownSentence = (failureType: FailureType, leftMs: number): string =>
  `Recovery cooldown active for ${failureType} (${Math.ceil(leftMs / secondMs)}s remaining)`;

export const stopSentence = "The service is stopping; nothing is repaired any more";

const hasRun = ({ outcome }: RungResult): boolean => outcome !== "skipped";
const lastEffective = ({ rungs }: TriggerFacts): RungResult | undefined =>
  rungs.findLast(({ outcome }) => outcome === "effective");

/** The main model renders, proven by a test render or by a job. */
function ofReturn(followed: TriggerFacts): Said {
  const { rungs, hasTestPassed } = followed;
  const effective = lastEffective(followed);
  if (effective !== undefined && effective.action !== "fallback_to_mock")
    return succeeded(`Recovery successful using ${effective.action}`);
  if (!hasTestPassed) return succeeded("Real generation works again");
  return rungs.some(hasRun)
    ? succeeded("Test render passed, but no step is proven to have brought that about")
    : succeeded("Nothing to repair: test render passed");
}

function ofStandIn(followed: TriggerFacts): Said {
  const { failureType, rungs, cooldownMs, ending } = followed;
  // Whoever comes gets a stand-in; skipped, where nobody waits for one yet.
  const last = rungs.at(-1);
  const isServed = last?.outcome === "effective" || last?.outcome === "skipped";
  if (last?.action === "fallback_to_mock" && isServed) return succeeded("Recovery successful using fallback_to_mock");
  if (ending === "standingIn" && rungs.length === 0 && cooldownMs > 0)
    return failed(`${cooldownSentence(failureType, cooldownMs)}; a test render failed`);
  return failed(`All recovery strategies failed for ${failureType}`);
}

function sentenceOf(followed: TriggerFacts): Said {
  switch (followed.ending) {
    case "pending":
      return followed.behindJobId === null
        ? failed("Recovery is under way; look at the incident for its end.")
        : failed(`Recovery queued behind job ${followed.behindJobId}`);
    case "draining":
      return failed(stopSentence);
    case "resolved":
    case "returning":
      return ofReturn(followed);
    case "returningAlready":
      return succeeded("The repair before this one has passed its proof; one job is let through before all are");
    case "standingIn":
    case "exhausted":
      return ofStandIn(followed);
    case "abandoned":
      return failed("Recovery system error: nobody works on the incident any more");
  }
}

export function answerOf(followed: TriggerFacts): RecoveryTriggered {
  const { ending, incidentId, rungs, isRealGenerationEnabled } = followed;
  const isWaiting = ending === "standingIn" || ending === "exhausted";
  return {
    ...sentenceOf(followed),
    isPending: ending === "pending",
    incidentId,
    isStandingIn: isWaiting && !isRealGenerationEnabled,
    isRealGenerationEnabled,
    actions: rungs.map(({ action, outcome, reason }) => ({ action, outcome, reason })),
  };
}
