/**
 * Files of jobs on the disk. A file is synced before it gets its name, and its name holds hash and fence, so an attempt
 * that lost its job can overwrite nothing.
 */
import { createHash } from "node:crypto";
import { constants, createReadStream, mkdirSync } from "node:fs";
import { link, open, readdir, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import type { Clock } from "../core/clock.ts";
import { messageOf, StoreError } from "../core/errors.ts";
import type { ArtifactFiles } from "../core/ports/artifact-files.ts";

const extensions: Readonly<Record<string, string>> = {
  "video/mp4": "mp4",
  "image/jpeg": "jpg",
  "image/png": "png",
  "image/webp": "webp",
};
const safeId = /^[A-Za-z0-9][A-Za-z0-9-]{0,127}$/;

const errnoOf = (thrown: unknown): string | undefined => (thrown as NodeJS.ErrnoException).code;
const isMissing = (thrown: unknown): boolean => errnoOf(thrown) === "ENOENT";

/** Turns what the file system refused into a StoreError that may be tried again; any other error stays what it is. */
async function translated<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === undefined || thrown instanceof StoreError) throw thrown;
    const isFull = errno === "ENOSPC" || errno === "EDQUOT";
    const message = `An artifact could not be published: ${messageOf(thrown)}.`;
    throw new StoreError(isFull ? "DISK_FULL" : "STORE_UNAVAILABLE", message, { cause: thrown, retryable: true });
  }
}

/**
 * The file's content reaches the disk before its name does; returns hash and size. Its age counts from now on, because a
 * result may have waited for its supervisor. A symbolic link is refused: it may lead anywhere.
 */
async function syncAndHash(path: string, nowMs: number): Promise<{ sha256: string; bytes: number }> {
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    await file.utimes(nowMs / 1_000, nowMs / 1_000);
    await file.sync();
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of file.createReadStream({ autoClose: false, start: 0 })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
    return { sha256: hash.digest("hex"), bytes };
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function linkOnce(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (thrown) {
    if (errnoOf(thrown) !== "EEXIST") throw thrown;
  }
}

/**
 * Links the file under its name. The name is on the disk when this resolves, and so is that of its folder below `root`.
 */
async function linkDurably(from: string, to: string, root: string): Promise<void> {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  await linkOnce(from, to);
  await syncDirectory(dirname(to));
  await syncDirectory(root);
}

async function listFiles(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true, recursive: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch (thrown) {
    if (isMissing(thrown)) return [];
    throw thrown;
  }
}

async function ageMs(path: string, clock: Clock): Promise<number> {
  try {
    return clock.nowMs() - (await stat(path)).mtimeMs;
  } catch (thrown) {
    if (isMissing(thrown)) return 0;
    throw thrown;
  }
}

/** Streams a file; both ends of `range` are included, in bytes. */
function streamOf(path: string, range?: Parameters<ArtifactFiles["read"]>[1]): ReadableStream<Uint8Array> {
  const stream = createReadStream(path, range === undefined ? {} : { start: range.start, end: range.end });
  return Readable.toWeb(stream) as ReadableStream<Uint8Array>;
}

function idOf(jobId: string): string {
  if (!safeId.test(jobId)) throw new StoreError("JOB_NOT_FOUND", "A job id may hold letters, digits and hyphens.");
  return jobId;
}

function confinedTo(root: string, name: string): string {
  const path = resolve(root, name);
  if (!path.startsWith(root + sep))
    throw new StoreError("NOT_FOUND", "An artifact's name leads out of the artifact directory.");
  return path;
}

/** Deletes what no job names once it is old enough: a younger file may be published right now. Returns how many went. */
async function sweepUnknown(root: string, known: ReadonlySet<string>, clock: Clock, minAgeMs: number): Promise<number> {
  let count = 0;
  for (const path of await listFiles(root)) {
    if (known.has(path) || (await ageMs(path, clock)) < minAgeMs) continue;
    await rm(path, { force: true });
    count += 1;
  }
  return count;
}

/** Opens the artifacts, the files that are being made, and the checkpoints below one state directory. */
export function createArtifactFiles({
  stateDir,
  clock,
}: {
  readonly stateDir: string;
  readonly clock: Clock;
}): ArtifactFiles {
  const root = resolve(stateDir, "artifacts");
  const staging = join(root, "staging");
  const checkpoints = resolve(stateDir, "checkpoints");
  const genericStandInPath = join(root, "generic-stand-in.mp4");
  for (const directory of [staging, checkpoints]) mkdirSync(directory, { recursive: true, mode: 0o700 });

  const confined = (name: string): string => confinedTo(root, name);
  const stagedFile = (path: string): string => {
    if (path !== genericStandInPath && dirname(resolve(path)) !== staging)
      throw new StoreError("NOT_FOUND", "Only files of the staging directory are published.");
    return path;
  };
  const stagingPath: ArtifactFiles["stagingPath"] = (jobId, fence, kind) =>
    join(staging, `${idOf(jobId)}-${fence}-${kind}.${kind === "thumbnail" ? "jpg" : "mp4"}`);
  const discardStaged: ArtifactFiles["discardStaged"] = (stagedPath) =>
    rm(join(staging, basename(stagedPath)), { force: true });
  const publish: ArtifactFiles["publish"] = (stagedPath, about) =>
    translated(async () => {
      const { sha256, bytes } = await syncAndHash(stagedFile(stagedPath), clock.nowMs());
      const extension = extensions[about.mimeType] ?? "bin";
      const name = join(sha256.slice(0, 2), `${sha256}-${idOf(about.jobId)}-${about.fence}.${extension}`);
      await linkDurably(stagedPath, confined(name), root);
      return { kind: about.kind, sha256, bytes, mimeType: about.mimeType, name };
    });
  return {
    stagingPath,
    genericStandInPath,
    checkpointDir: (jobId) => join(checkpoints, idOf(jobId)),
    publish,
    publishBytes: async (content, about) => {
      const staged = stagingPath(about.jobId, 0, about.kind);
      try {
        await translated(() => writeFile(staged, content, { mode: 0o600 }));
        return await publish(staged, { ...about, fence: 0 });
      } finally {
        await discardStaged(staged);
      }
    },
    discardStaged,
    read: (artifact, range) => streamOf(confined(artifact.name), range),
    pathOf: (artifact) => confined(artifact.name),
    remove: (name) => rm(confined(name), { force: true }),
    removeCheckpoints: (jobId) => rm(join(checkpoints, idOf(jobId)), { recursive: true, force: true }),
    sweepOrphans: (knownNames, minAgeMs) => {
      const known = new Set([genericStandInPath, ...[...knownNames].map((name) => confined(name))]);
      return sweepUnknown(root, known, clock, minAgeMs);
    },
  };
}
