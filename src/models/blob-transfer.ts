/** One blob on its way: its parts, the file they are written to, the manifest that survives a kill, and its hash. */
import { type FileHandle, open } from "node:fs/promises";
import { ModelError } from "../core/errors.ts";
import { diskError, factsOf, type RepositoryCache, readIfPresent, writeWhole } from "./cache-layout.ts";
import type { FileHash, Hasher } from "./hasher.ts";
import type { ListedFile } from "./model-files.ts";
import {
  cutIntoParts,
  frontierOf,
  isWhole,
  type Manifest,
  manifestText,
  type Part,
  parseManifest,
  reachOf,
  writtenBytesOf,
} from "./parts.ts";

/** A file may begin anew so often because the hub changed it or knows no ranges. */
const mostRestarts = 3;

export interface TransferOptions {
  readonly cache: RepositoryCache;
  readonly hasher: Hasher;
  readonly partBytes: number;
  /** At most this much is fetched again after a kill. */
  readonly saveEveryBytes: number;
  /** Bytes that are on disk now; negative where a file begins anew. */
  readonly onBytes: (deltaBytes: number) => void;
}

/** The manifest that an earlier pull has left; null when there is none, or one whose bytes somebody deleted. */
async function savedManifest(cache: RepositoryCache, { etag, sizeBytes }: ListedFile): Promise<Manifest | null> {
  const text = await readIfPresent(cache.manifestPath(etag));
  const manifest = text === null ? null : parseManifest(text, sizeBytes);
  const facts = await factsOf(cache.partPath(etag));
  return manifest !== null && facts !== null && facts.sizeBytes >= reachOf(manifest.parts) ? manifest : null;
}

export async function savedBytesOf(cache: RepositoryCache, file: ListedFile): Promise<number> {
  return writtenBytesOf((await savedManifest(cache, file))?.parts ?? []);
}

export class BlobTransfer {
  readonly file: ListedFile;
  /** The address to which the hub sends requests on, while it holds. */
  address: string | null = null;
  validator: string | null = null;
  readonly #options: TransferOptions;
  readonly #attempts = new Set<AbortController>();
  readonly #busy = new Set<Part>();
  readonly #writes = new Set<Promise<void>>();
  #parts: readonly Part[] = [];
  #handle: FileHandle;
  #hash: FileHash;
  #saving: Promise<void> = Promise.resolve();
  #waitingSave: Promise<void> | null = null;
  #unsavedBytes = 0;
  #restartCount = 0;

  private constructor(file: ListedFile, handle: FileHandle, options: TransferOptions) {
    this.file = file;
    this.#handle = handle;
    this.#options = options;
    this.#hash = this.#followHash();
  }

  /** Opens a transfer, which goes on where an earlier pull ended. */
  static async open(file: ListedFile, options: TransferOptions): Promise<BlobTransfer> {
    const { cache, partBytes } = options;
    const manifest = await savedManifest(cache, file);
    const handle = await open(cache.partPath(file.etag), manifest === null ? "w+" : "r+", 0o644);
    const transfer = new BlobTransfer(file, handle, options);
    transfer.#parts = manifest?.parts ?? cutIntoParts(file.sizeBytes, partBytes);
    transfer.validator = manifest?.validator ?? null;
    transfer.#hash.advance(frontierOf(transfer.#parts));
    return transfer;
  }

  get isWhole(): boolean {
    return this.#parts.every(isWhole);
  }

  get isOneStream(): boolean {
    return this.#parts.length === 1;
  }

  /** Takes the first part that nobody fetches; the taker gives it back. */
  takePart(): Part | null {
    const part = this.#parts.find((candidate) => !isWhole(candidate) && !this.#busy.has(candidate)) ?? null;
    if (part !== null) this.#busy.add(part);
    return part;
  }

  givePart(part: Part): void {
    this.#busy.delete(part);
  }

  /** Whether the part still belongs to the file: not once the file has begun anew. */
  holds(part: Part): boolean {
    return this.#parts.includes(part);
  }

  beginAttempt(): AbortController {
    const attempt = new AbortController();
    this.#attempts.add(attempt);
    return attempt;
  }

  endAttempt(attempt: AbortController): void {
    this.#attempts.delete(attempt);
  }

