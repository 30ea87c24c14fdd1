/**
 * The last look at the free space, shared by claims, stand-ins and upkeep, so that all of them go by the same answer.
 */
import type { DiskGauge } from "../../core/ports/artifact-files.ts";

/** What was last seen of the disk's free space. Below the floor no clip is rendered, because nobody could keep it. */
export interface DiskWatch {
  look(): Promise<void>;
  /** The space as last seen; infinite before the first look, so that a start claims jobs. */
  freeBytes(): number;
  isShort(): boolean;
}

export function createDiskWatch(disk: Pick<DiskGauge, "freeBytes">, minFreeBytes: number): DiskWatch {
  let freeBytes = Number.POSITIVE_INFINITY;
  return {
    look: async () => {
      freeBytes = await disk.freeBytes();
    },
    freeBytes: () => freeBytes,
    isShort: () => freeBytes < minFreeBytes,
  };
}
