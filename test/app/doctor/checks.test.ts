import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkCard, checkControlGroup, checkDriver, checkPressure } from "../../../src/app/doctor/card-checks.ts";
import { type Finding, isWell, missing, ok, unknown } from "../../../src/app/doctor/finding.ts";
import { checkDisk, checkMemory, checkNode, checkPort, checkStateDir } from "../../../src/app/doctor/host-checks.ts";
import { judgeModel } from "../../../src/app/doctor/model-checks.ts";
import { type FitnessWorld, fitnessOf } from "../../../src/app/models/fitness.ts";
import { createModelCatalog } from "../../../src/core/model-catalog.ts";
import type { GpuSample, Sample } from "../../../src/core/ports/telemetry-probe.ts";
import { gibibyte } from "../../../src/core/units.ts";
import { emptyDetails } from "../../../src/gpu/empty-details.ts";
import { emptyClips } from "../../../src/recovery/clip-time.ts";
import { emptyEnvelopes } from "../../../src/recovery/envelopes.ts";
import { configOf } from "../app-world.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "understudy-checks-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const card = (details?: Partial<typeof emptyDetails>): GpuSample => ({
  uuid: "GPU-0",
  name: "a card",
  totalBytes: 80 * gibibyte,
  usedBytes: 0,
  utilizationRatio: 0,
  temperatureCelsius: 40,
  unavailable: {},
  ...(details === undefined ? {} : { details: { ...emptyDetails, ...details } }),
});

const sampleOf = (gpus: readonly GpuSample[], change: Partial<Sample> = {}): Sample => ({
  atMs: 0,
  gpuKind: "nvidia",
  gpus,
  gpuStatus: { state: "measured", reason: null, measuredAtMs: 0, evidence: {} },
  host: {
    cpuRatio: 0,
    memoryRatio: 0,
    memoryUsedBytes: 0,
    memoryTotalBytes: 8 * gibibyte,
    diskFreeBytes: gibibyte,
  },
  ...change,
});

const real = configOf({}, "workers: [{ id: a, kind: diffusers }]\n");
const unanswered = (state: "failed" | "unknown"): Sample =>
  sampleOf([], { gpuStatus: { state, reason: `the tool is ${state}`, measuredAtMs: 0, evidence: {} } });

describe("the card", () => {
  it.each<[string, Sample | null, string]>([
    ["that answers is there", sampleOf([card()]), "ok"],
    ["that failed is missing", unanswered("failed"), "missing"],
    ["that does not answer is unknown, which is not the same as none", unanswered("unknown"), "unknown"],
    ["where there is none is missing", sampleOf([]), "missing"],
    ["that could not be asked for is unknown", null, "unknown"],
  ])("%s", (_, sample, expected) => {
    expect(checkCard(sample, real).status).toBe(expected);
  });

  it.each([
    ["the configuration measures none", "health: { cards: none }\n"],
    ["every worker renders on the processor", "workers: [{ id: a, kind: diffusers, device: cpu }]\n"],
  ])("is not asked for where %s", (_, text) => {
    expect(checkCard(null, configOf({}, text)).status).toBe("ok");
  });

  it("the driver's version is told where it is known, and never guessed", () => {
    expect(checkDriver(sampleOf([card({ driverVersion: "570.1" })]))).toMatchObject({
      status: "ok",
      sentence: "Driver 570.1.",
    });
    expect(checkDriver(sampleOf([card()])).status).toBe("unknown");
    expect(checkDriver(sampleOf([card()], { gpuKind: "amd" })).status).toBe("ok");
    expect(checkDriver(null).status).toBe("unknown");
  });

  it("what the platform does not tell is missing, with what a person does about it", () => {
    for (const check of [checkControlGroup, checkPressure]) {
      expect(check(sampleOf([]))).toMatchObject({ status: "missing", fix: expect.any(String) });
      expect(check(null).status).toBe("unknown");
    }
  });
});

