/** What the service and the command line do with models: where each one is, pulls, pauses, checks and removals. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ModelError, UnderstudyError } from "../core/errors.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type {
  ModelCache,
  ModelState,
  ModelStatus,
  PullAsked,
  PullEnding,
  PullEndListener,
  PullOutcome,
  PullProgress,
  PullRetry,
  PullRetryListener,
  VerifyReport,
} from "../core/ports/model-cache.ts";
import { secondMs } from "../core/units.ts";
import { savedBytesOf } from "./blob-transfer.ts";
import { factsOf, RepositoryCache } from "./cache-layout.ts";
import { isComplete } from "./check-blob.ts";
import { chooseFiles } from "./model-files.ts";
import { lockRepository } from "./pull-lock.ts";
import { type PullPorts, pullModel } from "./pull-model.ts";
import { type NamedSource, sourceOf } from "./registry.ts";
import { VerifiedRecord, type Wanted } from "./verified-record.ts";
import { unknownReport, verifyModel } from "./verify-model.ts";

interface Running {
  readonly giveUp: AbortController;
  readonly outcome: Promise<PullOutcome>;
  progress: PullProgress | null;
}

type Ending = "paused" | "cancelled";

const wantedOf = ({ id, repository, revision, files }: NamedSource): Wanted => {
  if (repository !== null) return { repository, revision, files };
  throw new ModelError(
    "CONFIGURATION_INVALID",
    `${id} is a local folder: this program neither fetches nor removes its files.`,
  );
};

/** A folder that lacks its files is waited for: whoever fills it needs no restart. */
const missingFolder = (id: string): ModelError =>
  new ModelError(
    "MODEL_NOT_AVAILABLE",
    `The local folder of ${id} holds no ${folderMark}: put the model's files there, or name another folder in the list of models.`,
    { retryable: true },
  );

/** Every diffusers pipeline has this file at the top of its folder. */
const folderMark = "model_index.json";

class HubModelCache implements ModelCache {
  readonly #catalog: ModelCatalog;
  readonly #ports: PullPorts;
  readonly #running = new Map<string, Running>();
  readonly #asked = new Map<string, PullAsked>();
  readonly #ended = new Map<string, "paused" | UnderstudyError>();
  readonly #listeners = new Set<(name: string, progress: PullProgress) => void>();
  readonly #retryListeners = new Set<PullRetryListener>();
  readonly #endListeners = new Set<PullEndListener>();
  readonly #closing = new AbortController();

  constructor(catalog: ModelCatalog, ports: PullPorts) {
    this.#catalog = catalog;
    this.#ports = ports;
  }

