/** The Hugging Face cache on disk: `models--org--name/{blobs,refs,snapshots}`, shared with Python's huggingface_hub. */
import { mkdir, open, readFile, readlink, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { ModelError } from "../core/errors.ts";

export interface BlobFacts {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly inode: number;
}

/** Turns what the file system refuses into a sentence; any other error stays as it is. */
export function diskError(thrown: unknown): unknown {
  const { code, syscall } = thrown as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new ModelError(
      "DISK_FULL",
      "The disk of the model cache is full; what came is kept. Free some space and go on.",
      {
        cause: thrown,
      },
    );
  if (typeof code !== "string" || typeof syscall !== "string") return thrown;
  return new ModelError("SYSTEM_RESOURCE", `The model cache cannot be used (${code} in ${syscall}).`, {
    cause: thrown,
  });
}

const isAbsent = (thrown: unknown): boolean =>
  ["ENOENT", "ENOTDIR"].includes((thrown as NodeJS.ErrnoException).code ?? "");

/** Resolves with null when there is nothing, or a link to nothing. */
async function orNull<Value>(reading: Promise<Value>): Promise<Value | null> {
  try {
    return await reading;
  } catch (thrown) {
    if (isAbsent(thrown)) return null;
    throw thrown;
  }
}

export async function factsOf(path: string): Promise<BlobFacts | null> {
  const found = await orNull(stat(path));
  return found?.isFile() === true ? { sizeBytes: found.size, mtimeMs: found.mtimeMs, inode: found.ino } : null;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Replaces the file as a whole: a kill leaves the old text or the new one; with `flush` the loss of power does too. */
export async function writeWhole(path: string, text: string, { flush }: { readonly flush: boolean }): Promise<void> {
  const temporary = `${path}.${process.pid}.new`;
  await writeFile(temporary, text, { mode: 0o644, flush });
  await rename(temporary, path);
}

export const readIfPresent = (path: string): Promise<string | null> => orNull(readFile(path, "utf8"));

export class RepositoryCache {
  readonly folder: string;
  /**
   * The folder of files that are being fetched, and of blobs that were found bad: it lies beside the blobs, where
   * nobody else looks.
   */
  readonly workFolder: string;

  constructor(cacheDir: string, repository: string) {
    this.folder = join(cacheDir, `models--${repository.replaceAll("/", "--")}`);
    this.workFolder = join(this.folder, ".understudy");
  }

  blobPath(etag: string): string {
    return join(this.folder, "blobs", etag);
  }

  partPath(etag: string): string {
    return join(this.workFolder, `${etag}.part`);
  }

  manifestPath(etag: string): string {
    return join(this.workFolder, `${etag}.json`);
  }

  badPath(etag: string): string {
    return join(this.workFolder, `${etag}.corrupt`);
  }

  snapshotPath(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  async makeFolders(): Promise<void> {
    for (const name of ["blobs", "refs", "snapshots", ".understudy"])
      await mkdir(join(this.folder, name), { recursive: true });
  }

  /** Makes a whole, checked and synced part file the blob. */
  async publishBlob(etag: string): Promise<void> {
    await rename(this.partPath(etag), this.blobPath(etag));
    await syncDirectory(join(this.folder, "blobs"));
    await rm(this.manifestPath(etag), { force: true });
    await rm(this.badPath(etag), { force: true });
  }

  async publishFile(commit: string, path: string, etag: string): Promise<void> {
    const target = join(this.snapshotPath(commit), path);
    const link = relative(dirname(target), this.blobPath(etag));
    await mkdir(dirname(target), { recursive: true });
    if ((await this.linkOf(target)) === link) return;
    const temporary = `${target}.${process.pid}.new`;
    await rm(temporary, { force: true });
    await symlink(link, temporary);
    await rename(temporary, target);
    await syncDirectory(dirname(target));
  }

  /** The ref is written last: who finds one finds the whole snapshot. A commit needs none. */
  async publishRef(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const path = join(this.folder, "refs", revision);
    await mkdir(dirname(path), { recursive: true });
    if ((await readIfPresent(path)) !== commit) await writeWhole(path, commit, { flush: true });
  }

  /** Moves a bad blob out of everybody's sight, where it is kept until a good one has come. */
  async quarantine(etag: string, from: string): Promise<void> {
    await mkdir(this.workFolder, { recursive: true });
    await rename(from, this.badPath(etag));
    await rm(this.manifestPath(etag), { force: true });
  }

  /** Deletes the file's name: to some programs a link to nothing would look like a file. */
  async withdrawFile(commit: string, path: string): Promise<void> {
    await rm(join(this.snapshotPath(commit), path), { force: true });
  }

  async dropPartials(): Promise<void> {
    await rm(this.workFolder, { recursive: true, force: true });
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  async linkOf(path: string): Promise<string | null> {
    try {
      return await readlink(path);
    } catch (thrown) {
      // The name is a regular file, as Python leaves it where links are not possible.
      if (isAbsent(thrown) || (thrown as NodeJS.ErrnoException).code === "EINVAL") return null;
      throw thrown;
    }
  }
}
