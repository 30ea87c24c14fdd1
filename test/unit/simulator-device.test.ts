import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { peakBytes, residentBytes } from "../../src/core/model-figures.ts";
import { gibibyte, mebibyte } from "../../src/core/units.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { type LoadProfile, loadProfiles } from "../../src/core/words.ts";
import { shortageOf } from "../../src/recovery/memory-advice.ts";
import { parseOutOfMemory } from "../../src/recovery/out-of-memory-text.ts";
import { OutOfMemory, type PresetName, SimulatedDevice } from "../../src/workers/simulator/device.ts";
import { Placement } from "../../src/workers/simulator/placement.ts";

const contextBytes = 500 * mebibyte;
const clock = createVirtualClock();
const catalog = createModelCatalog();
const deviceOf = (preset: PresetName, directory: string | null = null) =>
  new SimulatedDevice(preset, "worker-0", directory, clock);

function outOfMemoryOf(act: () => void): string {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof OutOfMemory) return thrown.message;
    throw thrown;
  }
  throw new Error("nothing ran out of memory");
}

describe("a simulated device", () => {
  let device: SimulatedDevice;
  beforeEach(() => {
    device = deviceOf("sim80");
  });

  it("counts weights, a render's need and a leak as allocated, and the rest of the reserved as cache", () => {
    device.setResident(10 * gibibyte);
    device.reserveWorking(20 * gibibyte);
    device.leak(2 * gibibyte);
    expect(device.memory()).toMatchObject({
      allocatedBytes: 32 * gibibyte,
      reservedBytes: 32 * gibibyte,
      freeBytes: 48 * gibibyte - contextBytes,
    });
    device.releaseWorking();
    expect(device.memory()).toMatchObject({ allocatedBytes: 12 * gibibyte, reservedBytes: 32 * gibibyte });
  });

  it("gives the cache back when it is cleared, never a leak", () => {
    device.setResident(10 * gibibyte);
    device.reserveWorking(20 * gibibyte);
    device.leak(2 * gibibyte);
    device.releaseWorking();
    expect(device.clearCache()).toBe(20 * gibibyte);
    expect(device.memory()).toMatchObject({ allocatedBytes: 12 * gibibyte, reservedBytes: 12 * gibibyte });
    expect(device.clearCache()).toBe(0);
  });

  it("serves a render from its whole cached blocks, so that the same job twice needs no more", () => {
    device.reserveWorking(50 * gibibyte);
    device.releaseWorking();
    device.reserveWorking(50 * gibibyte);
    expect(device.memory().reservedBytes).toBe(50 * gibibyte);
  });

  it("cannot serve a large request from fragments although the total would do; clearing the cache mends it", () => {
    device.setResident(2 * gibibyte);
    device.fragment(60 * gibibyte);
    const { freeBytes, reservedBytes, allocatedBytes } = device.memory();
    expect(freeBytes + reservedBytes - allocatedBytes).toBeGreaterThan(24 * gibibyte);
    const message = outOfMemoryOf(() => device.reserveWorking(24 * gibibyte));
    const numbers = parseOutOfMemory(message);
    expect(numbers).toMatchObject({ wantedBytes: 24 * gibibyte, reservedUnallocatedBytes: 60 * gibibyte });
    expect(numbers === null ? null : shortageOf(numbers)).toBe("outOfMemoryFragmented");
    expect(device.memory().allocatedBytes, "a refused request takes nothing").toBe(2 * gibibyte);
    expect(device.clearCache()).toBe(60 * gibibyte);
    device.reserveWorking(24 * gibibyte);
  });

  it("serves small requests from fragments", () => {
    device.fragment(100 * gibibyte);
    expect(device.memory().freeBytes).toBe(0);
    device.reserveWorking(100 * mebibyte);
    expect(device.memory()).toMatchObject({ allocatedBytes: 100 * mebibyte, freeBytes: 0 });
  });

  it("fragments its cache before it takes more of the device", () => {
    device.reserveWorking(30 * gibibyte);
    device.releaseWorking();
    device.fragment(20 * gibibyte);
    expect(device.memory().reservedBytes).toBe(30 * gibibyte);
    outOfMemoryOf(() => device.reserveWorking(65 * gibibyte));
  });

  it("never holds more than there is: a leak that finds no room runs out of memory itself, out of the cache first", () => {
    device.reserveWorking(30 * gibibyte);
    device.releaseWorking();
    device.leak(70 * gibibyte);
    expect(device.memory()).toMatchObject({
      freeBytes: 0,
      allocatedBytes: 70 * gibibyte,
      reservedBytes: 80 * gibibyte - contextBytes,
    });
    outOfMemoryOf(() => device.leak(20 * gibibyte));
    expect(device.memory().allocatedBytes).toBe(70 * gibibyte);
  });

  it("blames itself for its own leak, not a neighbour on the card", () => {
    device.leak(79 * gibibyte);
    const numbers = parseOutOfMemory(outOfMemoryOf(() => device.reserveWorking(768 * mebibyte)));
    expect(numbers).toMatchObject({ wantedBytes: 768 * mebibyte });
    expect(numbers === null ? null : shortageOf(numbers)).toBe("outOfMemory");
  });

  it("starts the peak anew with each render", () => {
    device.setResident(gibibyte);
    device.resetPeak();
    device.reserveWorking(40 * gibibyte);
    device.releaseWorking();
    expect(device.memory().peakBytes).toBe(41 * gibibyte);
    device.resetPeak();
    device.reserveWorking(3 * gibibyte);
    expect(device.memory().peakBytes).toBe(4 * gibibyte);
  });
});

