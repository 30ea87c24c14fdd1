/**
 * `understudy models …`: lists, pulls, verifies and removes models. The commands open the cache themselves, so that
 * models can be fetched before the first start; a lock keeps a running service and a command apart.
 */
import { resolve } from "node:path";
import { judgePull, type PullWorld } from "../app/models/judge-pull.ts";
import { readModelCatalog } from "../app/models/known-models.ts";
import { openModels } from "../app/models/open-models.ts";
import type { HubEnvironment } from "../config/hub-environment.ts";
import type { Config } from "../config/schema.ts";
import { createSystemChance } from "../core/chance.ts";
import { createSystemClock } from "../core/clock.ts";
import { ModelError } from "../core/errors.ts";
import type { ModelCache, ModelStatus, PullProgress } from "../core/ports/model-cache.ts";
import { withoutNulls } from "../core/present.ts";
import { formatBytes } from "../core/units.ts";
import type { ModelsVerb } from "./orders.ts";
import { barLine, createPlainLines } from "./progress-lines.ts";
import { say } from "./say.ts";

export interface ModelsWanted {
  readonly verb: ModelsVerb;
  readonly model: string;
  readonly revision: string | null;
  readonly isAnyway: boolean;
}

/** Shows a bar that is redrawn on a terminal, and lines elsewhere. */
function createDisplay(): { show: (progress: PullProgress) => void; end: () => void } {
  const { stdout } = process;
  const lineOf = createPlainLines();
  return {
    show: (progress) => {
      if (stdout.isTTY) {
        stdout.write(`\r\x1b[K${barLine(progress, stdout.columns - 1)}`);
        return;
      }
      const line = lineOf(progress);
      if (line !== null) say(line);
    },
    end: () => {
      if (stdout.isTTY) stdout.write("\r\x1b[K");
    },
  };
}

async function pull(cache: ModelCache, { model, revision }: ModelsWanted): Promise<number> {
  const display = createDisplay();
  cache.onProgress((_, progress) => display.show(progress));
  // The handler hears one signal only: a second Ctrl-C ends the process at once, and a kill costs no more than a part.
  const pause = (): void => {
    void cache.pause(model);
  };
  process.once("SIGINT", pause);
  process.once("SIGTERM", pause);
  try {
    const outcome = await cache.pull(model, withoutNulls({ revision }));
    display.end();
    if (outcome.kind === "complete") {
      say(`${model} is complete, and every file matches its hash: ${outcome.snapshotPath}`);
      return 0;
    }
    const again = `understudy models pull ${model}${revision === null ? "" : ` --revision ${revision}`}`;
    say(`Paused; what came is kept. To go on: ${again}`);
    return 1;
  } catch (thrown) {
    display.end();
    throw thrown;
  }
}

async function verify(cache: ModelCache, { model, revision }: ModelsWanted): Promise<number> {
  const report = await cache.verify(model, { isRehash: true, ...withoutNulls({ revision }) });
  if (!report.isKnown) {
    say(
      cache.canPull(model)
        ? `${model} was never pulled here, so nothing says which files it should have; pull it first.`
        : `${model} is a local folder: nothing says which bytes its files should have.`,
    );
    return 1;
  }
  for (const { path, kind } of report.problems) say(`${kind === "missing" ? "missing" : "wrong bytes"}  ${path}`);
  if (report.problems.length === 0) {
    say(`All ${report.fileCount} files of ${model} match their hashes.`);
    return 0;
  }
  say(
    `${report.problems.length} of ${report.fileCount} files are not right; understudy models pull ${model} fetches these alone.`,
  );
  return 1;
}

function statusLine({ id, state, presentBytes, totalBytes, source, commit }: ModelStatus): string {
  const size =
    totalBytes === null || state === "complete"
      ? formatBytes(presentBytes)
      : `${formatBytes(presentBytes)} of ${formatBytes(totalBytes)}`;
  return `${id.padEnd(14)} ${state.padEnd(11)} ${size.padEnd(22)} ${source}${commit === null ? "" : ` @ ${commit.slice(0, 12)}`}`;
}

async function list(cache: ModelCache): Promise<number> {
  for (const status of await cache.status()) say(statusLine(status));
  return 0;
}

async function remove(cache: ModelCache, { model }: ModelsWanted): Promise<number> {
  const { presentBytes } = await cache.statusOf(model);
  await cache.remove(model);
  say(
    presentBytes === 0
      ? `Nothing of ${model} is left here.`
      : `${model} is removed; ${formatBytes(presentBytes)} are free again.`,
  );
  return 0;
}

const verbs: Readonly<Record<ModelsVerb, (cache: ModelCache, wanted: ModelsWanted) => Promise<number>>> = {
  list,
  pull,
  verify,
  remove,
};

/** Tells before a byte is fetched whether the model fits. Throws ModelError MODEL_DOES_NOT_FIT. */
async function sayFitness(config: Config, { model, isAnyway }: ModelsWanted, world: PullWorld): Promise<void> {
  const { isRefused, sentences, refusal } = await judgePull(config, model, world);
  if (isRefused && !isAnyway)
    throw new ModelError(
      "MODEL_DOES_NOT_FIT",
      `${refusal} With --anyway it is fetched all the same, for another machine.`,
    );
  for (const sentence of sentences) say(sentence);
}

/** `understudy models …`: works on the cache itself, whether a service runs or not. */
export async function runModels(config: Config, wanted: ModelsWanted, environment: HubEnvironment): Promise<number> {
  const catalog = readModelCatalog(config);
  const clock = createSystemClock();
  const cache = openModels(config, environment, { clock, chance: createSystemChance(), catalog });
  try {
    if (wanted.verb === "pull")
      await sayFitness(config, wanted, { cache, clock, catalog, cacheDir: resolve(environment.cacheDir) });
    return await verbs[wanted.verb](cache, wanted);
  } finally {
    await cache.close();
    clock.stop();
  }
}