describe("the host", () => {
  it.each([
    ["22.1.0", "missing"],
    ["24.0.0", "ok"],
    ["30.1.2", "ok"],
  ])("Node.js %s is %s", (version, status) => {
    expect(checkNode(version).status).toBe(status);
  });

  it("a state directory that is not there yet can be made, and nothing is left behind", () => {
    expect(checkStateDir({ stateDir: join(folder, "state") })).toMatchObject({
      status: "ok",
      sentence: expect.stringContaining("made at the first start"),
    });
    expect([existsSync(join(folder, "state")), readdirSync(folder)]).toEqual([false, []]);
  });

  it("a file in its place is no folder", () => {
    writeFileSync(join(folder, "state"), "");
    expect(checkStateDir({ stateDir: join(folder, "state") }).status).toBe("missing");
    chmodSync(folder, 0o700);
  });

  it("a disk is judged by what is needed there", async () => {
    expect(await checkDisk(folder, 1, "videos")).toMatchObject({ status: "ok" });
    expect(await checkDisk(folder, Number.MAX_SAFE_INTEGER, "videos")).toMatchObject({ status: "missing" });
  });

  it("memory is judged by what is needed, and unknown where it was not measured", () => {
    const status = (sample: Sample | null, bytes: number) => checkMemory(sample, bytes, "the service").status;
    expect([status(sampleOf([]), gibibyte), status(sampleOf([]), 9 * gibibyte), status(null, 1)]).toEqual([
      "ok",
      "missing",
      "unknown",
    ]);
  });

  it("a port is free, taken, or any", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    const where = { host: "127.0.0.1", stateDir: folder };
    expect(await checkPort({ ...where, port })).toMatchObject({ status: "missing" });
    await new Promise((resolve) => server.close(resolve));
    expect(await checkPort({ ...where, port })).toMatchObject({ status: "ok" });
    expect(await checkPort({ ...where, port: 0 })).toMatchObject({ status: "ok" });
  });
});

const worldOf = (gibibytes: number, hostGibibytes: number): FitnessWorld => ({
  catalog: createModelCatalog(),
  machine: {
    facts: {
      device: { kind: "card", uuid: "GPU-0", name: "a card", totalBytes: gibibytes * gibibyte, isSimulated: false },
      hostBytes: hostGibibytes * gibibyte,
    },
    profiles: ["full", "model-offload", "tiling", "group-offload"],
  },
  learned: { envelopes: emptyEnvelopes, clips: emptyClips },
});

describe("whether a model fits this machine", () => {
  it("is said with how long a clip takes, where it does", () => {
    const { verdict, sentences, instead } = fitnessOf(worldOf(80, 512), "TI2V-5B");
    expect([verdict, sentences.length, instead]).toEqual(["fits", 2, null]);
  });

  it("is refused where it does not, with the model to take instead where there is one", () => {
    const none = fitnessOf(worldOf(1, 1), "T2V-A14B");
    expect([none.verdict, none.instead]).toEqual(["tooLarge", null]);
    expect(none.refusal).not.toBe("");
  });

  it("is a finding with what is still to fetch", () => {
    const files = {
      id: "TI2V-5B",
      source: "org/name",
      revision: "main",
      commit: null,
      presentBytes: gibibyte,
      totalBytes: 3 * gibibyte,
      path: null,
      progress: null,
      error: null,
    } as const;
    const found = judgeModel(worldOf(80, 512), "TI2V-5B", { ...files, state: "incomplete" });
    expect(found).toMatchObject({ status: "ok", sentence: expect.stringContaining("2.0 GiB to fetch") });
    expect(judgeModel(worldOf(80, 512), "TI2V-5B", { ...files, state: "complete" }).sentence).toContain("are here");
    expect(judgeModel(worldOf(1, 1), "TI2V-5B", null)).toMatchObject({ status: "missing", fix: expect.any(String) });
  });
});

it.each<[string, readonly Omit<Finding, "name">[], boolean]>([
  ["everything is all right", [{ ...ok("fine"), isNeeded: true }], true],
  ["something is missing that is not needed", [{ ...missing("gone", "fix it"), isNeeded: false }], true],
  ["something that is needed is missing", [{ ...missing("gone", "fix it"), isNeeded: true }], false],
  ["something that is needed is unknown", [{ ...unknown("nobody could say"), isNeeded: true }], false],
])("when %s the whole is well: %s", (_, findings, expected) => {
  expect(isWell(findings.map((finding) => ({ ...finding, name: "a check" })))).toBe(expected);
});
