/**
 * Measures the host for each sample: processor, memory and disk, within the control group's limits where there are any.
 */
import { statfs } from "node:fs/promises";
import type { Clock } from "../../core/clock.ts";
import { messageOf, UnderstudyError } from "../../core/errors.ts";
import type { HostSample } from "../../core/ports/telemetry-probe.ts";
import { type CgroupRoots, type CgroupSample, readCgroup } from "./cgroup.ts";
import { readHostDetails } from "./host-details.ts";

export interface HostSamplerOptions {
  readonly clock: Clock;
  /** The disk that holds this folder is the one that is measured. */
  readonly stateDir: string;
  readonly cgroupRoots?: CgroupRoots;
}

/** CPU time of the group since the last sample, as a share of what its quota allowed. */
function createCpuMeter(clock: Clock): (cpu: CgroupSample["cpu"], hostRatio: number) => number {
  let last: { readonly atMs: number; readonly usedMicroseconds: number } | null = null;
  return (cpu, hostRatio) => {
    const atMs = clock.nowMs();
    const before = last;
    last = cpu === null ? null : { atMs, usedMicroseconds: cpu.usedMicroseconds };
    if (cpu === null || before === null || atMs <= before.atMs) return hostRatio;
    const ratio = (cpu.usedMicroseconds - before.usedMicroseconds) / ((atMs - before.atMs) * 1_000 * cpu.coreCount);
    return Math.min(1, Math.max(0, ratio));
  };
}

/**
 * Measures processor, memory and disk of the host, or of the control group where that is tighter. Never systeminformation's
 * `graphics()`: it calls nvidia-smi synchronously, and a hanging driver would freeze this process.
 * The function rejects with SYSTEM_RESOURCE when the host could not be measured.
 */
export function createHostSampler({ clock, stateDir, cgroupRoots }: HostSamplerOptions): () => Promise<HostSample> {
  const cpuRatioOf = createCpuMeter(clock);
  const sample = async (): Promise<HostSample> => {
    // The package is the largest of all, so it is loaded with the first measurement, which comes after the start.
    const { currentLoad, mem } = await import("systeminformation");
    const [load, memory, disk] = await Promise.all([currentLoad(), mem(), statfs(stateDir)]);
    const [group, details] = await Promise.all([
      readCgroup(memory.total, cgroupRoots),
      readHostDetails(disk, memory.total, cgroupRoots),
    ]);
    const memoryTotalBytes = group.memory?.limitBytes ?? memory.total;
    const memoryUsedBytes = group.memory?.usedBytes ?? memory.total - memory.available;
    return {
      cpuRatio: cpuRatioOf(group.cpu, Math.min(1, Math.max(0, load.currentLoad / 100))),
      memoryRatio: memoryTotalBytes === 0 ? 0 : memoryUsedBytes / memoryTotalBytes,
      memoryUsedBytes,
      memoryTotalBytes,
      diskFreeBytes: disk.bavail * disk.bsize,
      details,
    };
  };
  return () =>
    sample().catch((thrown: unknown) => {
      throw new UnderstudyError("SYSTEM_RESOURCE", `the host could not be measured: ${messageOf(thrown)}`, {
        cause: thrown,
        retryable: true,
      });
    });
}
