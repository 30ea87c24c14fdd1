import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/core/clock.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { stepSeconds } from "../../src/core/model-figures.ts";
import type { GenerateOrder, WorkerNotice } from "../../src/core/ports/worker.ts";
import { gibibyte } from "../../src/core/units.ts";
import type { Phase } from "../../src/core/words.ts";
import { probeArtifact } from "../../src/media/artifact-probe.ts";
import { shortageOf } from "../../src/recovery/memory-advice.ts";
import { parseOutOfMemory } from "../../src/recovery/out-of-memory-text.ts";
import { type PresetName, SimulatedDevice } from "../../src/workers/simulator/device.ts";
import { Engine } from "../../src/workers/simulator/engine.ts";
import { Busy } from "../../src/workers/simulator/failures.ts";
import { parseFaultCard } from "../../src/workers/simulator/fault-cards.ts";

const clock = createSystemClock();
afterAll(() => clock.stop());

const catalog = createModelCatalog();
let directory: string;
let notices: WorkerNotice[];
let exits: number[];
let device: SimulatedDevice;

function startEngine(faults: readonly string[] = [], preset: PresetName = "sim80"): Engine {
  const cards = faults.map((text) => {
    const answer = parseFaultCard(text);
    if (answer.kind === "refused") throw new Error(answer.message);
    return answer.card;
  });
  device = new SimulatedDevice(preset, "worker-0", null, clock);
  const refuse = (): never => {
    throw new Error("a fault of the process was played in a test of the engine");
  };
  return new Engine({
    clock,
    catalog,
    device,
    speed: 500,
    cards,
    notify: (notice) => notices.push(notice),
    onState: () => undefined,
    exit: (code) => exits.push(code),
    die: refuse,
    silence: refuse,
    lie: refuse,
    block: refuse,
  });
}

let orderCount = 0;
function orderOf(words = "", fields: Partial<GenerateOrder["request"]> = {}): GenerateOrder {
  orderCount += 1;
  return {
    jobId: `job-${orderCount}`,
    fence: 1,
    request: {
      model: "T2V-A14B",
      prompt: `a red fox ${words}`,
      width: 128,
      height: 64,
      frames: 9,
      framesPerSecond: 16,
      steps: 6,
      seed: 7,
      loraPath: null,
      loraStrength: 1,
      ...fields,
    },
    workflow: null,
    outputPath: join(directory, `${orderCount}.mp4`),
    checkpointDir: join(directory, `checkpoints-${orderCount}`),
  };
}

type End = Extract<WorkerNotice, { kind: "completed" | "failed" }>;