describe("the table of what fits", () => {
  const hd = { width: 1280, height: 720, frames: 81 };
  const sd = { width: 832, height: 480, frames: 81 };
  const fits = (preset: PresetName, size: typeof hd, profile: LoadProfile, isTiled = false): boolean => {
    const device = deviceOf(preset);
    const placement = new Placement(catalog, device, 1);
    placement.isTiled = isTiled;
    try {
      placement.put("T2V-A14B", profile);
      device.reserveWorking(placement.workingBytes({ model: "T2V-A14B", ...size }));
      return true;
    } catch (thrown) {
      if (thrown instanceof OutOfMemory) return false;
      throw thrown;
    }
  };

  it.each(loadProfiles)("T2V-A14B at 1280x720x81 does not fit a 24 GB card in %s, tiled or not", (profile) => {
    expect([fits("rtx4090", hd, profile), fits("rtx4090", hd, profile, true)]).toEqual([false, false]);
  });

  it.each<readonly [PresetName, typeof hd, readonly LoadProfile[]]>([
    ["rtx4090", sd, ["group-offload", "fp8"]],
    ["sim80", hd, ["model-offload", "tiling", "group-offload", "fp8"]],
    ["a100", sd, ["full", "model-offload", "tiling", "group-offload", "fp8"]],
    ["h200", hd, ["full", "model-offload", "tiling", "group-offload", "fp8"]],
  ])("T2V-A14B on %s at %o fits in %j alone", (preset, size, profiles) => {
    expect(loadProfiles.filter((profile) => fits(preset, size, profile))).toEqual(profiles);
  });

  it("reaches the published peaks in model-offload: 59.8 GB at 720p, 41.3 GB at 480p", () => {
    for (const [size, publishedBytes] of [
      [hd, 59.8e9],
      [sd, 41.3e9],
    ] as const) {
      const device = deviceOf("h100");
      const placement = new Placement(catalog, device, 1);
      placement.put("T2V-A14B", "model-offload");
      device.reserveWorking(placement.workingBytes({ model: "T2V-A14B", ...size }));
      expect(device.memory().peakBytes).toBeCloseTo(peakBytes(catalog.entryOf("T2V-A14B"), size, "model-offload"), -3);
      expect(Math.abs(device.memory().peakBytes - publishedBytes) / publishedBytes).toBeLessThan(0.01);
    }
  });

  it("holds no model after a load that did not fit", () => {
    const device = deviceOf("rtx4090");
    const placement = new Placement(catalog, device, 1);
    placement.put("T2V-A14B", "fp8");
    expect(() => placement.put("T2V-A14B", "full")).toThrow(OutOfMemory);
    expect([placement.model, placement.profile, device.memory().allocatedBytes]).toEqual([null, null, 0]);
    placement.put("T2V-A14B", "fp8");
    expect(device.memory().allocatedBytes).toBe(residentBytes(catalog.entryOf("T2V-A14B"), "fp8"));
  });
});

describe("the device file", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "understudy-device-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const path = (): string => join(directory, `${process.pid}.json`);
  const read = (): Record<string, unknown> => JSON.parse(readFileSync(path(), "utf8")) as Record<string, unknown>;

  it("follows every change, and is gone for good once the card was given back", () => {
    const device = deviceOf("a100", directory);
    expect(read()).toMatchObject({
      pid: process.pid,
      uuid: "SIM-worker-0",
      totalBytes: 80 * gibibyte,
      usedBytes: contextBytes,
    });
    device.setResident(3 * gibibyte);
    device.reserveWorking(4 * gibibyte);
    expect(read()).toMatchObject({ usedBytes: 7 * gibibyte + contextBytes, utilizationRatio: 0.97 });
    device.releaseWorking();
    expect(read()).toMatchObject({ usedBytes: 7 * gibibyte + contextBytes, utilizationRatio: 0 });
    device.clearCache();
    expect(read()["usedBytes"]).toBe(3 * gibibyte + contextBytes);
    device.remove();
    device.publish();
    expect(existsSync(path())).toBe(false);
  });
});
