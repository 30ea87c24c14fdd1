/**
 * Says before a download of many gigabytes whether this machine could use the model at all, and whether the disk has
 * room for it.
 */
import { statfs } from "node:fs/promises";
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { ModelCache } from "../../core/ports/model-cache.ts";
import { formatBytes } from "../../core/units.ts";
import { measureOnce, nearestFolder } from "../health/look-at-machine.ts";
import { fitnessOf, openFitness } from "./fitness.ts";

export interface PullJudgement {
  readonly isRefused: boolean;
  /** Whether the model fits, how long a clip takes, and what the disk has. */
  readonly sentences: readonly string[];
  readonly refusal: string;
}

export interface PullWorld {
  readonly cache: ModelCache;
  readonly clock: Clock;
  readonly catalog: ModelCatalog;
  /** Where the files come to lie. */
  readonly cacheDir: string;
}

/** The hub's own list decides in the end, also before the first byte. */
async function diskSentence({ cache, catalog, cacheDir }: PullWorld, model: string): Promise<string> {
  const { bavail, bsize } = await statfs(nearestFolder(cacheDir));
  const { totalBytes, presentBytes } = await cache.statusOf(model);
  const known = totalBytes ?? catalog.find(model)?.weightBytes ?? null;
  const whose = totalBytes === null ? ", by the registry" : "";
  const rest =
    known === null
      ? "how much is to fetch the hub will tell"
      : `${formatBytes(Math.max(0, known - presentBytes))} to fetch${whose}`;
  return `${cacheDir} has ${formatBytes(bavail * bsize)} free; ${rest}.`;
}

/** Whether this machine carries what is to be pulled. For a repository that no registry describes that is unknown, and said. */
export async function judgePull(config: Config, model: string, world: PullWorld): Promise<PullJudgement> {
  const disk = await diskSentence(world, model);
  if (!world.catalog.has(model)) {
    const sentence = `Whether ${model} fits this machine is unknown: no registry says what it needs.`;
    return { isRefused: false, sentences: [sentence, disk], refusal: sentence };
  }
  const sample = await measureOnce(config, world.clock);
  const { verdict, sentences, refusal } = fitnessOf(openFitness(config, world.catalog, sample), model);
  return { isRefused: verdict === "tooLarge", sentences: [...sentences, disk], refusal };
}
