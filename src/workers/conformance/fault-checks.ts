import assert from "node:assert/strict";
import { exitCodeConfiguration, exitCodePoisoned } from "../../contract/worker-protocol.ts";
import { secondMs } from "../../core/units.ts";
import { promised, untilCompleted, untilDenoising, untilExited, untilFailed, type WorkerCheck } from "./check.ts";

/** Long enough for a blocked main thread to be told from a busy one. */
const blockedForMs = 2 * secondMs;

export const faultChecks: readonly WorkerCheck[] = [
  {
    name: "reports out of memory as it was: phase, type, message, causes, memory, and whether the device still works",
    needs: ["outOfMemory"],
    run: async (bench) => {
      const provocation = promised(bench.subject.promises.outOfMemory);
      const worker = await bench.start(provocation);
      await bench.load(worker);
      const order = bench.order(bench.subject.shortRequest, provocation);
      await worker.client.generate(order);
      const { failure } = await untilFailed(bench, worker, order);
      assert.equal(failure.phase, "denoise");
      assert.equal(typeof failure.step, "number");
      assert.match(failure.exceptionType, /OutOfMemoryError$/);
      assert.match(failure.message, /out of memory/i);
      assert.ok(Array.isArray(failure.causes));
      assert.equal(failure.deviceUsable, true);
      assert.ok(failure.memory !== null && failure.memory.totalBytes >= failure.memory.reservedBytes);
      assert.deepEqual((await worker.client.attach()).failure, failure, "the failure is kept until it is acknowledged");
      await worker.client.acknowledge(order.jobId, order.fence);
      assert.equal((await worker.client.attach()).failure, null);
      const next = bench.order(bench.subject.shortRequest);
      await worker.client.generate(next);
      await untilCompleted(bench, worker, next);
    },
  },
  {
    name: "reports a poisoned context, then ends with exit code 75",
    needs: ["poisonedContext"],
    run: async (bench) => {
      const provocation = promised(bench.subject.promises.poisonedContext);
      const worker = await bench.start(provocation);
      await bench.load(worker);
      const order = bench.order(bench.subject.shortRequest, provocation);
      await worker.client.generate(order);
      const { failure } = await untilFailed(bench, worker, order);
      assert.equal(failure.deviceUsable, false);
      assert.match(failure.message, /CUDA error/);
      assert.equal((await untilExited(bench, worker)).code, exitCodePoisoned);
    },
  },
  {
    name: "refuses a bad configuration with exit code 78 and a sentence in its log",
    needs: ["badConfiguration"],
    run: async (bench) => {
      const worker = await bench.spawn(promised(bench.subject.promises.badConfiguration));
      const { code, logTail } = await untilExited(bench, worker);
      assert.equal(code, exitCodeConfiguration);
      assert.notEqual(logTail.trim(), "");
    },
  },
  {
    name: "sends a heartbeat every second that says that its main thread turns",
    needs: [],
    run: async (bench) => {
      const worker = await bench.common();
      const heardBefore = worker.notices.length;
      const beats = () =>
        worker.notices.slice(heardBefore).flatMap((notice) => (notice.kind === "heartbeat" ? [notice] : []));
      const beganAtMs = bench.clock.nowMs();
      await bench.until("three heartbeats", () => (beats().length >= 3 ? true : null), 6 * secondMs);
      assert.ok(bench.clock.nowMs() - beganAtMs > 1.5 * secondMs, "three heartbeats came within 1.5 s");
      for (const { mainThreadIdleMs } of beats())
        assert.ok(
          mainThreadIdleMs < blockedForMs,
          `the idle main thread is said to be blocked for ${mainThreadIdleMs} ms`,
        );
    },
  },
  {
    name: "with its main thread blocked it goes on beating, says for how long, and answers attach and stats",
    needs: ["blockedMainThread"],
    run: async (bench) => {
      const provocation = promised(bench.subject.promises.blockedMainThread);
      const worker = await bench.start(provocation);
      await bench.load(worker);
      const order = bench.order(bench.subject.longRequest, provocation);
      await worker.client.generate(order);
      await bench.until(
        "a heartbeat that tells of the block",
        () =>
          worker.notices.find((notice) => notice.kind === "heartbeat" && notice.mainThreadIdleMs > blockedForMs) ??
          null,
        bench.subject.patienceMs.render + 2 * blockedForMs,
      );
      const { jobId, phase } = await worker.client.attach();
      assert.deepEqual([jobId, phase], [order.jobId, "denoise"]);
      assert.equal((await worker.client.stats()).residentModel, order.request.model);
      const client = await worker.connect();
      assert.equal((await client.attach()).jobId, order.jobId, "a new connection is taken too");
    },
  },
  {
    name: "a terminal's Ctrl-C does not end a render",
    needs: [],
    run: async (bench) => {
      const worker = await bench.common();
      const order = bench.order(bench.subject.longRequest);
      await worker.client.generate(order);
      const { step } = await untilDenoising(bench, worker, order);
      worker.signal("SIGINT");
      await untilDenoising(bench, worker, order, step + 1);
      await worker.client.cancel(order.jobId, order.fence);
    },
  },
];