/** The end of one job: waits for its notice. */
async function endOf(engine: Engine, order: GenerateOrder): Promise<End> {
  engine.generate(order);
  const deadlineMs = clock.nowMs() + 10_000;
  while (clock.nowMs() < deadlineMs) {
    const end = notices.find(
      (notice): notice is End =>
        (notice.kind === "failed" && notice.jobId === order.jobId) ||
        (notice.kind === "completed" && notice.report.jobId === order.jobId),
    );
    if (end !== undefined) return end;
    await clock.sleep(5);
  }
  throw new Error("the job did not end within 10 s");
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "understudy-engine-"));
  notices = [];
  exits = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("the simulated engine", () => {
  it.each<Phase>(["encode", "denoise", "decode", "mux"])(
    "runs out of memory in %s when told to, and renders the job when asked again",
    async (phase) => {
      const engine = startEngine();
      await engine.load("T2V-A14B", "model-offload");
      const order = orderOf(`[[sim:oom@${phase}]]`);
      const end = await endOf(engine, order);
      expect(end).toMatchObject({
        kind: "failed",
        failure: { phase, exceptionType: "torch.OutOfMemoryError", deviceUsable: true },
      });
      const again = { ...order, jobId: `${order.jobId}-again` };
      expect(await endOf(engine, again)).toMatchObject({ kind: "completed" });
    },
  );

  it("runs out of memory by itself, in denoise and with numbers, when the size does not fit the card", async () => {
    const engine = startEngine([], "rtx4090");
    await engine.load("T2V-A14B", "fp8");
    const end = await endOf(engine, orderOf("", { width: 1280, height: 720, frames: 81 }));
    expect(end).toMatchObject({
      kind: "failed",
      failure: {
        phase: "denoise",
        step: 0,
        exceptionType: "torch.OutOfMemoryError",
        message: expect.stringMatching(
          /^CUDA out of memory\. Tried to allocate 2[67]\.\d\d GiB\. GPU 0 has a total capacity of 24\.00 GiB/,
        ),
      },
    });
  });

  it("fragmentation fails a job that the total would serve, until the cache is cleared", async () => {
    const engine = startEngine();
    await engine.load("T2V-A14B", "model-offload");
    const end = await endOf(engine, orderOf("[[sim:fragment:70GiB@encode]]"));
    const numbers = parseOutOfMemory(end.kind === "failed" ? end.failure.message : "");
    expect(numbers === null ? null : shortageOf(numbers)).toBe("outOfMemoryFragmented");
    expect(await endOf(engine, orderOf())).toMatchObject({
      kind: "failed",
      failure: { exceptionType: "torch.OutOfMemoryError" },
    });
    expect((await engine.act("clear_gpu_cache", undefined)).applied).toEqual(["gc.collect", "empty_cache"]);
    expect(await endOf(engine, orderOf())).toMatchObject({ kind: "completed" });
  });

  it("a leak grows with each job until nothing fits, survives a cleared cache, and fails the canary", async () => {
    const engine = startEngine(["leak:20GiB@encodex9"]);
    await engine.load("T2V-A14B", "model-offload");
    const kinds: string[] = [];
    for (let job = 0; job < 4 && !kinds.includes("failed"); job += 1) kinds.push((await endOf(engine, orderOf())).kind);
    expect(kinds).toEqual(["completed", "completed", "failed"]);
    await engine.act("clear_gpu_cache", undefined);
    const canary = await engine.probe({ kind: "canary", model: "T2V-A14B" });
    expect(canary).toMatchObject({
      passed: false,
      expertsUsed: 0,
      failure: { exceptionType: "torch.OutOfMemoryError" },
    });
  });

  it.each([
    ["T2V-A14B", 2],
    ["I2V-A14B", 2],
    ["TI2V-5B", 1],
  ] as const)("the canary of %s uses %i expert(s), and needs the model on the device", async (model, expertCount) => {
    const engine = startEngine();
    expect(await engine.probe({ kind: "canary", model })).toMatchObject({
      passed: false,
      failure: { message: `${model} is not loaded` },
    });
    await engine.load(model, "model-offload");
    expect(await engine.probe({ kind: "canary", model })).toMatchObject({
      passed: true,
      expertsUsed: expertCount,
      failure: null,
    });
  });

  it("a slow card stretches every step from its own on", async () => {
    const engine = startEngine();
    await engine.load("T2V-A14B", "model-offload");
    const size = { width: 1280, height: 720, frames: 5 };
    const order = orderOf("[[sim:slow:2000@denoise:2]]", size);
    const end = await endOf(engine, order);
    const stepMs = (stepSeconds(catalog.entryOf("T2V-A14B"), size, "model-offload") * 1_000 * 0.02) / 500;
    expect(end.kind === "completed" ? end.report.renderMs : 0).toBeGreaterThan(
      stepMs * 2_000 * (order.request.steps - 2),
    );
  });

  it("a poisoned context fails the job, every probe and every load, and ends the process with code 75", async () => {
    const engine = startEngine();
    await engine.load("T2V-A14B", "model-offload");
    const end = await endOf(engine, orderOf("[[sim:poison@decode]]"));
    expect(end).toMatchObject({
      failure: { phase: "decode", deviceUsable: false, message: expect.stringContaining("illegal memory access") },
    });
    expect(exits).toEqual([75]);
    expect(await engine.probe({ kind: "alive" })).toMatchObject({ passed: false, failure: { deviceUsable: false } });
    await expect(engine.load("T2V-A14B", "fp8")).rejects.toThrow("illegal memory access");
  });

  it.each([
    ["its own", () => startEngine(["refuse-load"]), null],
    ["a job's", () => startEngine(), "[[sim:refuse-load]]"],
  ] as const)("refuses one load by %s card, in the words of a missing weight file", async (_whose, start, words) => {
    const engine = start();
    if (words !== null) {
      await engine.load("T2V-A14B", "model-offload");
      await endOf(engine, orderOf(words));
    }
    await expect(engine.load("T2V-A14B", "model-offload")).rejects.toMatchObject({
      exceptionType: "OSError",
      message: expect.stringContaining("safetensors"),
    });
    await engine.load("T2V-A14B", "model-offload");
    expect(engine.attach().residentModel).toBe("T2V-A14B");
  });

  it.each([
    ["corrupt", { plays: false }],
    ["black", { plays: true, isBlack: true, frames: 9 }],
  ])("the card %s@mux makes a file that the artifact check finds out", async (name, found) => {
    const engine = startEngine();
    await engine.load("T2V-A14B", "model-offload");
    const order = orderOf(`[[sim:${name}@mux]]`);
    expect((await endOf(engine, order)).kind).toBe("completed");
    expect(await probeArtifact(order.outputPath)).toMatchObject(found);
  });

  it("refuses a render while a load, an action or a probe has the device, and is free after it", async () => {
    const engine = startEngine();
    const loading = engine.load("T2V-A14B", "model-offload");
    expect(() => engine.generate(orderOf())).toThrow(Busy);
    await loading;
    const probing = engine.probe({ kind: "canary", model: "T2V-A14B" });
    expect(() => engine.generate(orderOf())).toThrow(Busy);
    await probing;
    expect(await endOf(engine, orderOf())).toMatchObject({ kind: "completed" });
  });

  it("a call that failed does not keep the device", async () => {
    const engine = startEngine(["refuse-load"]);
    await expect(engine.load("T2V-A14B", "full")).rejects.toThrow();
    await engine.load("T2V-A14B", "full");
    expect(await endOf(engine, orderOf())).toMatchObject({ kind: "completed" });
  });

  it("an action waits for the render in hand and is reported with what it changed", async () => {
    const engine = startEngine();
    await engine.load("T2V-A14B", "model-offload");
    const order = orderOf();
    engine.generate(order);
    const { before, after } = await engine.act("clear_gpu_cache", undefined);
    expect(existsSync(order.outputPath)).toBe(true);
    expect(before.reservedBytes - after.reservedBytes).toBeGreaterThan(20 * gibibyte);
    expect(device.memory()).toEqual(after);
  });

  it("tiling lowers what a render needs", async () => {
    const engine = startEngine();
    await engine.load("T2V-A14B", "model-offload");
    const peakOf = async (): Promise<number> => {
      const end = await endOf(engine, orderOf());
      return end.kind === "completed" ? end.report.peakBytes : Number.NaN;
    };
    const before = await peakOf();
    expect((await engine.act("apply_vram_optimization", undefined)).applied).toEqual(["vae.enable_tiling"]);
    expect(await peakOf()).toBeLessThan(before);
    expect((await engine.act("apply_vram_optimization", undefined)).applied, "it is applied once").toEqual([]);
  });

  it("reports each render's own peak, not that of a larger one before it", async () => {
    const engine = startEngine();
    await engine.load("TI2V-5B", "model-offload");
    const large = await endOf(engine, orderOf("", { model: "TI2V-5B", width: 1280, height: 704 }));
    const small = await endOf(engine, orderOf("", { model: "TI2V-5B" }));
    if (large.kind === "failed" || small.kind === "failed") throw new Error("a render failed");
    expect(small.report.peakBytes).toBeLessThan(large.report.peakBytes);
  });

  it("reports what stays once the device is free of the render, a leak included", async () => {
    const engine = startEngine();
    await engine.load("TI2V-5B", "model-offload");
    const loadedBytes = device.memory().allocatedBytes;
    const clean = await endOf(engine, orderOf("", { model: "TI2V-5B" }));
    const leaking = await endOf(engine, orderOf("[[sim:leak:2GiB@denoise:1]]", { model: "TI2V-5B" }));
    if (clean.kind === "failed" || leaking.kind === "failed") throw new Error("a render failed");
    expect(clean.report.heldBytes).toBe(loadedBytes);
    expect(leaking.report.heldBytes).toBe(loadedBytes + 2 * gibibyte);
  });
});
