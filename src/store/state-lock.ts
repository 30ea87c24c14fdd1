/** Makes sure that one supervisor at a time works on a state directory, and tells commands where it answers. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf, StoreError } from "../core/errors.ts";

export interface SupervisorFile {
  readonly pid: number;
  /** The base address under which it answers. */
  readonly address: string;
}

const supervisorPath = (stateDir: string): string => join(stateDir, "run", "supervisor.json");

export function readSupervisorFile(stateDir: string): SupervisorFile | null {
  try {
    return JSON.parse(readFileSync(supervisorPath(stateDir), "utf8")) as SupervisorFile;
  } catch (thrown) {
    if (thrown instanceof SyntaxError || (thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}

/** Writes the file after listening has begun; it is replaced as a whole. */
export function writeSupervisorFile(stateDir: string, file: SupervisorFile): void {
  const path = supervisorPath(stateDir);
  writeFileSync(`${path}.new`, `${JSON.stringify(file)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function removeSupervisorFile(stateDir: string): void {
  rmSync(supervisorPath(stateDir), { force: true });
}

function makeDirectories(stateDir: string): void {
  try {
    mkdirSync(join(stateDir, "run"), { recursive: true, mode: 0o700 });
    const probe = join(stateDir, "run", `.writable-${process.pid}`);
    writeFileSync(probe, "");
    rmSync(probe);
  } catch (thrown) {
    throw new StoreError(
      "STATE_DIR_UNUSABLE",
      `The state directory ${stateDir} cannot be written (${messageOf(thrown)}); choose another with --state-dir.`,
      { cause: thrown },
    );
  }
}

const busyCode = 5;
/** A connection that nobody refers to is closed by the garbage collector, and its lock with it. */
const held = new Set<DatabaseSync>();

function takeLock(stateDir: string): DatabaseSync {
  const database = new DatabaseSync(join(stateDir, "run", "lock.db"));
  try {
    database.exec("pragma busy_timeout = 0; begin exclusive");
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

/**
 * Owns a state directory by an open exclusive transaction, which the kernel ends when this process dies in any way.
 * Throws StoreError STATE_DIR_IN_USE, naming who holds it, or STATE_DIR_UNUSABLE.
 */
export function lockStateDir(stateDir: string): { release: () => void } {
  makeDirectories(stateDir);
  let database: DatabaseSync;
  try {
    database = takeLock(stateDir);
  } catch (thrown) {
    if ((thrown as { errcode?: number }).errcode !== busyCode) {
      throw new StoreError(
        "STATE_DIR_UNUSABLE",
        `The state directory ${stateDir} cannot be locked (${messageOf(thrown)}).`,
        {
          cause: thrown,
        },
      );
    }
    const holder = readSupervisorFile(stateDir);
    const who = holder === null ? "a process that is still starting" : `pid ${holder.pid} at ${holder.address}`;
    throw new StoreError(
      "STATE_DIR_IN_USE",
      `Another supervisor runs on ${stateDir}: ${who}. Stop it, or choose another directory with --state-dir.`,
      { cause: thrown },
    );
  }
  // A supervisor that was killed may have left the file: nobody may be sent to an address that no longer answers.
  removeSupervisorFile(stateDir);
  held.add(database);
  return {
    release: () => {
      if (held.delete(database)) database.close();
    },
  };
}
