import { mkdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GpuAdapter } from "../../src/core/ports/gpu-adapter.ts";
import type { TelemetryProbe } from "../../src/core/ports/telemetry-probe.ts";
import type { ProcessRef, WorkerClient } from "../../src/core/ports/worker.ts";
import { gibibyte } from "../../src/core/units.ts";
import { createGpuAdapter } from "../../src/gpu/adapter.ts";
import { composeProbe } from "../../src/gpu/telemetry/compose-probe.ts";
import type { SystemWorkerHost } from "../../src/workers/worker-host.ts";
import { createGpuBench } from "../fixtures/gpu-bench.ts";
import { type Bench, createBench, soon, stubCommand } from "../fixtures/stub-host.ts";
import { clock, until } from "../harness/running-service.ts";
import { createSimulatedProbe } from "../harness/simulated-probe.ts";

let bench: Bench;
let host: SystemWorkerHost;
let ref: ProcessRef;
let client: WorkerClient | null;
let probe: TelemetryProbe;

beforeEach(async () => {
  bench = createBench();
  const deviceDir = `${bench.stateDir}/device`;
  mkdirSync(deviceDir);
  ({ host, ref, client } = await bench.start(stubCommand("", { UNDERSTUDY_DEVICE_DIR: deviceDir })));
  probe = createSimulatedProbe({ clock, deviceDir, stateDir: bench.stateDir });
  await until("the card is seen", async () => (await probe.measure()).gpus.length === 1);
});
afterEach(() => bench.end());

const adapterWith = (telemetry: TelemetryProbe, uuid: string | null = "STUB-0"): GpuAdapter =>
  createGpuAdapter({ clock, probe: telemetry, clientOf: () => client, deviceOf: () => uuid });

describe("measuring", () => {
  it("takes free memory from the card and the allocator's from the worker", async () => {
    expect(await adapterWith(probe).measure("worker-0")).toEqual({
      atMs: expect.any(Number),
      deviceFreeBytes: 50 * gibibyte,
      workerReservedBytes: 30 * gibibyte,
      workerAllocatedBytes: 10 * gibibyte,
    });
  });

  it("says what could not be measured, and why", async () => {
    expect(await adapterWith(composeProbe({ clock, stateDir: bench.stateDir })).measure("worker-0")).toMatchObject({
      deviceFreeBytes: null,
      note: "the card STUB-0 was not seen",
    });
    expect(await adapterWith(probe, null).measure("worker-0")).toMatchObject({
      deviceFreeBytes: null,
      note: "the card of worker-0 is not known",
    });
    await client?.injectFault("bad-stats");
    expect(await adapterWith(probe).measure("worker-0")).toMatchObject({
      deviceFreeBytes: 50 * gibibyte,
      workerReservedBytes: null,
      note: expect.stringContaining("the worker: the answer to stats"),
    });
    client = null;
    expect(await adapterWith(probe).measure("worker-0")).toMatchObject({
      workerAllocatedBytes: null,
      note: "no worker is connected",
    });
  });

  it.each([
    ["unified-memory", "GPU-44444444-aaaa-4bbb-8ccc-000000000001", "shares the host's memory"],
    ["mig", "MIG-33333333-aaaa-5bbb-8ccc-000000000001", "no figures of a MIG slice"],
    ["lost", "GPU-11111111-aaaa-4bbb-8ccc-000000000001", "GPU is lost"],
  ])(
    "of a real card takes what there is to take, and says where that is not the card's own: %s",
    async (transcript, uuid, note) => {
      const gpu = createGpuBench();
      gpu.play(transcript);
      const real = composeProbe({ clock, stateDir: bench.stateDir }, [gpu.cards()]);
      const measured = await adapterWith(real, uuid).measure("worker-0");
      await gpu.end();
      expect(measured.note).toContain(note);
      if (transcript === "unified-memory") expect(measured.deviceFreeBytes).toBeGreaterThan(0);
      else expect(measured.deviceFreeBytes).toBeNull();
    },
  );

  it("passes on that the probe failed", async () => {
    const broken = createSimulatedProbe({ clock, deviceDir: "/dev/null", stateDir: bench.stateDir });
    expect(await adapterWith(broken).measure("worker-0")).toMatchObject({
      deviceFreeBytes: null,
      note: expect.stringContaining("/dev/null"),
    });
  });
});

