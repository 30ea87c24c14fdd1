/**
 * What the kernel knows of processes. A pid alone names nobody, because it may have been given to another process
 * since: start time and boot belong to the name.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { ProcessRef } from "../core/ports/worker.ts";
import { type ProcessStat, parseProcessStat } from "../core/process-stat.ts";

/** `foreign`: the pid lives, but belongs to another process than the one that was named. */
type ProcessPresence = "alive" | "gone" | "foreign";

export type ProcessName = Pick<ProcessRef, "pid" | "startTicks" | "bootId">;

/** What the kernel says about processes. Without /proc (macOS) names are pids only. */
export interface ProcessTable {
  stat(pid: number): ProcessStat | null;
  bootId(): string | null;
  presenceOf(name: ProcessName): ProcessPresence;
  /** The group leader that was started with this variable in its environment; null when there is none. */
  findByVariable(name: string, value: string): number | null;
}

const absentCodes: ReadonlySet<string | undefined> = new Set(["ENOENT", "ESRCH", "EACCES", "EPERM"]);

export const errnoOf = (thrown: unknown): string | undefined => (thrown as NodeJS.ErrnoException | null)?.code;

function readIfPresent(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    if (absentCodes.has(errnoOf(thrown))) return null;
    throw thrown;
  }
}

function presenceBySignal(pid: number): ProcessPresence {
  try {
    process.kill(pid, 0);
    return "alive";
  } catch (thrown) {
    if (errnoOf(thrown) === "ESRCH") return "gone";
    if (errnoOf(thrown) === "EPERM") return "foreign";
    throw thrown;
  }
}

/** @param root where proc(5) is mounted */
export function createProcessTable(root = "/proc"): ProcessTable {
  const hasProc = existsSync(`${root}/self/stat`);
  const stat = (pid: number): ProcessStat | null => {
    const text = hasProc ? readIfPresent(`${root}/${pid}/stat`) : null;
    return text === null ? null : parseProcessStat(text);
  };
  const bootId = (): string | null =>
    hasProc ? (readIfPresent(`${root}/sys/kernel/random/boot_id`)?.trim() ?? null) : null;
  const presenceOf = (name: ProcessName): ProcessPresence => {
    if (!hasProc) return presenceBySignal(name.pid);
    if (name.bootId !== null && name.bootId !== bootId()) return "foreign";
    const seen = stat(name.pid);
    if (seen === null) return "gone";
    if (name.startTicks !== null && seen.startTicks !== name.startTicks) return "foreign";
    return seen.state === "Z" || seen.state === "X" ? "gone" : "alive";
  };
  const findByVariable = (name: string, value: string): number | null => {
    if (!hasProc) return null;
    const pids = readdirSync(root)
      .filter((entry) => /^\d+$/.test(entry))
      .map(Number);
    const isLeader = (pid: number): boolean => stat(pid)?.groupId === pid;
    const isStarted = (pid: number): boolean =>
      `\0${readIfPresent(`${root}/${pid}/environ`) ?? ""}`.includes(`\0${name}=${value}\0`);
    return pids.find((pid) => isLeader(pid) && isStarted(pid)) ?? null;
  };
  return { stat, bootId, presenceOf, findByVariable };
}

/**
 * Sends to the whole process group, or to the process alone when it leads none. False when nothing received it. A pid
 * below 2 is refused, because -1 and 0 would address every process of this user and our own group.
 */
export function sendToGroup(pid: number, signal: NodeJS.Signals): boolean {
  if (!Number.isSafeInteger(pid) || pid < 2) throw new RangeError(`no process may have the pid ${pid}`);
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal);
      return true;
    } catch (thrown) {
      // macOS answers EPERM for a group of which only a zombie is left.
      if (errnoOf(thrown) !== "ESRCH" && errnoOf(thrown) !== "EPERM") throw thrown;
    }
  }
  return false;
}
