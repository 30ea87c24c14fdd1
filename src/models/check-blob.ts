/**
 * Says whether a downloaded file is what the hub listed. Hashing tens of gigabytes takes minutes, so a verdict is
 * remembered for as long as the file on the disk has not changed.
 */
import { join } from "node:path";
import { factsOf, type RepositoryCache } from "./cache-layout.ts";
import type { Hasher } from "./hasher.ts";
import type { ListedFile } from "./model-files.ts";
import type { VerifiedRecord } from "./verified-record.ts";

export interface BlobCheck {
  readonly cache: RepositoryCache;
  readonly record: VerifiedRecord;
  readonly hasher: Hasher;
  readonly signal: AbortSignal;
  /** Every byte is read, whatever was remembered. */
  readonly isRehash: boolean;
}

export type BlobVerdict =
  | { readonly kind: "good"; readonly isHashed: boolean }
  | { readonly kind: "missing" }
  /** The blob was set aside, and nobody finds it any more. */
  | { readonly kind: "corrupt" };

/** Hashes a blob unless it is remembered and untouched: same size, time of change and inode. */
export async function checkBlob(
  file: ListedFile,
  { cache, record, hasher, signal, isRehash }: BlobCheck,
): Promise<BlobVerdict> {
  const path = cache.blobPath(file.etag);
  const facts = await factsOf(path);
  if (facts === null) return { kind: "missing" };
  const isSize = facts.sizeBytes === file.sizeBytes;
  if (isSize && !isRehash && record.isVerified(file.etag, facts)) return { kind: "good", isHashed: false };
  const isGood = isSize && (await hasher.hashFile(path, file.algorithm, file.sizeBytes, signal)) === file.etag;
  if (isGood) {
    record.noteVerified(file.etag, facts);
    return { kind: "good", isHashed: true };
  }
  record.forgetVerified(file.etag);
  await cache.quarantine(file.etag, path);
  return { kind: "corrupt" };
}

/** True when every file of the snapshot can be opened under its own name, and was verified as it is. */
export async function isComplete(
  cache: RepositoryCache,
  record: VerifiedRecord,
  commit: string,
  files: readonly ListedFile[],
): Promise<boolean> {
  for (const { path, etag } of files) {
    const facts = await factsOf(join(cache.snapshotPath(commit), path));
    if (facts === null || !record.isVerified(etag, facts)) return false;
  }
  return files.length > 0;
}
