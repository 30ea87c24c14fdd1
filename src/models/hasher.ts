/**
 * Hashes model files in a thread of its own: on the service's main thread a file of ten gigabytes would hold up every
 * answer.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { ModelError } from "../core/errors.ts";
import type { FromHasher, ToHasher } from "./hash-messages.ts";
import type { HashAlgorithm } from "./model-files.ts";

const program = new URL(`./hash-thread${extname(import.meta.url)}`, import.meta.url);

/** The hash of one file that may still be growing. */
export interface FileHash {
  /** Tells that bytes before `toByte` are written for good. */
  advance(toByte: number): void;
  /** Resolves when `sizeBytes` were hashed. Rejects when the file cannot be read, or on `drop`. */
  readonly result: Promise<string>;
  drop(): void;
}

interface Waiting {
  readonly onProgress: ((hashedBytes: number) => void) | undefined;
  readonly resolve: (hash: string) => void;
  readonly reject: (error: ModelError) => void;
}

const dropped = (): ModelError => new ModelError("DRAINING", "The file is not hashed any more.");

/** A thread that hashes, started with its first file. */
export class Hasher {
  readonly #waiting = new Map<number, Waiting>();
  #thread: Worker | null = null;
  #nextId = 1;

  follow(
    path: string,
    algorithm: HashAlgorithm,
    sizeBytes: number,
    onProgress?: (hashedBytes: number) => void,
  ): FileHash {
    const id = this.#nextId;
    this.#nextId += 1;
    const result = new Promise<string>((resolve, reject) => {
      this.#waiting.set(id, { onProgress, resolve, reject });
    });
    // Whoever drops the hash no longer waits for it.
    result.catch(() => undefined);
    this.#tell({ kind: "begin", id, path, algorithm, sizeBytes });
    return {
      result,
      advance: (toByte) => this.#tell({ kind: "advance", id, toByte }),
      drop: () => {
        this.#tell({ kind: "drop", id });
        this.#take(id)?.reject(dropped());
      },
    };
  }

  /** Hashes a whole file. */
  async hashFile(
    path: string,
    algorithm: HashAlgorithm,
    sizeBytes: number,
    signal: AbortSignal,
    onProgress?: (hashedBytes: number) => void,
  ): Promise<string> {
    signal.throwIfAborted();
    const hash = this.follow(path, algorithm, sizeBytes, onProgress);
    const onAbort = (): void => hash.drop();
    signal.addEventListener("abort", onAbort, { once: true });
    hash.advance(sizeBytes);
    try {
      return await hash.result;
    } catch (thrown) {
      signal.throwIfAborted();
      throw thrown;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = null;
    await thread?.terminate();
    this.#failAll(dropped());
  }

  #start(): Worker {
    const thread = new Worker(program);
    thread.on("message", (message: FromHasher) => this.#hear(message));
    thread.on("error", (thrown) => {
      if (this.#thread === thread) this.#thread = null;
      this.#failAll(new ModelError("SYSTEM_RESOURCE", "The thread that hashes files ended.", { cause: thrown }));
    });
    return thread;
  }

  #tell(message: ToHasher): void {
    this.#thread ??= this.#start();
    this.#thread.postMessage(message);
  }

  #hear(message: FromHasher): void {
    if (message.kind === "progress") this.#waiting.get(message.id)?.onProgress?.(message.hashedBytes);
    else if (message.kind === "done") this.#take(message.id)?.resolve(message.hash);
    else
      this.#take(message.id)?.reject(
        new ModelError("SYSTEM_RESOURCE", `A model file cannot be read (${message.message}).`),
      );
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #failAll(error: ModelError): void {
    for (const id of [...this.#waiting.keys()]) this.#take(id)?.reject(error);
  }
}
