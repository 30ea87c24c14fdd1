import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { followRender, toWorkerRequest } from "../../../src/app/rendering/render.ts";
import { createRenderTimes } from "../../../src/app/rendering/render-times.ts";
import { WorkerError } from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/job.ts";
import type { WorkerNotice } from "../../../src/core/ports/worker.ts";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import type { RenderFact } from "../../../src/machines/pipeline-types.ts";
import { classifyThrown } from "../../../src/recovery/classify.ts";
import { type AppWorld, createAppWorld, workerId } from "../app-world.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld();
});
afterEach(() => world.close());

async function follow(isUnderWay: boolean, lease: Lease) {
  const facts: RenderFact[] = [];
  const stop = followRender(world, { workerId, lease, isUnderWay }, (fact) => facts.push(fact));
  await world.clock.settle();
  const types = (): string[] => facts.map(({ type }) => type);
  return { facts, types, stop };
}

async function ready() {
  const { worker } = await world.connect();
  worker.model = "T2V-A14B";
  worker.profile = "model-offload";
  const lease = await world.claimNew();
  const { jobId, fence, spec } = lease;
  const outputPath = world.artifacts.stagingPath(jobId, fence, "result");
  const begin = (): void =>
    worker.generate({ jobId, fence, request: spec.request, workflow: null, outputPath, checkpointDir: jobId });
  return { worker, lease, begin };
}

describe("following a render", () => {
  it("that an earlier supervisor began is taken up, not begun again", async () => {
    const { worker, lease, begin } = await ready();
    begin();
    await world.clock.advance(10 * secondMs);
    const { facts, stop } = await follow(true, lease);
    await world.clock.advance(2 * minuteMs);
    expect(facts.at(-1)).toMatchObject({ type: "render.completed", report: { jobId: lease.jobId } });
    expect(worker.jobsDone).toBe(1);
    stop();
  });

  it("whose result was kept meanwhile has it at once", async () => {
    const { lease, begin } = await ready();
    begin();
    await world.clock.advance(2 * minuteMs);
    const { types } = await follow(true, lease);
    expect(types()).toEqual(["render.completed"]);
  });

  it("whose worker dies under the order has not failed: its death is told by whoever watches the process", async () => {
    const { lease } = await ready();
    const generate = () => Promise.reject(new WorkerError("WORKER_EXITED", "the connection to the worker ended"));
    const connected = (id: string) => ({ ...world.links.connected(id), generate });
    const facts: RenderFact[] = [];
    followRender({ ...world, links: { ...world.links, connected } }, { workerId, lease, isUnderWay: false }, (fact) =>
      facts.push(fact),
    );
    await world.clock.advance(minuteMs);
    expect(facts).toEqual([]);
  });

  it("whose failure was kept meanwhile has that", async () => {
    const { worker, lease, begin } = await ready();
    worker.armed = { fault: "oom", phase: "denoise", atStep: 2 };
    begin();
    await world.clock.advance(minuteMs);
    const { facts } = await follow(true, lease);
    expect(facts).toMatchObject([{ type: "render.failed", fault: { code: "GPU_OUT_OF_MEMORY" } }]);
  });

  it("that the worker knows nothing of is begun", async () => {
    const { worker, lease } = await ready();
    await follow(true, lease);
    expect(worker.attach().jobId).toBe(lease.jobId);
  });

  it("without a connection fails with the worker's end, which may be tried again", async () => {
    const lease = await world.claimNew();
    const { facts } = await follow(false, lease);
    expect(facts).toMatchObject([{ type: "render.failed", fault: { code: "WORKER_EXITED", retryable: true } }]);
  });

  it("tells that the worker's thread stands still, and that it moves again", async () => {
    const { worker, lease } = await ready();
    const { facts, stop } = await follow(false, lease);
    await world.clock.advance(3 * secondMs);
    worker.freeze();
    await world.clock.advance(30 * secondMs);
    expect(facts.filter(({ type }) => type === "render.stoodStill")).toMatchObject([{ sinceMs: expect.any(Number) }]);
    stop();
  });

  it("hears nothing of other attempts, and nothing after its end", async () => {
    const { worker, lease } = await ready();
    const heard: RenderFact[] = [];
    let tell: (notice: WorkerNotice) => void = () => undefined;
    const onNotice: typeof world.links.onNotice = (_, listener) => {
      tell = listener;
      return () => undefined;
    };
    const needs = { ...world, links: { ...world.links, onNotice } };
    const stop = followRender(needs, { workerId, lease, isUnderWay: false }, (fact) => heard.push(fact));
    await world.clock.settle();
    const step = { kind: "progress", jobId: lease.jobId, phase: "denoise", step: 1, of: 40 } as const;
    tell({ ...step, fence: lease.fence + 1 });
    tell({ ...step, fence: lease.fence, jobId: "another" });
    expect(heard).toEqual([]);
    tell({ ...step, fence: lease.fence });
    expect(heard.map(({ type }) => type)).toEqual(["phase.started", "step.progressed"]);
    stop();
    tell({ ...step, step: 2, fence: lease.fence });
    expect([heard.length, worker.attach().jobId]).toEqual([2, lease.jobId]);
  });
});