  /** Appends to a part. Throws ModelError DISK_FULL. */
  async write(part: Part, chunks: readonly Uint8Array[], byteCount: number): Promise<void> {
    if (!this.holds(part) || byteCount === 0) return;
    const writing = this.#writeAll(chunks, part.startByte + part.writtenBytes, byteCount);
    this.#writes.add(writing);
    try {
      await writing;
    } catch (thrown) {
      throw diskError(thrown);
    } finally {
      this.#writes.delete(writing);
    }
    if (!this.holds(part)) return;
    part.writtenBytes += byteCount;
    this.#options.onBytes(byteCount);
    this.#hash.advance(frontierOf(this.#parts));
    this.#unsavedBytes += byteCount;
    if (this.#unsavedBytes >= this.#options.saveEveryBytes) await this.save();
  }

  /**
   * Saves the manifest, which never runs ahead of the bytes that it tells of. Whoever comes while one save waits its
   * turn joins it.
   */
  save(): Promise<void> {
    this.#waitingSave ??= this.#saving.then(() => {
      this.#waitingSave = null;
      this.#unsavedBytes = 0;
      const manifest = { sizeBytes: this.file.sizeBytes, validator: this.validator, parts: this.#parts };
      // The manifest is not flushed: what a loss of power takes, the hash finds.
      this.#saving = writeWhole(this.#options.cache.manifestPath(this.file.etag), manifestText(manifest), {
        flush: false,
      }).catch((thrown: unknown) => {
        throw diskError(thrown);
      });
      return this.#saving;
    });
    return this.#waitingSave;
  }

  /**
   * All bytes are void: the hub has another version, or gives no ranges. Other attempts end; `keeping` goes on with the
   * part that is returned: the whole file as one stream, where the hub sends it whole.
   */
  async restart(validator: string | null, keeping: AbortController | null): Promise<Part | null> {
    this.#restartCount += 1;
    if (this.#restartCount > mostRestarts) {
      throw new ModelError(
        "NETWORK_UNREACHABLE",
        `The hub sent ${this.file.path} from its beginning again and again, and never whole.`,
      );
    }
    await this.#begin(
      validator,
      keeping,
      keeping === null ? this.#options.partBytes : Math.max(1, this.file.sizeBytes),
    );
    return keeping === null ? null : this.takePart();
  }

  /** Compares the whole file with its hash and publishes it; false when its bytes were wrong, and the file begins anew. */
  async finish(signal: AbortSignal): Promise<boolean> {
    const { cache, partBytes } = this.#options;
    if ((await this.#hashOrAbort(signal)) !== this.file.etag) {
      await this.#saved();
      await this.#handle.close();
      await cache.quarantine(this.file.etag, cache.partPath(this.file.etag));
      this.#handle = await open(cache.partPath(this.file.etag), "w+", 0o644);
      this.address = null;
      await this.#begin(null, null, partBytes);
      return false;
    }
    await this.#saved();
    await this.#handle.sync();
    await this.#handle.close();
    await cache.publishBlob(this.file.etag);
    return true;
  }

  /** Closes the transfer and keeps what came, for the next pull. */
  async close(): Promise<void> {
    this.#hash.drop();
    await Promise.allSettled([...this.#writes]);
    try {
      await this.save();
    } finally {
      await this.#handle.close();
    }
  }

  /** Waits until no save is left that could bring a manifest back. */
  #saved(): Promise<void> {
    return this.#waitingSave ?? this.#saving;
  }

  async #hashOrAbort(signal: AbortSignal): Promise<string> {
    const hash = this.#hash;
    const onAbort = (): void => hash.drop();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await hash.result;
    } catch (thrown) {
      signal.throwIfAborted();
      throw thrown;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #begin(validator: string | null, keeping: AbortController | null, partBytes: number): Promise<void> {
    for (const attempt of this.#attempts) if (attempt !== keeping) attempt.abort();
    this.#options.onBytes(-writtenBytesOf(this.#parts));
    this.#parts = cutIntoParts(this.file.sizeBytes, partBytes);
    this.#busy.clear();
    this.validator = validator;
    this.#hash.drop();
    // A late write of the old bytes would land on the new ones.
    await Promise.allSettled([...this.#writes]);
    this.#hash = this.#followHash();
    this.#hash.advance(frontierOf(this.#parts));
    await this.save();
  }

  async #writeAll(chunks: readonly Uint8Array[], position: number, byteCount: number): Promise<void> {
    const { bytesWritten } = await this.#handle.writev([...chunks], position);
    if (bytesWritten === byteCount) return;
    // The write was short, so the rest follows in one piece.
    const rest = Buffer.concat(chunks).subarray(bytesWritten);
    let done = 0;
    while (done < rest.length)
      done += (await this.#handle.write(rest, done, rest.length - done, position + bytesWritten + done)).bytesWritten;
  }

  #followHash(): FileHash {
    const { cache, hasher } = this.#options;
    return hasher.follow(cache.partPath(this.file.etag), this.file.algorithm, this.file.sizeBytes);
  }
}
