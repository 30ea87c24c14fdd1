/** Follows worker processes while they live, because most of what explains their end cannot be read afterwards. */
import { totalmem } from "node:os";
import type { Clock } from "../../core/clock.ts";
import type { GpuEvidence } from "../../core/fault.ts";
import type { MachineEvidence, ProcessFollower } from "../../core/ports/telemetry-probe.ts";
import { withoutNulls } from "../../core/present.ts";
import { secondMs } from "../../core/units.ts";
import type { CardReader, CardReading } from "./card-readers.ts";
import { type CgroupRoots, readCgroup } from "./cgroup.ts";
import { findMemoryGroup } from "./memory-group.ts";

/**
 * A line of the kernel's log belongs to a failure within this time, which is also the window by which gpud correlates
 * the two.
 */
const kernelWindowMs = 10 * secondMs;

interface Followed {
  readonly pid: number;
  memoryUseRatio: number | null;
}

export interface ProcessFollowers {
  /** Remembers what the followed processes use now: after their end it is not known any more. */
  measure(hostRatio: number): Promise<void>;
  follow(pid: number, deviceUuid?: string | null): Promise<ProcessFollower>;
}

/** The evidence of the cards' status, without what is about other cards. */
function ofCard(readings: readonly CardReading[], deviceUuid: string | null): GpuEvidence {
  const reading = readings.find(({ gpus }) => gpus.some(({ uuid }) => uuid === deviceUuid));
  const details = reading?.gpus.find(({ uuid }) => uuid === deviceUuid)?.details;
  const all = readings.find(({ gpuStatus }) => gpuStatus !== undefined)?.gpuStatus?.evidence ?? {};
  if (details === undefined) return all;
  const { recoveryAction, throttleMask } = details;
  return withoutNulls({
    recoveryAction: recoveryAction === "None" ? null : recoveryAction,
    throttleMask: throttleMask === 0 ? null : throttleMask,
  });
}

/** Lines of the kernel's log that do not name a card beside which this one is known. */
function withoutOtherCards(
  lines: readonly string[],
  readings: readonly CardReading[],
  deviceUuid: string | null,
): readonly string[] {
  const cards = readings.flatMap(({ gpus }) => gpus);
  const isOurs = cards.some(({ uuid }) => uuid === deviceUuid);
  const others = isOurs
    ? cards.flatMap(({ uuid, details }) => (uuid === deviceUuid ? [] : (details?.busId ?? [])))
    : [];
  return lines.filter((line) => !others.some((busId) => line.toLowerCase().includes(busId)));
}

/** Follows processes so that their end can be explained: kills by the kernel, memory at its limit, the kernel's log, the card. */
export function createProcessFollowers(
  { clock, cgroupRoots }: { readonly clock: Clock; readonly cgroupRoots?: CgroupRoots },
  readers: readonly CardReader[],
): ProcessFollowers {
  const followed = new Set<Followed>();
  return {
    measure: async (hostRatio) => {
      for (const process of followed) {
        const { memory } = await readCgroup(totalmem(), cgroupRoots, process.pid);
        process.memoryUseRatio = memory === null ? hostRatio : memory.usedBytes / memory.limitBytes;
      }
    },
    follow: async (pid, deviceUuid = null) => {
      const group = await findMemoryGroup(pid, cgroupRoots);
      const killsBefore = (await group?.countOomKills()) ?? null;
      const process: Followed = { pid, memoryUseRatio: null };
      followed.add(process);
      return {
        evidence: async (): Promise<MachineEvidence> => {
          const fromMs = clock.nowMs() - kernelWindowMs;
          const [killsAfter, readings] = await Promise.all([
            group?.countOomKills() ?? null,
            Promise.all(readers.map((reader) => reader.read({ maxAgeMs: 0 }))),
          ]);
          const lines = readers.flatMap((reader) => reader.kernelLines?.(fromMs) ?? []);
          const kernelLog = withoutOtherCards(lines, readings, deviceUuid).join("\n");
          const gpu = ofCard(readings, deviceUuid);
          return withoutNulls({
            oomKillCount: killsBefore === null || killsAfter === null ? null : killsAfter - killsBefore,
            hostMemoryUseRatio: process.memoryUseRatio,
            kernelLog: kernelLog === "" ? null : kernelLog,
            gpu: Object.keys(gpu).length === 0 ? null : gpu,
          });
        },
        end: () => {
          followed.delete(process);
        },
      };
    },
  };
}
