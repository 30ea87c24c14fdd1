/**
 * Watches the disk's free space and keeps a ballast file. When the disk is full, deleting the ballast leaves room to
 * write what happened.
 */
import { rmSync, statSync } from "node:fs";
import { open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { DiskGauge } from "../core/ports/artifact-files.ts";
import { mebibyte } from "../core/units.ts";

/** Free space of the state directory's file system, and a ballast that is given up so that states can still be written. */
export function createDiskGauge(options: { readonly stateDir: string; readonly ballastBytes?: number }): DiskGauge {
  const ballastPath = join(options.stateDir, "ballast");
  const ballastBytes = options.ballastBytes ?? 64 * mebibyte;
  const freeBytes = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(options.stateDir);
    return bavail * bsize;
  };
  const sizeOf = (): number => statSync(ballastPath, { throwIfNoEntry: false })?.size ?? 0;
  const restore = async (): Promise<void> => {
    if (ballastBytes === 0 || sizeOf() >= ballastBytes || (await freeBytes()) < 2 * ballastBytes) return;
    const file = await open(ballastPath, "w", 0o600);
    let isWhole = false;
    try {
      // The ballast is written and not truncated to size, because a sparse file would hold no space.
      const zeros = new Uint8Array(mebibyte);
      for (let written = 0; written < ballastBytes; written += zeros.length)
        await file.write(zeros, 0, Math.min(zeros.length, ballastBytes - written));
      await file.sync();
      isWhole = true;
    } finally {
      await file.close();
      // Half a ballast on a disk that filled up meanwhile would only take the space that others need.
      if (!isWhole) await rm(ballastPath, { force: true });
    }
  };
  let restoring: Promise<void> | undefined;
  return {
    freeBytes,
    // This is no promise, because a write that found the disk full is tried again in the same turn.
    releaseBallast: () => {
      if (sizeOf() === 0) return false;
      rmSync(ballastPath, { force: true });
      return true;
    },
    restoreBallast: () => {
      restoring ??= restore().finally(() => {
        restoring = undefined;
      });
      return restoring;
    },
  };
}
