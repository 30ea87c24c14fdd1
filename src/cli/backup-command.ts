/**
 * `understudy backup`: copies the database while it may be in use, so that an operator needs no stop to make a backup.
 */
import { join, resolve } from "node:path";
import { backupStore } from "../app/offline.ts";
import type { Config } from "../config/schema.ts";
import { say } from "./say.ts";

/** Makes a consistent copy of the database, while a service runs on it or not. */
export async function backUp(config: Config, targetPath: string): Promise<number> {
  const path = resolve(targetPath);
  await backupStore(join(config.stateDir, "understudy.db"), path);
  say(`Copied to ${path}.`);
  return 0;
}
