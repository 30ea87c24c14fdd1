/**
 * Checks a pulled model's files against their hashes. Recovery and `understudy models verify` come here when a model is
 * suspected to be damaged.
 */
import { join } from "node:path";
import type { FileProblem, VerifyReport } from "../core/ports/model-cache.ts";
import { factsOf, RepositoryCache } from "./cache-layout.ts";
import { checkBlob } from "./check-blob.ts";
import { Hasher } from "./hasher.ts";
import type { ListedFile } from "./model-files.ts";
import { lockRepository } from "./pull-lock.ts";
import { VerifiedRecord, type Wanted } from "./verified-record.ts";

/** The report of a model of which nothing says what files there should be. */
export const unknownReport: VerifyReport = {
  isKnown: false,
  commit: null,
  fileCount: 0,
  hashedFileCount: 0,
  problems: [],
};

interface Named {
  readonly cache: RepositoryCache;
  readonly record: VerifiedRecord;
  readonly commit: string;
}

/** Whether the name under which a pipeline opens a file leads to the bytes that were verified. */
async function nameVerdict(
  { path, etag }: ListedFile,
  { cache, record, commit }: Named,
): Promise<"good" | FileProblem["kind"]> {
  const facts = await factsOf(join(cache.snapshotPath(commit), path));
  if (facts === null) return "missing";
  return record.isVerified(etag, facts) ? "good" : "corrupt";
}

/**
 * Compares the files of the last pull with their hashes. Without `isRehash` only those are read that changed since they
 * were verified. A wrong one is set aside, so that a pull fetches it, and it alone.
 */
export async function verifyModel(
  wanted: Wanted,
  place: { readonly cacheDir: string; readonly stateDir: string },
  options: { readonly isRehash: boolean; readonly signal: AbortSignal; readonly onFile?: (path: string) => void },
): Promise<VerifyReport> {
  const record = await VerifiedRecord.read(place.stateDir, wanted.repository);
  const pulled = record.pulled(wanted);
  if (pulled === null) return unknownReport;
  const lock = lockRepository(place.cacheDir, wanted.repository);
  const cache = new RepositoryCache(place.cacheDir, wanted.repository);
  const hasher = new Hasher();
  const problems: FileProblem[] = [];
  const hashed = new Set<string>();
  try {
    for (const file of pulled.files) {
      options.onFile?.(file.path);
      const isRehash = options.isRehash && !hashed.has(file.etag);
      const verdict = await checkBlob(file, { cache, record, hasher, signal: options.signal, isRehash });
      if (verdict.kind === "good" && verdict.isHashed) hashed.add(file.etag);
      const kind =
        verdict.kind === "good" ? await nameVerdict(file, { cache, record, commit: pulled.commit }) : verdict.kind;
      if (kind === "good") continue;
      problems.push({ path: file.path, kind });
      await cache.withdrawFile(pulled.commit, file.path);
    }
    await record.save();
  } finally {
    await hasher.close();
    lock.release();
  }
  return {
    isKnown: true,
    commit: pulled.commit,
    fileCount: pulled.files.length,
    hashedFileCount: hashed.size,
    problems,
  };
}
