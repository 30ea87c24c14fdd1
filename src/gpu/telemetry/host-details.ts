/**
 * What the kernel tells of the host beyond plain figures: pressure, kills for memory and inodes. They show why a
 * machine is slow before it fails.
 */
import type { StatsFs } from "node:fs";
import { join } from "node:path";
import type { HostDetails, Pressure } from "../../core/ports/telemetry-probe.ts";
import { type CgroupRoots, readCgroup, readIfPresent, systemRoots } from "./cgroup.ts";
import { findMemoryGroup } from "./memory-group.ts";

const resources = ["memory", "cpu", "io"] as const;

/** A line reads `some avg10=0.12 avg60=… total=…`; the processor has no `full` before kernel 5.13. */
function parsePressure(text: string): Pressure | null {
  const share = (kind: string): number | null => {
    const percent = new RegExp(`^${kind} avg10=(\\d+\\.\\d+)`, "m").exec(text)?.[1];
    return percent === undefined ? null : Number(percent) / 100;
  };
  const someRatio = share("some");
  return someRatio === null ? null : { someRatio, fullRatio: share("full") ?? 0 };
}

/** What the kernel tells about waiting, kills and inodes; what it does not tell is null with its reason. */
export async function readHostDetails(
  disk: StatsFs,
  totalBytes: number,
  roots: CgroupRoots = systemRoots,
): Promise<HostDetails> {
  const unavailable: Record<string, string> = {};
  const pressure = { memory: null, cpu: null, io: null } as {
    -readonly [Name in keyof HostDetails["pressure"]]: Pressure | null;
  };
  for (const resource of resources) {
    const text = await readIfPresent(join(roots.proc, "pressure", resource));
    pressure[resource] = text === null ? null : parsePressure(text);
    if (pressure[resource] === null) unavailable[`pressure.${resource}`] = "this kernel does not account pressure";
  }
  const group = await findMemoryGroup("self", roots);
  if (group === null) unavailable["cgroup"] = "no control group accounts this process's memory";
  const oomKillCount = (await group?.countOomKills()) ?? null;
  if (group !== null && oomKillCount === null)
    unavailable["cgroup.oomKillCount"] = "the control group does not count kills";
  if (disk.files === 0) unavailable["inodes"] = "this file system does not limit inodes";
  return {
    diskTotalBytes: disk.blocks * disk.bsize,
    inodes: disk.files === 0 ? null : { totalCount: disk.files, freeCount: disk.ffree },
    cgroup:
      group === null
        ? null
        : {
            version: group.version,
            memoryLimitBytes: (await readCgroup(totalBytes, roots)).memory?.limitBytes ?? null,
            oomKillCount,
          },
    pressure,
    unavailable,
  };
}
