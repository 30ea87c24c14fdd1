import { readdirSync, readFileSync } from "node:fs";

export interface FoundProcess {
  readonly pid: number;
  readonly parentPid: number;
  readonly command: string;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** Every living process of this machine whose command line holds `text`. */
export function findProcesses(text: string): FoundProcess[] {
  const found: FoundProcess[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const command = read(`/proc/${name}/cmdline`)?.replaceAll("\0", " ");
    const stat = read(`/proc/${name}/stat`);
    if (command === undefined || stat === null || !command.includes(text)) continue;
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") continue;
    found.push({ pid: Number(name), parentPid: Number(fields[1]), command });
  }
  return found;
}
