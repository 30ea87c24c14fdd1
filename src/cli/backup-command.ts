import { join, resolve } from "node:path";
import { backupStore } from "../app/offline.ts";
import type { Config } from "../config/schema.ts";
import { say } from "./say.ts";

/** A consistent copy of the database, while a service runs on it or not. */
export async function backUp(config: Config, targetPath: string): Promise<number> {
  const path = resolve(targetPath);
  await backupStore(join(config.stateDir, "understudy.db"), path);
  say(`Copied to ${path}.`);
  return 0;
}
