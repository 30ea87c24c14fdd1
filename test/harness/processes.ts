/**
 * Finds and signals the processes of a service under test. Each inherits a mark in its environment, so that none can be
 * left behind unseen.
 */
import { readdirSync, readFileSync } from "node:fs";

export interface FoundProcess {
  readonly pid: number;
  readonly parentPid: number;
  readonly command: string;
}

/** Every process that a service under test starts inherits it, so that none can be left behind unseen. */
export const markName = "STATE_DIR_UNDER_TEST";

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It ended meanwhile, or belongs to another user.
    return null;
  }
}

function listProcesses(isWanted: (name: string) => boolean): FoundProcess[] {
  const found: FoundProcess[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || !isWanted(name)) continue;
    const command = read(`/proc/${name}/cmdline`)?.replaceAll("\0", " ");
    const stat = read(`/proc/${name}/stat`);
    if (command === undefined || stat === null) continue;
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") continue;
    found.push({ pid: Number(name), parentPid: Number(fields[1]), command });
  }
  return found;
}

/** Every living process of this machine whose command line holds `text`. */
export const findProcesses = (text: string): FoundProcess[] =>
  listProcesses((name) => read(`/proc/${name}/cmdline`)?.replaceAll("\0", " ").includes(text) === true);

/** Every living process that a service on this state directory has started, whoever its parent is by now. */
export const findProcessesOf = (stateDir: string): FoundProcess[] =>
  listProcesses((name) => read(`/proc/${name}/environ`)?.split("\0").includes(`${markName}=${stateDir}`) === true);

/** The media child of this supervisor, while it has one. */
export const findMediaChild = (supervisorPid: number): FoundProcess | undefined =>
  findProcesses("media-child").find((found) => found.parentPid === supervisorPid);

/** False when there is no such process any more. */
export function signalProcess(pid: number | undefined, signal: NodeJS.Signals): boolean {
  if (pid === undefined || pid === 0) return false;
  try {
    return process.kill(pid, signal);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw thrown;
  }
}
