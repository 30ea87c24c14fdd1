/** What clients may know and do with models: files by the cache, what is loaded by the machines' snapshots, what fits by the one table. */
import type { Config } from "../../config/schema.ts";
import type {
  DownloadAnswer,
  DownloadView,
  FileCheckView,
  FitView,
  FitWord,
  ModelView,
} from "../../contract/model-views.ts";
import type { Clock } from "../../core/clock.ts";
import { ModelError, UnderstudyError } from "../../core/errors.ts";
import { offeredCatalog } from "../../core/model-catalog.ts";
import type { ModelCache } from "../../core/ports/model-cache.ts";
import type { LoadProfile, ModelId } from "../../core/words.ts";
import type { ServingMachine } from "../../jobs/admission.ts";
import { profilesFrom } from "../../jobs/fit.ts";
import { placementSentence, refusalSentence } from "../../recovery/fit-sentences.ts";
import type { FitVerdict, ModelPlacement } from "../../recovery/placement.ts";
import type { ModelPort } from "../../server/server-ports.ts";
import type { LearnedMemory } from "../rendering/learned.ts";
import { downloadOfEnding, downloadOfProgress, downloadOfStatus } from "./download-views.ts";
import type { Files } from "./model-files.ts";
import { type SuggestNeeds, suggestModel } from "./suggest-model.ts";

export interface ModelNeeds extends SuggestNeeds {
  readonly clock: Clock;
  readonly config: Pick<Config, "workers" | "loadProfile">;
  readonly models: Files;
  readonly envelopes: Pick<LearnedMemory, "placeModel" | "findInstead">;
}

export interface ModelOperations extends ModelPort {
  onDownload(listener: (download: DownloadView) => void): void;
}

const wordOf: Readonly<Record<FitVerdict, FitWord>> = { fits: "fits", tooLarge: "too_large", unknown: "unknown" };
/** Its files can be fetched and looked at; nobody renders it. */
const notOffered = "No worker of this service offers it: name it under workers, models.";
const nobody: FitView = {
  word: "unknown",
  profile: null,
  deviceBytes: null,
  sentence: "No worker has told yet what its card is.",
};

function fitOf(placement: ModelPlacement, serving: ServingMachine): FitView {
  const largest = placement.clips.find(({ profile }) => profile !== null);
  const row = largest?.rows.find(({ profile }) => profile === largest.profile);
  return {
    word: wordOf[placement.verdict],
    profile: placement.profile,
    deviceBytes: row?.deviceBytes ?? null,
    sentence: placementSentence(serving.machine, placement),
  };
}

/** Real files where a real worker may hold the model; the simulator's have none. */
function cacheOf({ models, config }: ModelNeeds, model: ModelId): ModelCache | null {
  const isReal = config.workers.some((worker) => worker.kind !== "simulator" && worker.models.includes(model));
  const isSimulated = config.workers.some((worker) => worker.kind === "simulator" && worker.models.includes(model));
  return models !== null && (isReal || !isSimulated) ? models.cache : null;
}

async function download(
  cache: ModelCache,
  order: Parameters<ModelPort["download"]>[0],
  wait: Promise<void>,
): Promise<DownloadAnswer> {
  const { model, isForced } = order;
  const check = isForced ? await cache.verify(model, { isRehash: true }) : null;
  const isBroken = check !== null && check.problems.length > 0;
  if (!isBroken && (await cache.statusOf(model)).state === "complete")
    return {
      kind: "alreadyAvailable",
      message: `All files of ${model} are here${isForced ? ", and match their hashes" : ""}.`,
    };
  const pulled = cache.pull(model).then(
    ({ kind }): DownloadAnswer =>
      kind === "complete"
        ? { kind: "completed", message: `${model} is complete, and every file matches its hash.` }
        : { kind: "failed", message: `The download of ${model} was ${kind}; what came is kept.` },
    (thrown: unknown): DownloadAnswer => {
      if (!(thrown instanceof ModelError)) throw thrown;
      return { kind: "failed", message: thrown.message };
    },
  );
  const started: DownloadAnswer = {
    kind: "started",
    message: `${model} is being fetched; its progress is on the event stream.`,
  };
  return Promise.race([pulled, wait.then(() => started)]);
}

async function manage(
  cache: ModelCache | null,
  model: ModelId,
  action: "pause" | "resume" | "cancel",
): Promise<boolean> {
  if (cache === null) return false;
  if (action === "pause") return cache.pause(model);
  const { state } = await cache.statusOf(model);
  if (state === "complete" || state === "absent") return false;
  // Its end is told on the stream and kept in the status; nobody waits for it here.
  if (action === "resume") void cache.resume(model).catch(() => undefined);
  else await cache.cancel(model);
  return true;
}

/** A simulated model has no files, and none of them is wrong. */
async function verify(cache: ModelCache | null, model: ModelId, isRehash: boolean): Promise<FileCheckView> {
  if (cache === null) return { model, isKnown: true, fileCount: 0, hashedFileCount: 0, problems: [] };
  const { isKnown, fileCount, hashedFileCount, problems } = await cache.verify(model, { isRehash });
  return { model, isKnown, fileCount, hashedFileCount, problems };
}

