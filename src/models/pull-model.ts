/**
 * Carries one pull out: listing → checking what is there → fetching the rest → publishing. It can be broken off at any
 * time.
 */
import { statfs } from "node:fs/promises";
import type { Chance } from "../core/chance.ts";
import type { Clock } from "../core/clock.ts";
import { ModelError } from "../core/errors.ts";
import type { PullProgress, PullResult, PullRetry } from "../core/ports/model-cache.ts";
import { formatBytes, mebibyte } from "../core/units.ts";
import { savedBytesOf } from "./blob-transfer.ts";
import { diskError, factsOf, RepositoryCache } from "./cache-layout.ts";
import { checkBlob } from "./check-blob.ts";
import { Hasher } from "./hasher.ts";
import type { HubClient } from "./hub-client.ts";
import { chooseFiles, isSafePath, type ListedFile } from "./model-files.ts";
import { ProgressMeter } from "./progress-meter.ts";
import { lockRepository } from "./pull-lock.ts";
import { createRetryTeller, type RetryTeller } from "./retry-teller.ts";
import { type Retry, type Retrying, type RetryPolicy, retrying } from "./retrying.ts";
import { transferBlobs } from "./transfer-blobs.ts";
import { type PulledSnapshot, VerifiedRecord, type Wanted } from "./verified-record.ts";

export interface PullLimits {
  readonly connectionCount: number;
  readonly partBytes: number;
  readonly stallMs: number;
  /** So much room must be left on the disk. */
  readonly marginBytes: number;
  readonly retry: RetryPolicy;
}

export interface PullPorts {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly hub: HubClient;
  /** The folder has the layout of Hugging Face's cache. */
  readonly cacheDir: string;
  readonly stateDir: string;
  readonly limits: PullLimits;
  readonly freeBytes?: ((path: string) => Promise<number>) | undefined;
}

export interface PullOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PullProgress) => void;
  readonly onRetry: (retry: PullRetry) => void;
  /** A repair stays at the commit of the last pull; any other pull resolves the revision anew. */
  readonly isRepair: boolean;
}

interface Pull {
  readonly wanted: Wanted;
  readonly ports: PullPorts;
  readonly options: PullOptions;
  readonly cache: RepositoryCache;
  readonly record: VerifiedRecord;
  readonly hasher: Hasher;
  readonly meter: ProgressMeter;
  readonly retries: RetryTeller;
  readonly retry: Omit<Retrying, "signal">;
}

