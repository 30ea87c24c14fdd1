import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gibibyte } from "../../src/core/units.ts";
import { readAmdCards } from "../../src/gpu/probe/amd-source.ts";
import { createGpuBench } from "../fixtures/gpu-bench.ts";
import { writeDrmCard, writeTree } from "../fixtures/gpu-trees.ts";
import { until } from "../harness/running-service.ts";

let sysfs: string;
beforeEach(() => {
  sysfs = mkdtempSync(join(tmpdir(), "understudy-test-"));
});
afterEach(() => rmSync(sysfs, { recursive: true, force: true }));

const mi300 = {
  vendor: "0x1002",
  device: "0x74a1",
  unique_id: "8f3a1c2b4d5e6f70",
  product_name: "AMD Instinct MI300X",
  mem_info_vram_total: 192 * gibibyte,
  mem_info_vram_used: 20 * gibibyte,
  gpu_busy_percent: 87,
  "hwmon/hwmon3/temp1_input": 64_000,
  "hwmon/hwmon3/temp3_input": 58_500,
  "hwmon/hwmon3/power1_average": 412_000_000,
  "hwmon/hwmon3/power1_cap": 750_000_000,
};

describe("cards of AMD", () => {
  it("are read from sysfs without a tool", async () => {
    writeDrmCard(sysfs, "card1", "0000:c1:00.0", mi300);
    const [card] = await readAmdCards(sysfs);
    expect(card).toMatchObject({
      uuid: "AMD-8f3a1c2b4d5e6f70",
      name: "AMD Instinct MI300X",
      totalBytes: 192 * gibibyte,
      usedBytes: 20 * gibibyte,
      temperatureCelsius: 64,
      unavailable: {},
      details: { busId: "0000:c1:00", memoryTemperatureCelsius: 58.5, powerWatts: 412, powerLimitWatts: 750 },
    });
    expect(card?.utilizationRatio).toBeCloseTo(0.87);
  });

  it("have null with the reason for what the driver does not show, and are named by their address", async () => {
    writeDrmCard(sysfs, "card0", "0000:03:00.0", {
      vendor: "0x1002",
      device: "0x150e",
      mem_info_vram_total: 512,
      gpu_busy_percent: "busy",
    });
    expect(await readAmdCards(sysfs)).toMatchObject([
      {
        uuid: "AMD-0000:03:00.0",
        name: "AMD 0x150e",
        totalBytes: 512,
        usedBytes: null,
        utilizationRatio: null,
        temperatureCelsius: null,
        unavailable: {
          usedBytes: "the driver has no mem_info_vram_used",
          utilizationRatio: 'gpu_busy_percent says "busy"',
          temperatureCelsius: "the card has no sensors",
        },
      },
    ]);
  });

  it("are told from other makers' cards, connectors and an empty tree", async () => {
    expect(await readAmdCards(sysfs)).toEqual([]);
    writeDrmCard(sysfs, "card0", "0000:00:02.0", { ...mi300, vendor: "0x8086" });
    writeDrmCard(sysfs, "card1", "0000:c1:00.0", mi300);
    writeTree(sysfs, { "class/drm/card1-DP-1/status": "connected", "class/drm/renderD128/dev": "226:128" });
    expect(await readAmdCards(sysfs)).toHaveLength(1);
  });

  it("are measured by the child where there is no tool of NVIDIA, and one that is pulled is missed", async () => {
    writeDrmCard(sysfs, "card0", "0000:c1:00.0", mi300);
    writeDrmCard(sysfs, "card1", "0000:c2:00.0", { ...mi300, unique_id: "second" });
    const bench = createGpuBench();
    try {
      const cards = bench.cards({ nvidiaSmi: "/nonexistent/nvidia-smi", sysfs });
      expect(await cards.read({})).toMatchObject({
        gpuKind: "amd",
        gpus: [{ uuid: "AMD-8f3a1c2b4d5e6f70" }, { uuid: "AMD-second" }],
        gpuStatus: { state: "measured" },
      });
      rmSync(join(sysfs, "class/drm/card1"), { recursive: true });
      const reading = await until("the loss is seen", async () => {
        const now = await cards.read({});
        return now.gpuStatus?.state === "failed" && now;
      });
      expect(reading).toMatchObject({
        gpus: [{ uuid: "AMD-8f3a1c2b4d5e6f70" }],
        gpuStatus: { evidence: { missingDeviceCount: 1 } },
      });
    } finally {
      await bench.end();
    }
  });
});
