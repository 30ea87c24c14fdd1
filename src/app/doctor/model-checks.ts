/** The hub, and for each model of this configuration whether this machine carries it, and how long a clip takes. */
import { ModelError } from "../../core/errors.ts";
import type { ModelCache, ModelStatus } from "../../core/ports/model-cache.ts";
import { formatBytes, secondMs } from "../../core/units.ts";
import { type Fitness, type FitnessWorld, fitnessOf } from "../models/fitness.ts";
import { missing, ok, unknown } from "./finding.ts";

const hubWithinMs = 10 * secondMs;

/** Asks the hub for the commit of one model: that tells of network, licence and token at once. */
export async function checkHub(cache: ModelCache, model: string, host: string) {
  try {
    await cache.askHub(model, hubWithinMs);
    return ok(`${host} answers, and lets ${model} be read.`);
  } catch (thrown) {
    if (!(thrown instanceof ModelError)) throw thrown;
    const fix =
      thrown.code === "NETWORK_UNREACHABLE"
        ? "Check the network and proxy, or name a mirror in HF_ENDPOINT; models that are complete need no hub."
        : "Do what the sentence asks; HF_TOKEN holds the token.";
    return missing(thrown.message, fix);
  }
}

function filesWords({ state, presentBytes, totalBytes }: ModelStatus, weightBytes: number): string {
  if (state === "complete") return `Its files are here (${formatBytes(presentBytes)}).`;
  const rest =
    totalBytes === null ? `about ${formatBytes(weightBytes)}, by the registry` : formatBytes(totalBytes - presentBytes);
  return `Its files are not all here: ${rest} to fetch.`;
}

/** Says of one model in one line whether this machine carries it and whether its files are here. */
export function judgeModel(world: FitnessWorld, model: string, files: ModelStatus | null) {
  const fitness: Fitness = fitnessOf(world, model);
  const said = [...fitness.sentences, ...(files === null ? [] : [filesWords(files, fitness.weightBytes)])].join(" ");
  if (fitness.verdict === "tooLarge")
    return missing(said, fitness.instead ?? "Take a larger machine, or describe a smaller model in a registry file.");
  return fitness.verdict === "fits" ? ok(said) : unknown(said);
}
