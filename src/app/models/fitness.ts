/** Whether the real machine carries a model, as doctor and downloads ask: before anything is fetched or started. */
import { join } from "node:path";
import type { Config } from "../../config/schema.ts";
import { UnderstudyError } from "../../core/errors.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { Sample } from "../../core/ports/telemetry-probe.ts";
import { clipTimeOf } from "../../recovery/clip-time.ts";
import { clipTimeSentence, placementSentence, refusalSentence } from "../../recovery/fit-sentences.ts";
import { type FitVerdict, findInstead, placeModel } from "../../recovery/placement.ts";
import { readFacts } from "../../store/read-facts.ts";
import { type RealMachine, realMachine } from "../health/look-at-machine.ts";
import { type LearnedFacts, learnedFactsOf } from "../rendering/learned.ts";

export interface FitnessWorld {
  readonly catalog: ModelCatalog;
  readonly machine: RealMachine;
  readonly learned: LearnedFacts;
}

/** From a database that cannot be read nothing was learned; whoever needs it says so. */
function readLearned({ stateDir }: Config): LearnedFacts {
  try {
    const facts = readFacts(join(stateDir, "understudy.db"));
    return learnedFactsOf((key) => facts.get(key) ?? null);
  } catch (thrown) {
    if (!(thrown instanceof UnderstudyError)) throw thrown;
    return learnedFactsOf(() => null);
  }
}

/** @param sample of `measureOnce` */
export const openFitness = (config: Config, catalog: ModelCatalog, sample: Sample): FitnessWorld => ({
  catalog,
  machine: realMachine(sample, config),
  learned: readLearned(config),
});

export interface Fitness {
  readonly verdict: FitVerdict;
  readonly sentences: readonly string[];
  readonly weightBytes: number;
  /** Which model fits instead; null where this one does, or none. */
  readonly instead: string | null;
  /** The sentence with which a job or pull of this model is refused. */
  readonly refusal: string;
}

export function fitnessOf({ catalog, machine, learned }: FitnessWorld, id: string): Fitness {
  const model = catalog.entryOf(id);
  const { facts, profiles } = machine;
  const placement = placeModel(facts, model, profiles, learned.envelopes);
  const carried =
    placement.verdict === "tooLarge" ? findInstead(facts, model, catalog.entries, profiles, learned.envelopes) : null;
  // Nobody waits for a test render: how long a clip takes is asked of the usual ones.
  const largest = placement.clips.slice(0, -1).find(({ profile }) => profile !== null);
  const time =
    largest?.profile == null
      ? []
      : [
          clipTimeSentence(
            largest.clip,
            clipTimeOf(learned.clips, { device: facts.device, model, clip: largest.clip, profile: largest.profile }),
          ),
        ];
  return {
    verdict: placement.verdict,
    sentences: [placementSentence(facts, placement), ...time],
    weightBytes: model.weightBytes,
    instead:
      carried === null ? null : `Take ${carried.model}, which fits in memory mode ${carried.profile ?? "unknown"}.`,
    refusal: refusalSentence(facts, placement, carried),
  };
}
