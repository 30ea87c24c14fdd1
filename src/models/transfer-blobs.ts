/**
 * Fetches a model's files over a few connections at once, until each is checked and published. One failure ends the
 * pull and keeps what came.
 */
import { ModelError } from "../core/errors.ts";
import { BlobTransfer, type TransferOptions } from "./blob-transfer.ts";
import { type FetchOptions, fetchPart } from "./fetch-part.ts";
import type { ListedFile } from "./model-files.ts";
import type { Part } from "./parts.ts";
import { type Retrying, retrying } from "./retrying.ts";

export interface PoolOptions {
  readonly connectionCount: number;
  readonly fetching: FetchOptions;
  readonly transfer: TransferOptions;
  readonly retry: Omit<Retrying, "signal">;
  /** The pool calls it when the file's blob is in place. */
  readonly onPublished: (file: ListedFile) => Promise<void>;
}

/** A file that came whole and wrong so many times comes no better. */
const mostCorrupt = 2;

/**
 * A pool of connections that take part after part: of one big file, or of many small ones, in the order of the list.
 */
class TransferPool {
  readonly #options: PoolOptions;
  readonly #signal: AbortSignal;
  readonly #waiting: ListedFile[];
  readonly #active = new Set<BlobTransfer>();
  readonly #corruptCounts = new Map<string, number>();
  #openingCount = 0;
  #changed = Promise.withResolvers<void>();

  constructor(files: readonly ListedFile[], options: PoolOptions, signal: AbortSignal) {
    this.#waiting = [...files];
    this.#options = options;
    this.#signal = signal;
  }

  /** One connection's life, until nothing is left to fetch. */
  async work(): Promise<void> {
    for (;;) {
      this.#signal.throwIfAborted();
      const taken = this.#take();
      if (taken !== null) await this.#fetch(taken.transfer, taken.part);
      else if (this.#waiting.length > 0) await this.#openNext();
      else if (this.#active.size + this.#openingCount > 0) await this.#change();
      else return;
    }
  }

  async close(): Promise<void> {
    const closed = await Promise.allSettled([...this.#active].map((transfer) => transfer.close()));
    const failed = closed.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  #take(): { readonly transfer: BlobTransfer; readonly part: Part } | null {
    for (const transfer of this.#active) {
      const part = transfer.takePart();
      if (part !== null) return { transfer, part };
    }
    return null;
  }

  async #openNext(): Promise<void> {
    const file = this.#waiting.shift();
    if (file === undefined) return;
    this.#openingCount += 1;
    try {
      const transfer = await BlobTransfer.open(file, this.#options.transfer);
      this.#active.add(transfer);
      // An earlier pull ended between the last byte and its publication, or there is no byte at all.
      if (transfer.isWhole) await this.#finish(transfer);
    } finally {
      this.#openingCount -= 1;
      this.#wake();
    }
  }

  async #fetch(transfer: BlobTransfer, part: Part): Promise<void> {
    try {
      await retrying({ ...this.#options.retry, signal: this.#signal }, async (noteProgress) => {
        // The file may have begun anew while this part waited for its next try.
        if (transfer.holds(part)) await fetchPart(transfer, part, this.#options.fetching, this.#signal, noteProgress);
      });
    } finally {
      transfer.givePart(part);
    }
    if (this.#active.has(transfer) && transfer.isWhole) await this.#finish(transfer);
    this.#wake();
  }

  async #finish(transfer: BlobTransfer): Promise<void> {
    const { file } = transfer;
    // Only one connection ends a file, so it leaves the pool first.
    this.#active.delete(transfer);
    this.#openingCount += 1;
    try {
      const isGood = await transfer.finish(this.#signal).catch((thrown: unknown) => {
        this.#active.add(transfer);
        throw thrown;
      });
      if (isGood) {
        await this.#options.onPublished(file);
        return;
      }
      this.#active.add(transfer);
      const count = (this.#corruptCounts.get(file.path) ?? 0) + 1;
      this.#corruptCounts.set(file.path, count);
      if (count >= mostCorrupt)
        throw new ModelError(
          "MODEL_FILE_CORRUPT",
          `${file.path} came ${count} times with bytes that do not match its hash; they were set aside.`,
        );
      // A file without a byte is whole from its beginning: no connection would take it up.
      if (transfer.isWhole) await this.#finish(transfer);
    } finally {
      this.#openingCount -= 1;
      this.#wake();
    }
  }

  async #change(): Promise<void> {
    const { promise, reject } = this.#changed;
    const onAbort = (): void => reject(this.#signal.reason);
    this.#signal.addEventListener("abort", onAbort, { once: true });
    try {
      await promise;
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

/** Fetches, checks and publishes every file, each once. What came of the others is kept when one fails or the signal aborts. */
export async function transferBlobs(
  files: readonly ListedFile[],
  options: PoolOptions,
  signal: AbortSignal,
): Promise<void> {
  const failure = new AbortController();
  const ended = AbortSignal.any([signal, failure.signal]);
  const pool = new TransferPool(files, options, ended);
  const work = async (): Promise<void> => {
    try {
      await pool.work();
    } catch (thrown) {
      if (!ended.aborted) failure.abort(thrown);
    }
  };
  try {
    await Promise.all(Array.from({ length: options.connectionCount }, work));
  } finally {
    await pool.close();
  }
  ended.throwIfAborted();
}
