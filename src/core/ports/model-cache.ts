/** Models as files: which are here, pulls, pauses, checks and removals. */
import type { ErrorCode } from "../error-codes.ts";

export type PullPhase = "listing" | "checking" | "fetching";

export interface PullProgress {
  readonly phase: PullPhase;
  /** On disk, what was there before included. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  /** Null while nothing arrives. */
  readonly etaMs: number | null;
  readonly doneFileCount: number;
  readonly fileCount: number;
  /** Why it waits, until the next byte arrives. */
  readonly trouble: string | null;
}

/** A try of a pull failed; the next one comes by itself. */
export interface PullRetry {
  /** Of the next try, from 2. */
  readonly tryNumber: number;
  /** Tries in all. */
  readonly tryCount: number;
  readonly atMs: number;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface PullResult {
  readonly commit: string;
  readonly snapshotPath: string;
  readonly fetchedFileCount: number;
}

export interface VerifyReport {
  /** False for a local folder, and when this service never pulled it: then nothing says which files there should be. */
  readonly isKnown: boolean;
  readonly commit: string | null;
  readonly fileCount: number;
  /** Read from the first byte to the last, just now. */
  readonly hashedFileCount: number;
  readonly problems: readonly FileProblem[];
}

export interface FileProblem {
  readonly path: string;
  readonly kind: "missing" | "corrupt";
}

/** `incomplete`: some of it is here, and a pull goes on from there. `changed` files count as not here until verified. */
export type ModelState = "absent" | "incomplete" | "complete" | "pulling" | "paused" | "failed";

export interface ModelStatus {
  readonly id: string;
  /** `org/name`, or a local folder. */
  readonly source: string;
  readonly revision: string;
  readonly state: ModelState;
  readonly commit: string | null;
  readonly presentBytes: number;
  /** Null until the hub has listed it once. */
  readonly totalBytes: number | null;
  readonly path: string | null;
  readonly progress: PullProgress | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export type PullOutcome =
  | ({ readonly kind: "complete" } & PullResult)
  | { readonly kind: "paused" }
  | { readonly kind: "cancelled" };

export type PullEnding =
  | { readonly kind: PullOutcome["kind"] }
  | { readonly kind: "failed"; readonly code: string; readonly message: string };

export type PullEndListener = (name: string, ending: PullEnding, progress: PullProgress | null) => void;

export type PullRetryListener = (name: string, retry: PullRetry) => void;

export interface PullAsked {
  readonly revision?: string;
  /** Stays at the commit of the last pull, and asks the hub only for what is missing or wrong. */
  readonly isRepair?: boolean;
}

export interface ModelCache {
  status(): Promise<readonly ModelStatus[]>;
  statusOf(name: string, revision?: string): Promise<ModelStatus>;
  /** False for a local folder: somebody else fills it. */
  canPull(name: string): boolean;
  progressOf(name: string): PullProgress | null;
  /** Calls the listener at most four times a second for each pull. Returns what ends it. */
  onProgress(listener: (name: string, progress: PullProgress) => void): () => void;
  /** Calls the listener once for each try of a pull that failed and comes again, however many connections it has. Returns what ends it. */
  onRetry(listener: PullRetryListener): () => void;
  /**
   * Calls the listener after each pull, however it ended, with the last progress that it told. Returns what ends it.
   */
  onEnded(listener: PullEndListener): () => void;
  /** Joins a pull of this name that is under way. Throws ModelError; what came is kept. */
  pull(name: string, asked?: PullAsked): Promise<PullOutcome>;
  /** Resolves when nothing is written any more; what came is kept. False when there was nothing to pause. */
  pause(name: string): Promise<boolean>;
  /** Goes on with a pull that was paused or that failed. */
  resume(name: string): Promise<PullOutcome>;
  /** Ends a pull and frees what is not a whole file. */
  cancel(name: string): Promise<void>;
  verify(name: string, options?: { readonly isRehash?: boolean; readonly revision?: string }): Promise<VerifyReport>;
  /** Resolves when the hub lets the model be read now. Throws ModelError with what stands against it. One byte is asked for, and none is kept. */
  askHub(name: string, withinMs: number): Promise<void>;
  /** The snapshot's folder when every file is there and verified, else null. */
  localPath(name: string, revision?: string): Promise<string | null>;
  /** Deletes the repository from the cache, all its revisions. */
  remove(name: string): Promise<void>;
  /** Pauses every pull; what came is kept. */
  close(): Promise<void>;
}
