/**
 * Processor time of a process group, from /proc. The mutation run judges hanging tests by it and not by the wall clock,
 * because a busy machine would make slow tests look like hanging ones.
 */
import { readdirSync, readFileSync } from "node:fs";

/** The kernel counts a process's time in hundredths of a second: proc_pid_stat(5). */
const tickMs = 10;

/** The time of one process when it belongs to the group; a process that has ended by now counts nothing. */
function timeOf(pid: string, groupId: number): number {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return 0;
  }
  // The command's name may hold spaces and parentheses; after it come the fields from the third on.
  const fields = text.slice(text.lastIndexOf(") ") + 2).split(" ");
  return Number(fields[2]) === groupId ? (Number(fields[11]) + Number(fields[12])) * tickMs : 0;
}

/** What the living processes of a group have used of the processor so far. */
export const processorMs = (groupId: number): number =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .reduce((sum, pid) => sum + timeOf(pid, groupId), 0);
