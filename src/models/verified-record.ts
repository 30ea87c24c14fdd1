/**
 * Remembers what was verified, so that a start need not hash 67 GB again: one small file per repository in the state
 * directory.
 */
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type BlobFacts, readIfPresent, writeWhole } from "./cache-layout.ts";
import type { ListedFile } from "./model-files.ts";

const size = z.int().min(0);
const recordSchema = z.object({
  version: z.literal(1),
  repository: z.string(),
  /** Each entry maps what was asked for to what that was at the last pull. */
  pulls: z.record(
    z.string(),
    z.object({
      commit: z.string(),
      files: z.array(
        z.object({ path: z.string(), sizeBytes: size, etag: z.string(), algorithm: z.enum(["sha256", "git-sha1"]) }),
      ),
    }),
  ),
  /** Each entry says how a blob looked when its hash was right. */
  verified: z.record(z.string(), z.object({ sizeBytes: size, mtimeMs: z.number(), inode: z.number() })),
});

export interface PulledSnapshot {
  readonly commit: string;
  readonly files: readonly ListedFile[];
}

/** A source that lies on the hub. */
export interface Wanted {
  readonly repository: string;
  readonly revision: string;
  readonly files: readonly string[];
}

/** Other patterns choose other files of the same commit. */
const keyOf = ({ revision, files }: Wanted): string => JSON.stringify([revision, ...files]);

type RecordText = z.output<typeof recordSchema>;

export class VerifiedRecord {
  readonly #path: string;
  readonly #text: RecordText;
  #saving: Promise<void> = Promise.resolve();

  private constructor(path: string, text: RecordText) {
    this.#path = path;
    this.#text = text;
  }

  /** Reads the record. One that cannot be read is forgotten, and everything is hashed once more. */
  static async read(stateDir: string, repository: string): Promise<VerifiedRecord> {
    const path = join(stateDir, "models", `${repository.replaceAll("/", "--")}.json`);
    const empty: RecordText = { version: 1, repository, pulls: {}, verified: {} };
    const text = await readIfPresent(path);
    if (text === null) return new VerifiedRecord(path, empty);
    let tree: unknown = null;
    try {
      tree = JSON.parse(text);
    } catch (thrown) {
      if (!(thrown instanceof SyntaxError)) throw thrown;
    }
    const parsed = recordSchema.safeParse(tree);
    return new VerifiedRecord(path, parsed.success && parsed.data.repository === repository ? parsed.data : empty);
  }

  pulled(wanted: Wanted): PulledSnapshot | null {
    return this.#text.pulls[keyOf(wanted)] ?? null;
  }

  /** Whether the blob's bytes were right, and nobody has touched it since. */
  isVerified(etag: string, facts: BlobFacts): boolean {
    const known = this.#text.verified[etag];
    return (
      known !== undefined &&
      known.sizeBytes === facts.sizeBytes &&
      known.mtimeMs === facts.mtimeMs &&
      known.inode === facts.inode
    );
  }

  notePull(wanted: Wanted, { commit, files }: PulledSnapshot): void {
    this.#text.pulls[keyOf(wanted)] = { commit, files: [...files] };
  }

  noteVerified(etag: string, facts: BlobFacts): void {
    this.#text.verified[etag] = { ...facts };
  }

  forgetVerified(etag: string): void {
    delete this.#text.verified[etag];
  }

  /** Saves the record; writes follow one after the other. */
  save(): Promise<void> {
    const write = async (): Promise<void> => {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      await writeWhole(this.#path, `${JSON.stringify(this.#text)}\n`, { flush: true });
    };
    this.#saving = this.#saving.then(write);
    return this.#saving;
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