async function freeBytesOf(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

async function list({ wanted, ports, options, record, retry }: Pull): Promise<PulledSnapshot> {
  const { repository, revision, files: patterns } = wanted;
  const { signal } = options;
  const known = record.pulled(wanted);
  if (options.isRepair && known !== null) return known;
  if (!isSafePath(revision))
    throw new ModelError(
      "MODEL_NOT_FOUND",
      `There can be no revision ${JSON.stringify(revision.slice(0, 200))} of ${repository}.`,
    );
  const commit = await retrying({ ...retry, signal }, () => ports.hub.resolveCommit(repository, revision, signal));
  const listed = await retrying({ ...retry, signal }, () => ports.hub.listFiles(repository, commit, signal));
  const files = chooseFiles(listed, patterns);
  if (!files.some(({ path }) => path.endsWith(".safetensors")))
    throw new ModelError(
      "MODEL_NOT_AVAILABLE",
      `${repository} has no weights as safetensors among the wanted files; other formats are not taken.`,
    );
  return { commit, files };
}

/** Groups paths by blob, because two paths with the same bytes share one. */
function groupByBlob(files: readonly ListedFile[]): ReadonlyMap<string, readonly ListedFile[]> {
  return Map.groupBy(files, (file) => file.etag);
}

async function publish({ cache }: Pull, commit: string, files: readonly ListedFile[]): Promise<void> {
  for (const { path, etag } of files) await cache.publishFile(commit, path, etag);
}

/** Lists the blobs that must be fetched. */
async function checkPresent(pull: Pull, { commit, files }: PulledSnapshot): Promise<readonly ListedFile[]> {
  const { cache, record, hasher, meter, options } = pull;
  const missing: ListedFile[] = [];
  for (const sharers of groupByBlob(files).values()) {
    const [file] = sharers;
    if (file === undefined) continue;
    const verdict = await checkBlob(file, { cache, record, hasher, signal: options.signal, isRehash: false });
    if (verdict.kind !== "good") {
      missing.push(file);
      continue;
    }
    await publish(pull, commit, sharers);
    meter.notePresent(file.sizeBytes);
    meter.noteFiles(sharers.length);
  }
  return missing;
}

async function requireRoom({ ports, cache, meter, wanted }: Pull, missing: readonly ListedFile[]): Promise<void> {
  let neededBytes = 0;
  for (const file of missing) {
    const savedBytes = await savedBytesOf(cache, file);
    meter.notePresent(savedBytes);
    neededBytes += file.sizeBytes - savedBytes;
  }
  const { marginBytes } = ports.limits;
  const freeBytes = await (ports.freeBytes ?? freeBytesOf)(ports.cacheDir);
  if (neededBytes === 0 || neededBytes + marginBytes <= freeBytes) return;
  throw new ModelError(
    "DISK_FULL",
    `${wanted.repository} needs ${formatBytes(neededBytes)} more and ${formatBytes(marginBytes)} must stay free, but ${ports.cacheDir} has ${formatBytes(freeBytes)}.`,
    { details: { neededBytes, marginBytes, freeBytes } },
  );
}

async function fetchMissing(
  pull: Pull,
  { commit, files }: PulledSnapshot,
  missing: readonly ListedFile[],
): Promise<void> {
  const { wanted, ports, options, cache, record, hasher, meter, retry, retries } = pull;
  const { connectionCount, partBytes, stallMs } = ports.limits;
  const sharersOf = groupByBlob(files);
  await transferBlobs(
    missing,
    {
      connectionCount,
      retry,
      fetching: {
        hub: ports.hub,
        repository: wanted.repository,
        commit,
        clock: ports.clock,
        stallMs,
        // A kill takes less than a part: twice what one save waits for, and twice this of every connection.
        writeBytes: Math.min(mebibyte, Math.ceil(partBytes / (16 * connectionCount))),
      },
      transfer: {
        cache,
        hasher,
        partBytes,
        saveEveryBytes: partBytes / 4,
        onBytes: (deltaBytes) => {
          retries.noteProgress();
          meter.noteReceived(deltaBytes);
        },
      },
      onPublished: async (file) => {
        const sharers = sharersOf.get(file.etag) ?? [];
        await publish(pull, commit, sharers);
        const facts = await factsOf(cache.blobPath(file.etag));
        if (facts !== null) record.noteVerified(file.etag, facts);
        await record.save();
        meter.noteFiles(sharers.length);
      },
    },
    options.signal,
  );
}

async function run(pull: Pull): Promise<PullResult> {
  const { wanted, cache, record, meter } = pull;
  const snapshot = await list(pull);
  const { commit, files } = snapshot;
  const sizes = [...groupByBlob(files).values()].map(([file]) => file?.sizeBytes ?? 0);
  meter.expect({ bytes: sizes.reduce((sum, sizeBytes) => sum + sizeBytes, 0), fileCount: files.length });
  meter.enter("checking");
  await cache.makeFolders();
  record.notePull(wanted, snapshot);
  await record.save();
  const missing = await checkPresent(pull, snapshot);
  await requireRoom(pull, missing);
  meter.enter("fetching");
  await fetchMissing(pull, snapshot, missing);
  await cache.publishRef(wanted.revision, commit);
  await record.save();
  await cache.dropPartials();
  return { commit, snapshotPath: cache.snapshotPath(commit), fetchedFileCount: missing.length };
}

/**
 * Brings a repository's files into the cache and resolves when every one matches its hash and can be opened. Throws
 * ModelError (MODEL_GATED, MODEL_ACCESS_DENIED, MODEL_NOT_FOUND, MODEL_BUSY, MODEL_FILE_CORRUPT, MODEL_NOT_AVAILABLE,
 * NETWORK_UNREACHABLE, DISK_FULL), or the signal's reason. What came is kept in every case.
 */
export async function pullModel(wanted: Wanted, ports: PullPorts, options: PullOptions): Promise<PullResult> {
  const { cacheDir, stateDir, clock, chance, limits } = ports;
  const lock = lockRepository(cacheDir, wanted.repository);
  const hasher = new Hasher();
  const meter = new ProgressMeter(clock, options.onProgress);
  try {
    const record = await VerifiedRecord.read(stateDir, wanted.repository);
    const cache = new RepositoryCache(cacheDir, wanted.repository);
    const retries = createRetryTeller(limits.retry.tryCount, clock, options.onRetry);
    const onRetry = (error: ModelError, retry: Retry): void => {
      meter.noteTrouble(error.message);
      retries.note(error, retry);
    };
    return await run({
      wanted,
      ports,
      options,
      cache,
      record,
      hasher,
      meter,
      retries,
      retry: { clock, chance, policy: limits.retry, onRetry },
    });
  } catch (thrown) {
    throw diskError(thrown);
  } finally {
    meter.stop();
    await hasher.close();
    lock.release();
  }
}