describe("clearing the cache", () => {
  it("waits until the card, not the worker, has the memory back", async () => {
    const evidence = await adapterWith(probe).clearCache("worker-0", 15 * gibibyte);
    expect(evidence).toMatchObject({
      action: "clear_gpu_cache",
      applied: ["allocator cache"],
      before: { deviceFreeBytes: 50 * gibibyte, workerReservedBytes: 30 * gibibyte },
      after: { deviceFreeBytes: 70 * gibibyte, workerReservedBytes: 10 * gibibyte },
    });
    // The stub's card gives back 400 ms after the worker has said so.
    expect(evidence.after.atMs - evidence.before.atMs).toBeGreaterThanOrEqual(400);
  });

  it("gives up after five seconds and shows the memory that is really free", async () => {
    const evidence = await adapterWith(probe).clearCache("worker-0", 40 * gibibyte);
    expect(evidence.after.deviceFreeBytes).toBe(70 * gibibyte);
    expect(evidence.after.atMs - evidence.before.atMs).toBeGreaterThanOrEqual(5_000);
    expect(evidence.after.atMs - evidence.before.atMs).toBeLessThan(9_000);
  });

  it("stops looking when it is called off", async () => {
    await expect(adapterWith(probe).clearCache("worker-0", 79 * gibibyte, soon(500))).rejects.toThrow(
      "not within 500 ms",
    );
  });

  it("claims nothing where the card cannot be measured", async () => {
    const evidence = await adapterWith(probe, "another card").clearCache("worker-0", gibibyte);
    expect(evidence).toMatchObject({ before: { deviceFreeBytes: null }, after: { deviceFreeBytes: null } });
  });

  it("rejects when the worker is gone", async () => {
    host.signal(ref, "SIGKILL");
    await until("the worker is gone", () => host.isGone(ref));
    await expect(adapterWith(probe).clearCache("worker-0", gibibyte)).rejects.toMatchObject({ code: "WORKER_EXITED" });
    client = null;
    await expect(adapterWith(probe).clearCache("worker-0", gibibyte)).rejects.toMatchObject({ code: "WORKER_EXITED" });
  });
});

describe("the other actions", () => {
  it("reports an optimization that applied nothing as that", async () => {
    expect(await adapterWith(probe).applyOptimization("worker-0")).toMatchObject({
      action: "apply_vram_optimization",
      applied: [],
    });
  });

  it("loads the model in the leaner profile where none is resident, and reloads it where it is", async () => {
    const adapter = adapterWith(probe);
    expect(await adapter.enableOffload("worker-0", { model: "T2V-A14B", profile: "full" })).toMatchObject({
      applied: ["loaded T2V-A14B in full"],
      after: { workerAllocatedBytes: 60 * gibibyte },
    });
    expect(await adapter.enableOffload("worker-0", { model: "T2V-A14B", profile: "model-offload" })).toMatchObject({
      action: "enable_cpu_offload",
      applied: ["profile model-offload"],
      before: { workerAllocatedBytes: 60 * gibibyte },
      after: { workerAllocatedBytes: 2 * gibibyte, deviceFreeBytes: 78 * gibibyte },
    });
  });

  it("changes nothing on the card for a smaller request", async () => {
    const evidence = await adapterWith(probe).reduce("worker-0", ["frames 33 instead of 81"]);
    expect(evidence).toMatchObject({
      action: "reduce_generation_params",
      applied: ["frames 33 instead of 81"],
      after: { deviceFreeBytes: 50 * gibibyte },
    });
    expect(evidence.after).toEqual(evidence.before);
    expect(await client?.stats()).toMatchObject({ memory: { reservedBytes: 30 * gibibyte } });
  });
});
