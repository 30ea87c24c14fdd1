/**
 * What jobs need of the disk: published files, staged files, checkpoints, and the ballast that makes room on a full
 * disk.
 */
import type { ArtifactRef } from "../job.ts";
import type { ArtifactKind } from "../words.ts";

/** Files of artifacts. A crash leaves nothing visible or the whole file. */
export interface ArtifactFiles {
  /** Absolute path in the same file system, not visible to anybody, for a file that is being made. */
  stagingPath(jobId: string, fence: number, kind: ArtifactKind): string;
  /** Where the stand-in lies that serves every job while the disk is too full to make one; no sweep takes it. */
  readonly genericStandInPath: string;
  checkpointDir(jobId: string): string;
  /**
   * fsync → SHA-256 → hard link to a name with hash, job and fence → fsync of the directory. The staged file stays until
   * `discardStaged`, so that a crash before the commit can publish it again; publishing twice gives the same artifact. The
   * generic stand-in is published in the same way, and takes no space.
   */
  publish(
    stagedPath: string,
    about: { readonly jobId: string; readonly fence: number; readonly kind: ArtifactKind; readonly mimeType: string },
  ): Promise<ArtifactRef>;
  /** Writes and publishes content that is in memory. */
  publishBytes(
    bytes: Uint8Array,
    about: { readonly jobId: string; readonly kind: ArtifactKind; readonly mimeType: string },
  ): Promise<ArtifactRef>;
  /** Deletes a staged file; nothing happens when it is gone. */
  discardStaged(stagedPath: string): Promise<void>;
  /** Bytes from start to end inclusive. */
  read(artifact: ArtifactRef, range?: { readonly start: number; readonly end: number }): ReadableStream<Uint8Array>;
  pathOf(artifact: Pick<ArtifactRef, "name">): string;
  remove(name: string): Promise<void>;
  removeCheckpoints(jobId: string): Promise<void>;
  /** Deletes files that no row names and that are older than `minAgeMs`; how many. */
  sweepOrphans(knownNames: ReadonlySet<string>, minAgeMs: number): Promise<number>;
}

/** Free space under the state directory. */
export interface DiskGauge {
  freeBytes(): Promise<number>;
  /** Releases the ballast so that states can still be recorded; false when it was released already. */
  releaseBallast(): boolean;
  /** Makes the ballast again when there is room. */
  restoreBallast(): Promise<void>;
}
