/**
 * Lets one process at a time change a model's files: service and command line share one cache. The kernel holds the
 * lock, so a kill cannot leave it behind.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ModelError, messageOf } from "../core/errors.ts";
import { parseProcessStat } from "../core/process-stat.ts";

interface Holder {
  readonly pid: number;
  /** Clock ticks from boot to the process's start; null where the kernel does not tell. */
  readonly startTicks: number | null;
}

const busyCode = 5;
/** A connection that nobody refers to is closed by the garbage collector, and its lock with it. */
const held = new Set<DatabaseSync>();

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}

const startTicksOf = (pid: number): number | null =>
  parseProcessStat(readText(`/proc/${pid}/stat`) ?? "")?.startTicks ?? null;

function holderWords(path: string): string {
  const [, pid, startTicks] = /^\{"pid":(\d+),"startTicks":(\d+|null)\}/.exec(readText(path) ?? "") ?? [];
  // The file of a holder that was killed may still be there while its successor starts.
  const isSame = pid !== undefined && String(startTicksOf(Number(pid))) === startTicks;
  return isSame ? `Process ${pid}` : "Another process";
}

function openLock(folder: string): DatabaseSync {
  try {
    mkdirSync(folder, { recursive: true });
    return new DatabaseSync(join(folder, "understudy.lock"));
  } catch (thrown) {
    throw new ModelError("SYSTEM_RESOURCE", `The model cache cannot be written (${messageOf(thrown)}).`, {
      cause: thrown,
    });
  }
}

/**
 * One process at a time changes a repository's folder. The kernel frees the lock when its holder dies in any way; pid and
 * start time beside it are for the sentence. Throws ModelError MODEL_BUSY or SYSTEM_RESOURCE.
 */
export function lockRepository(cacheDir: string, repository: string): { release: () => void } {
  const folder = join(cacheDir, ".locks", `models--${repository.replaceAll("/", "--")}`);
  const holderPath = join(folder, "understudy.json");
  const database = openLock(folder);
  try {
    database.exec("pragma busy_timeout = 0; begin exclusive");
  } catch (thrown) {
    database.close();
    if ((thrown as { errcode?: number }).errcode !== busyCode)
      throw new ModelError("SYSTEM_RESOURCE", `The model cache cannot be locked (${messageOf(thrown)}).`, {
        cause: thrown,
      });
    throw new ModelError("MODEL_BUSY", `${holderWords(holderPath)} downloads, verifies or removes ${repository} now.`, {
      cause: thrown,
    });
  }
  held.add(database);
  const holder: Holder = { pid: process.pid, startTicks: startTicksOf(process.pid) };
  writeFileSync(holderPath, `${JSON.stringify(holder)}\n`);
  return {
    release: () => {
      if (!held.delete(database)) return;
      rmSync(holderPath, { force: true });
      database.close();
    },
  };
}
