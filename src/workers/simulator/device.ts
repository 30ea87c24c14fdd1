/**
 * A simulated card: memory that runs out, fragments and leaks as a real one's does, with the words that the real
 * allocator writes.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import type { DeviceMemory } from "../../core/fault.ts";
import { parseProcessStat } from "../../core/process-stat.ts";
import { gibibyte, kibibyte, mebibyte } from "../../core/units.ts";

/**
 * The presets follow real cards: memory by data sheet; step time against an H100 by Wan2.2's chart of computational
 * efficiency.
 */
const presets = {
  sim80: { name: "Simulated 80 GiB card", totalBytes: 80 * gibibyte, timeFactor: 1 },
  rtx4090: { name: "Simulated GeForce RTX 4090", totalBytes: 24 * gibibyte, timeFactor: 2.5 },
  a100: { name: "Simulated A100 80GB", totalBytes: 80 * gibibyte, timeFactor: 2.4 },
  h100: { name: "Simulated H100 80GB", totalBytes: 80 * gibibyte, timeFactor: 1 },
  h200: { name: "Simulated H200 141GB", totalBytes: 141 * 1e9, timeFactor: 0.9 },
} as const;
export type PresetName = keyof typeof presets;

export const isPresetName = (name: string): name is PresetName => Object.hasOwn(presets, name);

/** What a CUDA context takes before anything is allocated. */
const contextBytes = 500 * mebibyte;
/**
 * The bit `hw_thermal_slowdown` of NVIDIA's clocks_event_reasons, and a temperature at which current cards slow down.
 */
const hardwareThermalSlowdown = 0x40;
const throttledCelsius = 88;
/** The largest hole in fragmented memory: what is asked in one piece must fit in here, however much is reserved. */
const largestHoleBytes = 256 * mebibyte;

export class OutOfMemory extends Error {}

/** Writes a size as torch's allocator does: two digits of the largest unit that leaves more than one. */
function sizeText(bytes: number): string {
  if (bytes > gibibyte) return `${(bytes / gibibyte).toFixed(2)} GiB`;
  if (bytes > mebibyte) return `${(bytes / mebibyte).toFixed(2)} MiB`;
  return bytes > kibibyte ? `${(bytes / kibibyte).toFixed(2)} KiB` : `${Math.round(bytes)} bytes`;
}

/**
 * A card's memory: what is allocated, what the allocator keeps for later, and what others see as used. Kept memory is
 * cached (whole blocks, which the allocator gives back by itself before it gives up) or fragmented (blocks that a leftover
 * holds open, of use to small requests only, until a garbage collection and `empty_cache`).
 */
export class SimulatedDevice {
  readonly uuid: string;
  readonly name: string;
  readonly totalBytes: number;
  readonly timeFactor: number;
  #residentBytes = 0;
  #workingBytes = 0;
  #leakedBytes = 0;
  #cachedBytes = 0;
  #fragmentedBytes = 0;
  /** Another process on the same card holds these bytes. */
  #neighbourBytes = 0;
  #isThrottled = false;
  #peakBytes = 0;
  #isRemoved = false;
  readonly #path: string | null;
  readonly #clock: Clock;
  readonly #startTicks: number | null;

  constructor(preset: PresetName, workerId: string, deviceDir: string | null, clock: Clock) {
    const { name, totalBytes, timeFactor } = presets[preset];
    this.uuid = `SIM-${workerId}`;
    this.name = name;
    this.totalBytes = totalBytes;
    this.timeFactor = timeFactor;
    this.#clock = clock;
    this.#startTicks = readStartTicks();
    this.#path = deviceDir === null ? null : join(deviceDir, `${process.pid}.json`);
    if (deviceDir !== null) mkdirSync(deviceDir, { recursive: true });
    this.publish();
  }