describe("the fault of a call that was rejected", () => {
  it("is the worker's own report, where it sent one", () => {
    const failure = {
      phase: "load",
      step: null,
      exceptionType: "torch.OutOfMemoryError",
      message: "full",
      causes: [],
      deviceUsable: true,
      memory: null,
    };
    const thrown = new WorkerError("WORKER_ERROR", "refused", { details: { failure } });
    expect(classifyThrown(thrown, { phase: "load" })).toMatchObject({ code: "GPU_OUT_OF_MEMORY" });
  });

  it("is known by the code of what this program threw", () => {
    expect(classifyThrown(new WorkerError("WORKER_EXITED", "it ended"), { phase: "load" })).toMatchObject({
      code: "WORKER_EXITED",
      evidence: { phase: "load", errorCode: "WORKER_EXITED" },
    });
  });

  it("is known by the message of anything else", () => {
    expect(classifyThrown(new Error("CUDA out of memory. Tried to allocate 2.00 GiB."), { phase: "load" }).code).toBe(
      "GPU_OUT_OF_MEMORY",
    );
  });
});

it("a worker is given the image's file, and its name nowhere", async () => {
  const { spec } = await world.claimNew();
  expect(toWorkerRequest(world, { ...spec.request, imageName: "ab/image.png" })).toEqual({
    ...spec.request,
    imagePath: "ab/image.png",
  });
  expect(toWorkerRequest(world, spec.request)).toEqual(spec.request);
});

describe("what one render's times teach", () => {
  it("how long a step takes, and a phase that was seen whole", async () => {
    const lease = await world.claimNew();
    const times = createRenderTimes(world, lease, "model-offload");
    for (const step of [0, 1, 2, 3, 4]) {
      times.note({ phase: "denoise", step, of: 4 });
      await world.clock.advance(2 * secondMs);
    }
    times.note({ phase: "decode", step: 0, of: 1 });
    const reached = {
      step: 0,
      of: 40,
      profile: "model-offload",
      envelope: world.envelopeOf(lease.spec.request),
      denoiseSteps: 40,
    } as const;
    expect(world.steps.expectedMs({ ...reached, phase: "denoise", inPhaseMs: 0 })).toBeNull();
    await world.clock.advance(5 * secondMs);
    times.end();
    const limits = world.steps.limitsOf({
      phase: "denoise",
      profile: "model-offload",
      envelope: world.envelopeOf(lease.spec.request),
    });
    expect(limits.stallMs).toBeGreaterThanOrEqual(minuteMs);
  });

  it("a phase that was taken up in its middle teaches nothing of its whole length", async () => {
    const lease = await world.claimNew();
    const taught: string[] = [];
    const steps = { ...world.steps, note: ({ phase }: { phase: string }) => void taught.push(phase) };
    const times = createRenderTimes({ ...world, steps }, lease, "model-offload");
    times.note({ phase: "denoise", step: 20, of: 40 });
    times.note({ phase: "denoise", step: 21, of: 40 });
    times.note({ phase: "decode", step: 0, of: 1 });
    times.end();
    expect(taught).toEqual(["denoise", "whole decode"]);
  });
});
