/**
 * The proof behind the ladders' last rung: recovery may say that stand-ins serve only when one of those who wait can see one.
 * A clip of its own would prove that clips can be drawn, and nothing about anybody's video.
 */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { ArtifactFiles } from "../../core/ports/artifact-files.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { Media } from "../../core/ports/media.ts";
import { secondMs } from "../../core/units.ts";
import type { StandInAnswer } from "../../machines/recovery-types.ts";
import type { Promises } from "./promises.ts";

export interface StandInProofNeeds {
  readonly clock: Pick<Clock, "nowMs" | "sleep">;
  readonly store: Pick<Store, "jobs">;
  readonly artifacts: Pick<ArtifactFiles, "pathOf">;
  readonly media: Pick<Media, "probe">;
  readonly config: Pick<Config, "standIn">;
}

const lookEveryMs = 500;
/** Drawing one takes so long at the most; the recovery gives the whole proof up a little later. */
const drawnWithinMs = 12 * secondMs;

/** Waits until an owner has a stand-in that plays; nobody is waited for where nobody waits. */
export async function proveStandIn(
  { clock, store, artifacts, media, config }: StandInProofNeeds,
  promises: Pick<Promises, "answersDue">,
  signal: AbortSignal,
): Promise<StandInAnswer> {
  const beganAtMs = clock.nowMs();
  const untilMs = beganAtMs + config.standIn.afterMs + drawnWithinMs;
  do {
    await clock.sleep(lookEveryMs, signal);
    const models = [...promises.answersDue().models.keys()];
    const { withCount, withoutCount, newestName } = await store.jobs.standInsSeen(models, beganAtMs);
    if (newestName !== null) {
      const { plays, problem } = await media.probe(artifacts.pathOf({ name: newestName }));
      return { plays, isAwaited: true, reason: problem ?? "an owner can see a stand-in, and it plays" };
    }
    if (withCount + withoutCount === 0) return { plays: null, isAwaited: false, reason: "nobody waits for a stand-in" };
  } while (clock.nowMs() < untilMs);
  return { plays: null, isAwaited: true, reason: "no owner has seen one yet" };
}
