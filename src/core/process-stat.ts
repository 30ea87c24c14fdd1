/** Reads `/proc/<pid>/stat`. A pid alone may name another process by now; with the start time it names one for good. */

export interface ProcessStat {
  /** `R`, `S`, `D`, `T`, `Z` …: proc_pid_stat(5). */
  readonly state: string;
  readonly groupId: number;
  /** Field 22: clock ticks between boot and the process's start. With the pid it names a process for good. */
  readonly startTicks: number;
}

/** Reads the text of `/proc/<pid>/stat`; null when it is not one. The command's name may hold spaces and parentheses. */
export function parseProcessStat(text: string): ProcessStat | null {
  const nameEnd = text.lastIndexOf(") ");
  if (nameEnd === -1) return null;
  const fields = text
    .slice(nameEnd + 2)
    .trim()
    .split(" ");
  const state = fields[0];
  const groupId = Number(fields[2]);
  const startTicks = Number(fields[19]);
  if (state === undefined || !Number.isSafeInteger(groupId) || !Number.isSafeInteger(startTicks)) return null;
  return { state, groupId, startTicks };
}