  async status(): Promise<readonly ModelStatus[]> {
    return Promise.all(this.#catalog.ids.map((id) => this.statusOf(id)));
  }

  async statusOf(name: string, revision?: string): Promise<ModelStatus> {
    const source = sourceOf(this.#catalog, name, revision ?? this.#asked.get(name)?.revision);
    if (source.folder !== null) return this.#folderStatus(source, source.folder);
    const wanted = wantedOf(source);
    const record = await VerifiedRecord.read(this.#ports.stateDir, wanted.repository);
    const cache = new RepositoryCache(this.#ports.cacheDir, wanted.repository);
    const pulled = record.pulled(wanted);
    const files = new Map(pulled?.files.map((file) => [file.etag, file]));
    let presentBytes = 0;
    for (const file of files.values())
      presentBytes += (await factsOf(cache.blobPath(file.etag)))?.sizeBytes ?? (await savedBytesOf(cache, file));
    const isWhole = pulled !== null && (await isComplete(cache, record, pulled.commit, pulled.files));
    const ended = this.#ended.get(name);
    return {
      id: name,
      source: wanted.repository,
      revision: wanted.revision,
      state: this.#stateOf(name, isWhole, presentBytes),
      commit: pulled?.commit ?? null,
      presentBytes,
      totalBytes: pulled === null ? null : [...files.values()].reduce((sum, file) => sum + file.sizeBytes, 0),
      path: isWhole ? cache.snapshotPath(pulled.commit) : null,
      progress: this.progressOf(name),
      error:
        ended instanceof UnderstudyError && !this.#running.has(name)
          ? { code: ended.code, message: ended.message }
          : null,
    };
  }

  canPull(name: string): boolean {
    return (this.#catalog.find(name)?.source.folder ?? null) === null;
  }

  progressOf(name: string): PullProgress | null {
    return this.#running.get(name)?.progress ?? null;
  }

  onProgress(listener: (name: string, progress: PullProgress) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onRetry(listener: PullRetryListener): () => void {
    this.#retryListeners.add(listener);
    return () => this.#retryListeners.delete(listener);
  }

  onEnded(listener: PullEndListener): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  async pull(name: string, asked: PullAsked = {}): Promise<PullOutcome> {
    const running = this.#running.get(name);
    if (running !== undefined) return running.outcome;
    const source = sourceOf(this.#catalog, name, asked.revision);
    if (source.folder !== null && (await this.localPath(name)) === null) throw missingFolder(name);
    const wanted = wantedOf(source);
    this.#closing.signal.throwIfAborted();
    const giveUp = new AbortController();
    this.#asked.set(name, asked);
    this.#ended.delete(name);
    const started: Running = { giveUp, outcome: this.#run(name, wanted, asked, giveUp), progress: null };
    this.#running.set(name, started);
    return started.outcome;
  }

  async pause(name: string): Promise<boolean> {
    return this.#stop(name, "paused");
  }

  async resume(name: string): Promise<PullOutcome> {
    return this.pull(name, this.#asked.get(name));
  }

  async cancel(name: string): Promise<void> {
    await this.#stop(name, "cancelled");
    this.#ended.delete(name);
    const { repository } = wantedOf(sourceOf(this.#catalog, name));
    await this.#locked(repository, (cache) => cache.dropPartials());
  }

  async verify(
    name: string,
    options: { readonly isRehash?: boolean; readonly revision?: string } = {},
  ): Promise<VerifyReport> {
    const source = sourceOf(this.#catalog, name, options.revision);
    if (source.folder !== null) return unknownReport;
    return verifyModel(wantedOf(source), this.#ports, {
      isRehash: options.isRehash ?? false,
      signal: this.#closing.signal,
    });
  }

  async askHub(name: string, withinMs: number): Promise<void> {
    const { repository, revision, files } = wantedOf(sourceOf(this.#catalog, name));
    const { hub, clock } = this.#ports;
    const limit = new AbortController();
    const sentence = `The hub ${new URL(hub.endpoint).host} did not answer within ${Math.round(withinMs / secondMs)} s.`;
    const timer = clock.setTimer(
      () => limit.abort(new ModelError("NETWORK_UNREACHABLE", sentence, { retryable: true })),
      withinMs,
    );
    try {
      const commit = await hub.resolveCommit(repository, revision, limit.signal);
      const [smallest] = chooseFiles(await hub.listFiles(repository, commit, limit.signal), files).toSorted(
        (one, other) => one.sizeBytes - other.sizeBytes,
      );
      if (smallest === undefined)
        throw new ModelError("MODEL_NOT_AVAILABLE", `${repository} has none of the wanted files.`);
      // Listings of gated models are public; their files are not.
      const range = { repository, commit, path: smallest.path, fromByte: 0, toByte: 1, ifRange: null, address: null };
      const { response } = await hub.openRange(range, limit.signal);
      await response.body?.cancel();
    } finally {
      clock.clearTimer(timer);
    }
  }

  async localPath(name: string, revision?: string): Promise<string | null> {
    return (await this.statusOf(name, revision)).path;
  }

  async remove(name: string): Promise<void> {
    const { repository } = wantedOf(sourceOf(this.#catalog, name));
    await this.#stop(name, "cancelled");
    this.#ended.delete(name);
    await this.#locked(repository, async (cache) => {
      const record = await VerifiedRecord.read(this.#ports.stateDir, repository);
      await record.remove();
      await cache.remove();
    });
  }

  async close(): Promise<void> {
    this.#closing.abort(new ModelError("DRAINING", "The service is stopping."));
    await Promise.all([...this.#running.keys()].map((name) => this.#stop(name, "paused")));
  }

  async #run(
    name: string,
    wanted: Wanted,
    { isRepair = false }: PullAsked,
    giveUp: AbortController,
  ): Promise<PullOutcome> {
    const onProgress = (progress: PullProgress): void => {
      const running = this.#running.get(name);
      if (running !== undefined) running.progress = progress;
      for (const listener of this.#listeners) listener(name, progress);
    };
    const onRetry = (retry: PullRetry): void => {
      for (const listener of this.#retryListeners) listener(name, retry);
    };
    let ending: PullEnding = {
      kind: "failed",
      code: "INTERNAL_ERROR",
      message: "A defect of this program ended the download.",
    };
    try {
      const result = await pullModel(wanted, this.#ports, { signal: giveUp.signal, onProgress, onRetry, isRepair });
      ending = { kind: "complete" };
      return { kind: "complete", ...result };
    } catch (thrown) {
      if (giveUp.signal.aborted && thrown === giveUp.signal.reason) {
        const kind = giveUp.signal.reason as Ending;
        if (kind === "paused") this.#ended.set(name, kind);
        ending = { kind };
        return { kind };
      }
      if (thrown instanceof UnderstudyError) {
        this.#ended.set(name, thrown);
        ending = { kind: "failed", code: thrown.code, message: thrown.message };
      }
      throw thrown;
    } finally {
      const progress = this.progressOf(name);
      this.#running.delete(name);
      for (const listener of this.#endListeners) listener(name, ending, progress);
    }
  }

  async #stop(name: string, ending: Ending): Promise<boolean> {
    const running = this.#running.get(name);
    if (running === undefined) return false;
    running.giveUp.abort(ending);
    // Whoever asked for the pull is told of its failure.
    await running.outcome.catch(() => undefined);
    return true;
  }

  async #locked(repository: string, change: (cache: RepositoryCache) => Promise<void>): Promise<void> {
    const lock = lockRepository(this.#ports.cacheDir, repository);
    try {
      await change(new RepositoryCache(this.#ports.cacheDir, repository));
    } finally {
      lock.release();
    }
  }

  #stateOf(name: string, isWhole: boolean, presentBytes: number): ModelState {
    if (this.#running.has(name)) return "pulling";
    const ended = this.#ended.get(name);
    if (isWhole) return "complete";
    if (ended !== undefined) return ended === "paused" ? "paused" : "failed";
    return presentBytes > 0 ? "incomplete" : "absent";
  }

  async #folderStatus({ id, revision }: NamedSource, folder: string): Promise<ModelStatus> {
    const isThere = (await factsOf(join(folder, folderMark))) !== null;
    const names = isThere ? await readdir(folder, { recursive: true }) : [];
    let presentBytes = 0;
    for (const name of names) presentBytes += (await factsOf(join(folder, name)))?.sizeBytes ?? 0;
    return {
      id,
      source: folder,
      revision,
      state: isThere ? "complete" : "absent",
      commit: null,
      presentBytes,
      totalBytes: null,
      path: isThere ? folder : null,
      progress: null,
      error: null,
    };
  }
}

export const createModelCache = (catalog: ModelCatalog, ports: PullPorts): ModelCache =>
  new HubModelCache(catalog, ports);
