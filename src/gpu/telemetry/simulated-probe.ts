/**
 * Telemetry of simulated cards, for services and tests without a real one. Memory counts until its process is gone, as
 * on a real card.
 */
import { existsSync, readFileSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import type { GpuSample } from "../../core/ports/telemetry-probe.ts";
import { parseProcessStat } from "../../core/process-stat.ts";
import { secondMs } from "../../core/units.ts";
import { emptyDetails } from "../empty-details.ts";
import type { CardReader } from "./card-readers.ts";
import { type DeviceFile, readDeviceFiles, removeDeviceFiles } from "./device-files.ts";

export interface SimulatedCardsOptions {
  readonly clock: Clock;
  readonly deviceDir: string;
  /** How long a dead process's memory goes on to count, as a slow driver would have it; 0 by default. */
  readonly lateReleaseMs?: number;
}

/** A process writes every second; from then on its load is no longer known, while the memory that it holds still is. */
const staleAfterMs = 10 * secondMs;
const hasProc = existsSync("/proc/self/stat");

/** A killed process cannot take its own entry away, so the entry counts only while the same process lives. */
function isAlive({ pid, startTicks }: DeviceFile): boolean {
  if (!hasProc) return answersToSignal(pid);
  const stat = statOf(pid);
  return (
    stat !== null && stat.state !== "Z" && stat.state !== "X" && (startTicks === null || stat.startTicks === startTicks)
  );
}

function statOf(pid: number): ReturnType<typeof parseProcessStat> {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch (thrown) {
    if (["ENOENT", "ESRCH"].includes((thrown as NodeJS.ErrnoException).code ?? "")) return null;
    throw thrown;
  }
}

function answersToSignal(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    if (["ESRCH", "EPERM"].includes((thrown as NodeJS.ErrnoException).code ?? "")) return false;
    throw thrown;
  }
}

type Card = Pick<DeviceFile, "uuid" | "name" | "totalBytes">;

function sampleOf(card: Card, counted: readonly DeviceFile[], nowMs: number): GpuSample {
  const usedBytes = counted.reduce((sum, file) => sum + file.usedBytes, 0);
  const fresh = counted.filter((file) => nowMs - file.atMs <= staleAfterMs);
  const reason =
    counted.length === 0 ? "no process holds the card" : "the process that holds the card has not written for 10 s";
  const most = (values: readonly number[]): number | null => (values.length === 0 ? null : Math.max(...values));
  return {
    uuid: card.uuid,
    name: card.name,
    totalBytes: card.totalBytes,
    usedBytes: Math.min(usedBytes, card.totalBytes),
    utilizationRatio: most(fresh.map((file) => file.utilizationRatio)),
    temperatureCelsius: most(fresh.map((file) => file.temperatureCelsius)),
    details: { ...emptyDetails, throttleMask: most(fresh.map((file) => file.throttleMask)) },
    unavailable: fresh.length === 0 ? { utilizationRatio: reason, temperatureCelsius: reason } : {},
  };
}

/**
 * Reads simulated cards from the files that the workers write. A card that was seen once stays in the reading, so that
 * "its memory is back" can be measured after its process has ended; the ended process's file is deleted.
 */
export function createSimulatedCards({ clock, deviceDir, lateReleaseMs = 0 }: SimulatedCardsOptions): CardReader {
  const cards = new Map<string, Card>();
  const deadSinceMs = new Map<string, number>();
  const isCounted = (file: DeviceFile): boolean => {
    const key = `${file.pid}:${file.startTicks}`;
    if (isAlive(file)) {
      deadSinceMs.delete(key);
      return true;
    }
    const sinceMs = deadSinceMs.get(key) ?? clock.nowMs();
    deadSinceMs.set(key, sinceMs);
    if (clock.nowMs() - sinceMs < lateReleaseMs) return true;
    deadSinceMs.delete(key);
    return false;
  };
  return {
    read: async () => {
      const files = await readDeviceFiles(deviceDir);
      for (const file of files) cards.set(file.uuid, file);
      const counted = files.filter(isCounted);
      await removeDeviceFiles(
        deviceDir,
        files.filter((file) => !counted.includes(file)),
      );
      const atMs = clock.nowMs();
      const gpus = [...cards.values()].map((card) =>
        sampleOf(
          card,
          counted.filter((file) => file.uuid === card.uuid),
          atMs,
        ),
      );
      return { gpuKind: "simulated", gpus };
    },
    stop: async () => undefined,
  };
}
