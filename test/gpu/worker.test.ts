/** The diffusers worker on a real card, alone: what it says beside what the driver's own tool says. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/core/clock.ts";
import type { RenderRequest } from "../../src/core/job.ts";
import { mebibyte } from "../../src/core/units.ts";
import { untilCompleted, untilDenoising, untilExited, untilFailed } from "../../src/workers/conformance/check.ts";
import {
  createWorkerBench,
  type StartedWorker,
  type WorkerHarness,
} from "../../src/workers/conformance/worker-harness.ts";
import { diffusersSubject } from "../conformance/diffusers-subject.ts";
import { fillCard, sameBytes, usedAtMost, usedBytes } from "./card.ts";

const clock = createSystemClock();
const onCard = { ...diffusersSubject.command, env: { ...diffusersSubject.command.env, UNDERSTUDY_DEVICE: "cuda" } };
const planted = (card: string) => ({ by: "environment", env: { UNDERSTUDY_TEST_FAULT: card } }) as const;
/** Weights of a megabyte, and activations of gigabytes. */
const large: RenderRequest = { ...diffusersSubject.shortRequest, width: 1280, height: 704, frames: 81, steps: 4 };
const long: RenderRequest = { ...diffusersSubject.longRequest, frames: 33, steps: 200 };
let bench: WorkerHarness;
let atRestBytes = 0;

beforeAll(() => {
  bench = createWorkerBench({ ...diffusersSubject, name: "diffusers on a card", command: onCard }, clock);
  atRestBytes = usedBytes();
});
afterEach(async () => {
  bench.endOwn();
  await usedAtMost(atRestBytes + sameBytes);
});
afterAll(() => {
  bench.end();
  clock.stop();
});

async function start(card?: string): Promise<StartedWorker> {
  const worker = await bench.start(card === undefined ? {} : planted(card));
  await bench.load(worker);
  return worker;
}
async function render(worker: StartedWorker, request: RenderRequest) {
  const order = bench.order(request);
  await worker.client.generate(order);
  const report = await untilCompleted(bench, worker, order);
  await worker.client.acknowledge(order.jobId, order.fence);
  return report;
}

describe("on a real card", () => {
  it("runs out of memory for real, says so, and renders the same request once there is room", async () => {
    const worker = await start();
    const hog = await fillCard(256);
    const order = bench.order(large);
    await worker.client.generate(order);
    const { failure } = await untilFailed(bench, worker, order);
    expect(failure).toMatchObject({ exceptionType: "torch.OutOfMemoryError", deviceUsable: true });
    expect(failure.message).toMatch(/CUDA out of memory\. Tried to allocate/);
    await worker.client.acknowledge(order.jobId, order.fence);
    await hog.leave();
    expect((await render(worker, large)).peakBytes).toBeGreaterThan(256 * mebibyte);
  });

  it("clears its cache: what it says was freed, the driver's tool sees freed", async () => {
    const worker = await start();
    await render(worker, large);
    const seenBefore = usedBytes();
    const { applied, before, after } = await worker.client.runAction({ action: "clear_gpu_cache" });
    const freed = before.reservedBytes - after.reservedBytes;
    expect(applied).toContain("empty_cache");
    expect(freed).toBeGreaterThan(128 * mebibyte);
    await usedAtMost(seenBefore - 0.8 * freed);
    expect((await worker.client.runAction({ action: "clear_gpu_cache" })).applied).toEqual([]);
  });

  it("offloads to the host and comes back in place, and renders in both", async () => {
    const worker = await start();
    const full = await worker.client.stats();
    expect(full.memory.allocatedBytes).toBeGreaterThan(0);
    const offloaded = await worker.client.runAction({ action: "enable_cpu_offload", profile: "model-offload" });
    expect(offloaded.after.allocatedBytes).toBeLessThan(full.memory.allocatedBytes / 2);
    expect((await worker.client.attach()).profile).toBe("model-offload");
    expect((await render(worker, diffusersSubject.shortRequest)).stepsRendered).toBe(
      diffusersSubject.shortRequest.steps,
    );
    expect((await worker.client.stats()).memory.allocatedBytes).toBeLessThan(full.memory.allocatedBytes / 2);
    const back = await worker.client.runAction({ action: "enable_cpu_offload", profile: "full" });
    expect(back.after.allocatedBytes).toBeGreaterThanOrEqual(full.memory.allocatedBytes);
    expect((await render(worker, diffusersSubject.shortRequest)).stepsRendered).toBe(
      diffusersSubject.shortRequest.steps,
    );
  });

  it.each(["tiling", "group-offload"] as const)("renders in the profile %s", async (profile) => {
    const worker = await bench.start();
    await worker.client.loadModel({ model: diffusersSubject.shortRequest.model, profile });
    expect((await render(worker, diffusersSubject.shortRequest)).resumedFromStep).toBe(0);
  });

  it("with a lost context says so and ends with 75; the next process finds the card as it was, and renders", async () => {
    const worker = await start("assert@denoise:2");
    const order = bench.order(diffusersSubject.shortRequest);
    await worker.client.generate(order);
    const { failure } = await untilFailed(bench, worker, order);
    expect(failure.message).toMatch(/device-side assert|CUDA error/);
    expect(failure.deviceUsable).toBe(false);
    expect((await untilExited(bench, worker)).code).toBe(75);
    await usedAtMost(atRestBytes + sameBytes);
    await render(await start(), diffusersSubject.shortRequest);
  });

  it("killed in mid-denoise gives its memory back within 15 s, and another process renders only the rest", async () => {
    const first = await start();
    const order = bench.order(long);
    await first.client.generate(order);
    const { step } = await untilDenoising(bench, first, order, 20);
    first.signal("SIGKILL");
    await untilExited(bench, first);
    await usedAtMost(atRestBytes + sameBytes);
    const second = await start();
    const again = { ...order, fence: 2 };
    await second.client.generate(again);
    const { resumedFromStep, stepsRendered } = await untilCompleted(bench, second, again);
    expect(resumedFromStep).toBeGreaterThanOrEqual(step);
    expect(resumedFromStep + stepsRendered).toBe(long.steps);
  });
});