function hardwareOf(serving: ServingMachine | null): ReturnType<ModelPort["hardware"]> {
  if (serving === null) return null;
  const { device, hostBytes } = serving.machine;
  const card = device.kind === "card" ? device : null;
  const isCounted = hostBytes !== null && Number.isFinite(hostBytes);
  return { card: card?.name ?? null, cardBytes: card?.totalBytes ?? null, hostBytes: isCounted ? hostBytes : null };
}

export interface ModelSituation {
  /** The largest card that serves; null while no worker has told of one. */
  readonly largest: () => ServingMachine | null;
  /** In which memory mode a worker holds the model; null when none does. */
  readonly loadedProfileOf: (model: ModelId) => LoadProfile | null;
}

/** What the largest card carries, as a word with its sentence, and as a refusal. */
function createFitJudge({ config, catalog, envelopes }: ModelNeeds, largest: ModelSituation["largest"]) {
  const offeredBy = (serving: ServingMachine): readonly LoadProfile[] =>
    profilesFrom(config.loadProfile).filter((profile) => serving.profiles.includes(profile));
  const placed = (model: ModelId): { readonly serving: ServingMachine; readonly placement: ModelPlacement } | null => {
    const serving = largest();
    return serving === null
      ? null
      : { serving, placement: envelopes.placeModel(serving.machine, catalog.entryOf(model), offeredBy(serving)) };
  };
  const judge = (model: ModelId): FitView => {
    const known = placed(model);
    return known === null ? nobody : fitOf(known.placement, known.serving);
  };
  /** Throws UnderstudyError MODEL_DOES_NOT_FIT. */
  const refuseUnfit = (model: ModelId): void => {
    const known = placed(model);
    if (known?.placement.verdict !== "tooLarge") return;
    const { machine } = known.serving;
    const instead = envelopes.findInstead(machine, catalog.entryOf(model), catalog.entries, offeredBy(known.serving));
    throw new UnderstudyError("MODEL_DOES_NOT_FIT", refusalSentence(machine, known.placement, instead));
  };
  return { judge, refuseUnfit };
}

export function createModelOperations(
  parts: ModelNeeds,
  { largest, loadedProfileOf }: ModelSituation,
): ModelOperations {
  const { clock, catalog } = parts;
  const { judge, refuseUnfit } = createFitJudge(parts, largest);
  const offered = offeredCatalog(catalog, parts.config.workers);
  const view = async (model: ModelId): Promise<ModelView> => {
    const cache = cacheOf(parts, model);
    const loadedProfile = loadedProfileOf(model);
    const loaded = { id: model, isLoaded: loadedProfile !== null, loadedProfile, fit: judge(model) };
    const isOffered = offered.has(model);
    if (cache === null)
      return {
        ...loaded,
        isSimulated: true,
        isAvailable: isOffered,
        presentBytes: 0,
        path: null,
        download: null,
        error: isOffered ? null : notOffered,
      };
    const status = await cache.statusOf(model);
    const error = status.error?.message ?? (isOffered ? null : notOffered);
    const files = { presentBytes: status.presentBytes, path: status.path, error };
    const isAvailable = isOffered && status.state === "complete";
    return { ...loaded, ...files, isSimulated: false, isAvailable, download: downloadOfStatus(status, clock.nowMs()) };
  };
  return {
    list: () => Promise.all(offered.ids.map(view)),
    find: async (model) => (catalog.has(model) ? view(model) : null),
    downloads: async () =>
      (await Promise.all(catalog.ids.map(view))).flatMap(({ download: one }) => (one === null ? [] : [one])),
    download: async (order) => {
      if (!catalog.has(order.model)) return "absent";
      const cache = cacheOf(parts, order.model);
      if (cache === null) return { kind: "alreadyAvailable", message: "It is simulated: there are no files to fetch." };
      if (!order.isAnyway) refuseUnfit(order.model);
      const waited = Promise.withResolvers<void>();
      const timer = clock.setTimer(() => waited.resolve(), order.waitMs);
      try {
        return await download(cache, order, waited.promise);
      } finally {
        clock.clearTimer(timer);
      }
    },
    manage: async (model, action) => (catalog.has(model) ? manage(cacheOf(parts, model), model, action) : "absent"),
    verify: async (model, isRehash) => (catalog.has(model) ? verify(cacheOf(parts, model), model, isRehash) : "absent"),
    hardware: () => hardwareOf(largest()),
    suggest: (wish) =>
      offered.has(wish.model) ? suggestModel({ ...parts, catalog: offered }, largest(), wish) : "absent",
    onDownload: (listener) => {
      const cache = parts.models?.cache;
      cache?.onProgress((model, progress) => listener(downloadOfProgress(model, progress, clock.nowMs())));
      cache?.onEnded((model, ending, progress) => listener(downloadOfEnding(model, ending, progress, clock.nowMs())));
    },
  };
}
