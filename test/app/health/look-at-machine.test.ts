import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nearestFolder, realMachine } from "../../../src/app/health/look-at-machine.ts";
import type { GpuSample, Sample } from "../../../src/core/ports/telemetry-probe.ts";
import { gibibyte } from "../../../src/core/units.ts";
import { emptyDetails } from "../../../src/gpu/empty-details.ts";
import { configOf } from "../app-world.ts";

const card = (uuid: string, gibibytes: number | null, change: Partial<GpuSample> = {}): GpuSample => ({
  uuid,
  name: `card ${uuid}`,
  totalBytes: gibibytes === null ? null : gibibytes * gibibyte,
  usedBytes: 0,
  utilizationRatio: 0,
  temperatureCelsius: 40,
  unavailable: {},
  ...change,
});

const sampleOf = (
  gpus: readonly GpuSample[],
  state: "measured" | "absent" | "unknown" | "failed" = "measured",
): Sample => ({
  atMs: 0,
  gpuKind: "nvidia",
  gpus,
  gpuStatus: { state, reason: state === "measured" ? null : `it is ${state}`, measuredAtMs: 0, evidence: {} },
  host: {
    cpuRatio: 0,
    memoryRatio: 0,
    memoryUsedBytes: 0,
    memoryTotalBytes: 128 * gibibyte,
    diskFreeBytes: gibibyte,
  },
});

const workers = (device: string): string => `workers: [{ id: a, kind: diffusers, device: ${device} }]\n`;
const deviceFor = (sample: Sample, device: string) => realMachine(sample, configOf({}, workers(device))).facts.device;

describe("where a real worker would render", () => {
  it("on the largest card", () => {
    expect(deviceFor(sampleOf([card("a", 24), card("b", 80), card("c", null)]), "auto")).toMatchObject({
      kind: "card",
      uuid: "b",
      totalBytes: 80 * gibibyte,
      isSimulated: false,
    });
  });

  it("a card without memory of its own has the host's", () => {
    const shared = card("a", null, { details: { ...emptyDetails, sharesHostMemory: true } });
    expect(deviceFor(sampleOf([shared]), "cuda")).toMatchObject({ kind: "card", totalBytes: 128 * gibibyte });
  });

  it.each([
    [
      "the processor, where the configuration says so although there is a card",
      [card("a", 80)],
      "measured",
      "cpu",
      "processor",
    ],
    ["the processor, where there is no card and none is demanded", [], "absent", "auto", "processor"],
    ["unknown, where there is no card and one is demanded", [], "absent", "cuda", "unknown"],
    ["unknown, where a card does not answer: that is not the same as none", [], "unknown", "auto", "unknown"],
  ] as const)("%s", (_, gpus, state, device, kind) => {
    expect(deviceFor(sampleOf(gpus, state), device).kind).toBe(kind);
  });

  it("says why it is unknown", () => {
    expect(deviceFor(sampleOf([], "failed"), "auto")).toEqual({ kind: "unknown", why: "it is failed" });
  });

  it("memory modes begin with the configured one, and a processor offers its own", () => {
    const config = configOf({ loadProfile: "tiling" }, workers("auto"));
    const onCard = realMachine(sampleOf([card("a", 80)]), config).profiles;
    const onProcessor = realMachine(sampleOf([], "absent"), configOf({}, workers("cpu"))).profiles;
    expect(onCard).toEqual(["tiling", "group-offload"]);
    expect(onProcessor).toEqual(["tiling"]);
  });
});

it("the disk of a folder that is not there yet is that of the nearest folder above it", () => {
  const folder = mkdtempSync(join(tmpdir(), "understudy-nearest-"));
  expect(nearestFolder(join(folder, "not", "there"))).toBe(folder);
  expect(nearestFolder(folder)).toBe(folder);
  rmSync(folder, { recursive: true });
});
