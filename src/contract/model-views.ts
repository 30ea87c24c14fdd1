/** Models as the service tells of them: what is here, what is loaded, what fits, and how far a download is. */
import type { LoadProfile, ModelId } from "../core/words.ts";

export const downloadStates = ["downloading", "paused", "failed", "incomplete", "completed", "cancelled"] as const;

/** A download that is under way, that ended, or that left something behind. */
export interface DownloadView {
  readonly model: ModelId;
  readonly state: (typeof downloadStates)[number];
  readonly doneBytes: number;
  /** Null until the hub has listed it once. */
  readonly totalBytes: number | null;
  readonly bytesPerSecond: number;
  readonly etaMs: number | null;
  /** Why it failed, or what it waits for. */
  readonly trouble: string | null;
  readonly atMs: number;
}

export type FitWord = "fits" | "too_large" | "unknown";

export interface FitView {
  readonly word: FitWord;
  readonly profile: LoadProfile | null;
  /** At the peak of the largest clip that fits; null where none is known to. */
  readonly deviceBytes: number | null;
  readonly sentence: string;
}

export interface ModelView {
  readonly id: ModelId;
  /** The simulator's models have no files. */
  readonly isSimulated: boolean;
  /** Every file is here and was verified. */
  readonly isAvailable: boolean;
  readonly isLoaded: boolean;
  readonly loadedProfile: LoadProfile | null;
  readonly presentBytes: number;
  readonly path: string | null;
  readonly fit: FitView;
  readonly download: DownloadView | null;
  readonly error: string | null;
}

export interface FileCheckView {
  readonly model: ModelId;
  /** False where nothing says which files there should be. */
  readonly isKnown: boolean;
  readonly fileCount: number;
  /** Read from the first byte to the last, just now. */
  readonly hashedFileCount: number;
  readonly problems: readonly { readonly path: string; readonly kind: "missing" | "corrupt" }[];
}

export type DownloadAnswer =
  | { readonly kind: "alreadyAvailable" | "started" | "completed"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string };

export interface SuggestionView {
  readonly model: ModelId;
  readonly isRequested: boolean;
  readonly width: number;
  readonly height: number;
  readonly profile: LoadProfile | null;
  readonly waitMs: number | null;
  readonly reason: string;
}
