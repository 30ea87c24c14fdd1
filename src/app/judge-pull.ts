import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import { isKnownModel } from "../core/model-catalog.ts";
import { fitnessOf, openFitness } from "./fitness.ts";
import { measureOnce } from "./look-at-machine.ts";

export interface PullJudgement {
  readonly isRefused: boolean;
  /** Whether the model fits, and how long a clip takes. */
  readonly sentences: readonly string[];
  readonly refusal: string;
}

/** Whether this machine carries what is to be pulled. For a repository that no registry describes that is unknown, and said. */
export async function judgePull(config: Config, model: string, clock: Clock): Promise<PullJudgement> {
  if (!isKnownModel(model)) {
    const sentence = `Whether ${model} fits this machine is unknown: no registry says what it needs.`;
    return { isRefused: false, sentences: [sentence], refusal: sentence };
  }
  const { verdict, sentences, refusal } = fitnessOf(openFitness(config, await measureOnce(config, clock)), model);
  return { isRefused: verdict === "tooLarge", sentences, refusal };
}
