/** Makes a consistent copy of a database that is in use. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf, StoreError } from "../core/errors.ts";
import type { Database } from "./database.ts";

function syncPath(path: string, flags: "r" | "r+"): void {
  const descriptor = openSync(path, flags);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Copies the database while others write. The name appears when the copy is whole and on the disk: `vacuum into` does
 * not sync by itself (sqlite.org/lang_vacuum.html). Throws StoreError STORE_UNAVAILABLE.
 */
export function copyDatabase(database: Database, targetPath: string): void {
  const partialPath = `${targetPath}.partial`;
  try {
    rmSync(partialPath, { force: true });
    // An empty file is taken as it is: so nobody else can read the copy, also while it is being made.
    closeSync(openSync(partialPath, "wx", 0o600));
    database.read(() => database.run("vacuum into ?", partialPath));
    syncPath(partialPath, "r+");
    renameSync(partialPath, targetPath);
    syncPath(dirname(targetPath), "r");
  } catch (thrown) {
    rmSync(partialPath, { force: true });
    if (thrown instanceof StoreError) throw thrown;
    throw new StoreError("STORE_UNAVAILABLE", `The copy ${targetPath} could not be written: ${messageOf(thrown)}.`, {
      cause: thrown,
      retryable: true,
    });
  }
}
