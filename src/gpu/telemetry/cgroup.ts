/**
 * Limits and use of control groups, version 1 and 2. In a container they and not the host's figures decide when the
 * kernel kills.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** Limits and use of the control group that this process runs in. Null = no limit, or not readable. */
export interface CgroupSample {
  readonly memory: { readonly limitBytes: number; readonly usedBytes: number } | null;
  readonly cpu: { readonly coreCount: number; readonly usedMicroseconds: number } | null;
}

export interface CgroupRoots {
  readonly proc: string;
  readonly cgroup: string;
}
export const systemRoots: CgroupRoots = { proc: "/proc", cgroup: "/sys/fs/cgroup" };

const absentCodes: ReadonlySet<string | undefined> = new Set([
  "ENOENT",
  "ENOTDIR",
  "ESRCH",
  "EACCES",
  "EPERM",
  "EOPNOTSUPP",
]);

export async function readIfPresent(path: string): Promise<string | null> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (thrown) {
    if (absentCodes.has((thrown as NodeJS.ErrnoException).code)) return null;
    throw thrown;
  }
}

const numberIn = (text: string | null): number | null => (text === null || !/^\d+$/.test(text) ? null : Number(text));

export function fieldOf(text: string | null, name: string): number | null {
  return numberIn(
    text
      ?.split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1)
      .trim() ?? null,
  );
}

/** Lists the group's folder and every folder above it, the root last: a limit may be set on any of them. */
export function foldersUpTo(root: string, path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  const depths = [...parts.keys(), parts.length].reverse();
  return depths.map((depth) => join(root, ...parts.slice(0, depth)));
}

/** Path of this process's group in one hierarchy; `""` names version 2. */
export function pathIn(membership: string, controller: string): string | null {
  for (const line of membership.split("\n")) {
    const [, controllers = "", ...path] = line.split(":");
    const isMeant = controller === "" ? controllers === "" : controllers.split(",").includes(controller);
    if (isMeant && path.length > 0) return path.join(":");
  }
  return null;
}

interface Reading {
  readonly limit: string;
  readonly used: string;
  readonly statName: string;
}

const memoryFilesOf = {
  v2: { limit: "memory.max", used: "memory.current", statName: "inactive_file" },
  v1: { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", statName: "total_inactive_file" },
} as const;

/** Finds the tightest limit on the way up. Cache that the kernel gives back at once does not count as used. */
async function readMemory(
  folders: readonly string[],
  files: Reading,
  totalBytes: number,
): Promise<CgroupSample["memory"]> {
  let tightest: CgroupSample["memory"] = null;
  for (const folder of folders) {
    const limitBytes = numberIn(await readIfPresent(join(folder, files.limit)));
    const used = numberIn(await readIfPresent(join(folder, files.used)));
    // "No limit" is written as a number beyond every host's memory in version 1.
    if (
      limitBytes === null ||
      used === null ||
      limitBytes >= totalBytes ||
      limitBytes >= (tightest?.limitBytes ?? Number.POSITIVE_INFINITY)
    )
      continue;
    const cachedBytes = fieldOf(await readIfPresent(join(folder, "memory.stat")), files.statName) ?? 0;
    tightest = { limitBytes, usedBytes: Math.max(0, used - cachedBytes) };
  }
  return tightest;
}

async function readCpuV2(folders: readonly string[]): Promise<CgroupSample["cpu"]> {
  for (const folder of folders) {
    const [quota, period] = ((await readIfPresent(join(folder, "cpu.max"))) ?? "")
      .split(" ")
      .map((text) => numberIn(text));
    const usedMicroseconds = fieldOf(await readIfPresent(join(folder, "cpu.stat")), "usage_usec");
    if (quota && period && usedMicroseconds !== null) return { coreCount: quota / period, usedMicroseconds };
  }
  return null;
}

async function readCpuV1(
  cpuFolders: readonly string[],
  accountFolders: readonly string[],
): Promise<CgroupSample["cpu"]> {
  for (const [index, folder] of cpuFolders.entries()) {
    const quota = numberIn(await readIfPresent(join(folder, "cpu.cfs_quota_us")));
    const period = numberIn(await readIfPresent(join(folder, "cpu.cfs_period_us")));
    const usedNanoseconds = numberIn(await readIfPresent(join(accountFolders[index] ?? folder, "cpuacct.usage")));
    if (quota && period && usedNanoseconds !== null)
      return { coreCount: quota / period, usedMicroseconds: usedNanoseconds / 1_000 };
  }
  return null;
}

/**
 * Reads the limits of a process's control group, version 2 or 1; without a pid it reads this process's.
 * Sources: the kernel's admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
 * @param totalBytes the host's memory: a limit at or above it is none
 */
export async function readCgroup(
  totalBytes: number,
  roots: CgroupRoots = systemRoots,
  pid: number | "self" = "self",
): Promise<CgroupSample> {
  const membership = await readIfPresent(join(roots.proc, String(pid), "cgroup"));
  if (membership === null) return { memory: null, cpu: null };
  const foldersOf = (controller: string): string[] => {
    const path = pathIn(membership, controller);
    return path === null ? [] : foldersUpTo(join(roots.cgroup, controller), path);
  };
  const unified = foldersOf("");
  return {
    memory:
      (await readMemory(unified, memoryFilesOf.v2, totalBytes)) ??
      (await readMemory(foldersOf("memory"), memoryFilesOf.v1, totalBytes)),
    cpu: (await readCpuV2(unified)) ?? (await readCpuV1(foldersOf("cpu"), foldersOf("cpuacct"))),
  };
}
