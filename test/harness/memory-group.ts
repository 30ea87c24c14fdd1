/**
 * Makes a real memory control group and exhausts it, so that the kernel itself kills a worker under test. It needs
 * root.
 */
import { accessSync, constants, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mebibyte } from "../../src/core/units.ts";
import { until } from "./running-service.ts";

/** A memory cgroup; needs the right to make one (root, as a rule). */
export interface MemoryGroup {
  /** What it starts from now on is in the group from its first moment on. */
  enter(pid: number): void;
  release(pid: number): void;
  /** Nothing more is to be had: the kernel ends the process that it likes least. */
  exhaust(): void;
  relieve(): void;
  leave(): Promise<void>;
}

interface Layout {
  readonly root: string;
  readonly limit: string;
  /** In `memory.stat`: what cannot be had back by dropping caches. */
  readonly anonymous: RegExp;
  readonly unlimited: string;
}

const versions: readonly Layout[] = [
  { root: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes", anonymous: /^total_rss (\d+)$/m, unlimited: "-1" },
  { root: "/sys/fs/cgroup", limit: "memory.max", anonymous: /^anon (\d+)$/m, unlimited: "max" },
];

/** Where groups can be made on this machine; null where they cannot. */
export function findMemoryLayout(): Layout | null {
  const mounts = readFileSync("/proc/mounts", "utf8");
  return versions.find(({ root }) => mounts.includes(` ${root} cgroup`) && mayWrite(root)) ?? null;
}

function mayWrite(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** The kernel refuses a limit that it cannot reach by dropping caches. */
function isTaken(setLimit: () => void): boolean {
  try {
    setLimit();
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EBUSY") return false;
    throw thrown;
  }
}

export function openMemoryGroup(name: string): MemoryGroup {
  const layout = findMemoryLayout();
  if (layout === null)
    throw new Error("This machine lets nobody make a memory cgroup: what the kernel kills for memory cannot be shown.");
  const { root, limit, anonymous, unlimited } = layout;
  const group = join(root, `understudy-test-${name}-${process.pid}`);
  mkdirSync(group);
  const members = (): string[] =>
    readFileSync(join(group, "cgroup.procs"), "utf8")
      .split("\n")
      .filter((line) => line !== "");
  const setLimit = (value: string): void => writeFileSync(join(group, limit), value);
  const release = (pid: number): void => writeFileSync(join(root, "cgroup.procs"), String(pid));
  return {
    enter: (pid) => writeFileSync(join(group, "cgroup.procs"), String(pid)),
    release,
    exhaust: () => {
      const heldBytes = Number(anonymous.exec(readFileSync(join(group, "memory.stat"), "utf8"))?.[1]);
      for (
        let spareBytes = 2 * mebibyte;
        !isTaken(() => setLimit(String(heldBytes + spareBytes)));
        spareBytes += 2 * mebibyte
      );
    },
    relieve: () => setLimit(unlimited),
    leave: async () => {
      await until("the group is left", () => {
        for (const member of members()) release(Number(member));
        return members().length === 0;
      });
      rmdirSync(group);
    },
  };
}
