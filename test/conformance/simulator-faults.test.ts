import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Provocation } from "../../src/contract/worker-promises.ts";
import { createSystemClock } from "../../src/core/clock.ts";
import type { GenerateOrder } from "../../src/core/ports/worker.ts";
import { secondMs } from "../../src/core/units.ts";
import { isProgressOf, untilCompleted, untilDenoising } from "../../src/workers/conformance/check.ts";
import {
  createWorkerBench,
  type StartedWorker,
  type WorkerHarness,
} from "../../src/workers/conformance/worker-harness.ts";
import { simulatorSubject } from "./simulator-subject.ts";

/** The simulator's own faults, which a real worker cannot be asked for, in real processes and by every way in. */
const clock = createSystemClock();
let bench: WorkerHarness;
beforeAll(() => {
  bench = createWorkerBench(simulatorSubject, clock);
});
afterEach(() => bench.endOwn());
afterAll(() => {
  bench.end();
  clock.stop();
});

const byPrompt = (card: string): Provocation => ({ by: "prompt", words: `[[sim:${card}]]` });
const byCard = (card: string): Provocation => ({ by: "card", card });
const byEnvironment = (card: string): Provocation => ({ by: "environment", env: { UNDERSTUDY_SIM_FAULT: card } });

async function begin(provocation: Provocation): Promise<{ worker: StartedWorker; order: GenerateOrder }> {
  const worker = await bench.start(provocation);
  await bench.load(worker);
  const order = bench.order(simulatorSubject.longRequest, provocation);
  await worker.client.generate(order);
  return { worker, order };
}

const beatsOf = (worker: StartedWorker) =>
  worker.notices.flatMap((notice) => (notice.kind === "heartbeat" ? [notice.mainThreadIdleMs] : []));
const lastStepOf = (worker: StartedWorker, order: GenerateOrder) =>
  worker.notices.filter(isProgressOf(order)).at(-1)?.step;

describe("a fault of the simulator", () => {
  it.each([
    ["the protocol", byCard("crash:SIGSEGV@denoise:2")],
    ["the environment", byEnvironment("slow:2, crash:SIGSEGV@denoise:2")],
    ["a test card in the prompt", byPrompt("crash:SIGSEGV@denoise:2")],
  ])("is injected by %s: the process dies by that signal in that phase", async (_way, provocation) => {
    const { worker, order } = await begin(provocation);
    expect(await worker.exited).toMatchObject({ code: null, signal: "SIGSEGV" });
    expect(worker.notices.filter(isProgressOf(order)).at(-1)?.phase).toBe("denoise");
  });

  it("ends with the exit code it was told, and says nothing first", async () => {
    const { worker } = await begin(byPrompt("exit:3@decode"));
    expect((await worker.exited).code).toBe(3);
    expect(worker.notices.some(({ kind }) => kind === "failed")).toBe(false);
  });

  it("in a prompt it is counted over restarts: the second process renders the job to its end", async () => {
    const provocation = byPrompt("crash@denoise:4");
    const { worker, order } = await begin(provocation);
    expect((await worker.exited).signal).toBe("SIGKILL");
    const next = await bench.start();
    await bench.load(next);
    await next.client.generate({ ...order, fence: 2 });
    const report = await untilCompleted(bench, next, { ...order, fence: 2 });
    expect([report.resumedFromStep, report.stepsRendered]).toEqual([4, order.request.steps - 4]);
  });

  it("a stall stops the render and nothing else: the main thread turns, and cancel frees the device", async () => {
    const { worker, order } = await begin(byPrompt("stall@denoise:3"));
    await untilDenoising(bench, worker, order, 3);
    const heardCount = beatsOf(worker).length;
    await bench.until(
      "two heartbeats in the stall",
      () => (beatsOf(worker).length >= heardCount + 2 ? true : null),
      5 * secondMs,
    );
    expect(Math.max(...beatsOf(worker))).toBeLessThan(secondMs);
    expect(lastStepOf(worker, order)).toBe(3);
    await worker.client.cancel(order.jobId, order.fence);
    expect((await worker.client.attach()).jobId).toBeNull();
  });

  it("a lying heartbeat denies the block: beats go on with no idle time while the render stands", async () => {
    const { worker, order } = await begin(byCard("lying-heartbeat@denoise:3"));
    await untilDenoising(bench, worker, order, 3);
    const heardCount = beatsOf(worker).length;
    await bench.until("three heartbeats", () => (beatsOf(worker).length >= heardCount + 3 ? true : null), 6 * secondMs);
    expect(beatsOf(worker).slice(heardCount + 1)).toEqual([0, 0]);
    expect(lastStepOf(worker, order)).toBe(3);
  });

  it("silence stops the heartbeats, neither the render nor the device's telemetry", async () => {
    const { worker, order } = await begin(byCard("silent@denoise:1"));
    await untilCompleted(bench, worker, order);
    const heardCount = beatsOf(worker).length;
    const writtenAtMs = worker.deviceFile()?.atMs ?? 0;
    await bench.until(
      "telemetry of two more seconds",
      () => ((worker.deviceFile()?.atMs ?? 0) >= writtenAtMs + 2 * secondMs ? true : null),
      6 * secondMs,
    );
    expect(beatsOf(worker)).toHaveLength(heardCount);
  });

  it("a card that does not exist is refused over the protocol, with the list of those that do", async () => {
    const { client } = await bench.common();
    await expect(client.injectFault("explode")).rejects.toMatchObject({
      message: expect.stringContaining("there are crash, exit"),
    });
  });

  it("an orphan that is blocked for good is killed by its own link thread", async () => {
    const worker = await bench.start({ UNDERSTUDY_ORPHAN_MS: "300", UNDERSTUDY_SIM_FAULT: "hang@encode" });
    await bench.load(worker);
    await worker.client.generate(bench.order(simulatorSubject.longRequest));
    worker.client.close();
    expect((await worker.exited).signal).toBe("SIGKILL");
  });
});

describe("the simulator's configuration", () => {
  it.each([
    ["UNDERSTUDY_SIM_GPU", "gtx9999", "There is no simulated card gtx9999"],
    ["UNDERSTUDY_SIM_SPEED", "fast", "UNDERSTUDY_SIM_SPEED must be a number above 0"],
    ["UNDERSTUDY_SIM_SPEED", "0", "UNDERSTUDY_SIM_SPEED must be a number above 0"],
    ["UNDERSTUDY_SIM_FAULT", "oom,explode", "There is no test card explode"],
    ["UNDERSTUDY_ORPHAN_MS", "-1", "UNDERSTUDY_ORPHAN_MS must be a number of milliseconds above 0"],
  ])("%s=%s is refused with exit code 78 and a sentence", async (name, value, sentence) => {
    const { exited } = await bench.spawn({ [name]: value });
    expect(await exited).toMatchObject({ code: 78, logTail: expect.stringContaining(sentence) });
  });
});
