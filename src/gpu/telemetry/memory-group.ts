/**
 * Finds the control group that counts a process's kills for memory. The count outlives the process, so it can be
 * compared after the end.
 */
import { join } from "node:path";
import { type CgroupRoots, fieldOf, foldersUpTo, pathIn, readIfPresent, systemRoots } from "./cgroup.ts";

/** The control group that accounts a process's memory: its folder outlives the process. */
export interface MemoryGroup {
  readonly version: 1 | 2;
  readonly folder: string;
  /** How often the kernel has killed a process of it for want of memory; null when it does not count. */
  countOomKills(): Promise<number | null>;
}

const counterFiles = { 1: "memory.oom_control", 2: "memory.events" } as const;

/** Null when no control group accounts the memory of this process, or none that is visible from here. */
export async function findMemoryGroup(
  pid: number | "self",
  roots: CgroupRoots = systemRoots,
): Promise<MemoryGroup | null> {
  const membership = await readIfPresent(join(roots.proc, String(pid), "cgroup"));
  if (membership === null) return null;
  // Where both versions are mounted, version 1 has the memory controller when it names it.
  const pathV1 = pathIn(membership, "memory");
  const version = pathV1 === null ? 2 : 1;
  const path = pathV1 ?? pathIn(membership, "");
  const file = counterFiles[version];
  // In a container the path may be the host's: then the mount's own root is the group.
  for (const folder of path === null ? [] : foldersUpTo(join(roots.cgroup, version === 1 ? "memory" : ""), path)) {
    if ((await readIfPresent(join(folder, file))) === null) continue;
    return { version, folder, countOomKills: async () => fieldOf(await readIfPresent(join(folder, file)), "oom_kill") };
  }
  return null;
}