  memory(): DeviceMemory {
    const allocatedBytes = this.#residentBytes + this.#workingBytes + this.#leakedBytes;
    const reservedBytes = allocatedBytes + this.#cachedBytes + this.#fragmentedBytes;
    return {
      totalBytes: this.totalBytes,
      allocatedBytes,
      reservedBytes,
      freeBytes: Math.max(0, this.totalBytes - contextBytes - reservedBytes - this.#neighbourBytes),
      peakBytes: this.#peakBytes,
    };
  }

  /** The peak counts from here, as after `reset_peak_memory_stats`. */
  resetPeak(): void {
    this.#peakBytes = this.memory().allocatedBytes;
  }

  /**
   * Reserves what one render needs beside the model. Throws OutOfMemory with the text of torch 2.x, numbers included,
   * when it does not fit.
   */
  reserveWorking(bytes: number): void {
    const holesBytes = bytes <= largestHoleBytes ? this.#fragmentedBytes : 0;
    if (bytes > this.memory().freeBytes + this.#cachedBytes + holesBytes)
      throw new OutOfMemory(this.outOfMemoryText(bytes));
    const inHolesBytes = Math.min(bytes, holesBytes);
    this.#fragmentedBytes -= inHolesBytes;
    this.#cachedBytes = Math.max(0, this.#cachedBytes - (bytes - inHolesBytes));
    this.#workingBytes = bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.memory().allocatedBytes);
    this.publish();
  }

  /** Gives the memory back to the allocator, which keeps it until its cache is cleared. */
  releaseWorking(): void {
    this.#cachedBytes += this.#workingBytes;
    this.#workingBytes = 0;
    this.publish();
  }

  /** Holds the idle model's weights; what was kept for the former model goes. */
  setResident(bytes: number): void {
    this.#cachedBytes = 0;
    this.#fragmentedBytes = 0;
    this.#residentBytes = 0;
    if (bytes > this.memory().freeBytes) {
      this.publish();
      throw new OutOfMemory(this.outOfMemoryText(bytes));
    }
    this.#residentBytes = bytes;
    this.publish();
  }

  /** Lets another process take this much of what is free; 0 means that it has ended. */
  setNeighbour(bytes: number): void {
    this.#neighbourBytes = 0;
    this.#neighbourBytes = Math.min(bytes, this.memory().freeBytes);
    this.publish();
  }

  /** Lets the card slow itself down for its heat, and say so. */
  setThrottled(isThrottled: boolean): void {
    this.#isThrottled = isThrottled;
    this.publish();
  }

  /** Allocates for as long as the process lives. Throws OutOfMemory like every other allocation. */
  leak(bytes: number): void {
    const { freeBytes } = this.memory();
    if (bytes > freeBytes + this.#cachedBytes) throw new OutOfMemory(this.outOfMemoryText(bytes));
    this.#cachedBytes -= Math.max(0, bytes - freeBytes);
    this.#leakedBytes += bytes;
    this.publish();
  }

  /** Reserves small blocks, out of the cache first; no more than there is. */
  fragment(bytes: number): void {
    const fromCacheBytes = Math.min(bytes, this.#cachedBytes);
    const fromDeviceBytes = Math.min(bytes - fromCacheBytes, this.memory().freeBytes);
    this.#cachedBytes -= fromCacheBytes;
    this.#fragmentedBytes += fromCacheBytes + fromDeviceBytes;
    this.publish();
  }

  /** Frees what a garbage collection and `empty_cache` give back; a leak stays. */
  clearCache(): number {
    const freedBytes = this.#cachedBytes + this.#fragmentedBytes;
    this.#cachedBytes = 0;
    this.#fragmentedBytes = 0;
    this.publish();
    return freedBytes;
  }

  outOfMemoryText(wantedBytes: number): string {
    const { allocatedBytes, reservedBytes, freeBytes } = this.memory();
    const neighbour =
      this.#neighbourBytes === 0 ? "" : `Process 4242 has ${sizeText(this.#neighbourBytes)} memory in use. `;
    return (
      `CUDA out of memory. Tried to allocate ${sizeText(wantedBytes)}. GPU 0 has a total capacity of ${sizeText(this.totalBytes)} of which ${sizeText(freeBytes)} is free. ` +
      neighbour +
      `Including non-PyTorch memory, this process has ${sizeText(reservedBytes + contextBytes)} memory in use. Of the allocated memory ${sizeText(allocatedBytes)} is allocated by PyTorch, ` +
      `and ${sizeText(reservedBytes - allocatedBytes)} is reserved by PyTorch but unallocated.`
    );
  }

  /** Writes the telemetry file that the probe reads from outside. */
  publish(utilizationRatio = this.#workingBytes > 0 ? 0.97 : 0): void {
    if (this.#path === null || this.#isRemoved) return;
    const { reservedBytes } = this.memory();
    const file = {
      pid: process.pid,
      startTicks: this.#startTicks,
      uuid: this.uuid,
      name: this.name,
      totalBytes: this.totalBytes,
      usedBytes: reservedBytes + contextBytes + this.#neighbourBytes,
      atMs: this.#clock.nowMs(),
      utilizationRatio,
      temperatureCelsius: this.#isThrottled ? throttledCelsius : 38 + Math.round(utilizationRatio * 30),
      throttleMask: this.#isThrottled ? hardwareThermalSlowdown : 0,
    };
    try {
      writeFileSync(`${this.#path}.new`, JSON.stringify(file));
      renameSync(`${this.#path}.new`, this.#path);
    } catch (thrown) {
      // The figures that were written before stand until there is room: a card does not end because its telemetry
      // cannot be written.
      if ((thrown as NodeJS.ErrnoException).code !== "ENOSPC") throw thrown;
    }
  }

  /** The process gives the card back; nothing is published any more. */
  remove(): void {
    this.#isRemoved = true;
    if (this.#path !== null) rmSync(this.#path, { force: true });
  }
}

function readStartTicks(): number | null {
  try {
    return parseProcessStat(readFileSync("/proc/self/stat", "utf8"))?.startTicks ?? null;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}
