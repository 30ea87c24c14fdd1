/**
 * Conformance checks of a worker in trouble: it must say what happened in a form by which the supervisor can choose a
 * repair.
 */
import assert from "node:assert/strict";
import { exitCodeConfiguration, exitCodePoisoned } from "../../contract/worker-protocol.ts";
import { secondMs } from "../../core/units.ts";
import { promised, untilCompleted, untilDenoising, untilExited, untilFailed, type WorkerCheck } from "./check.ts";

/** A block of this length can be told from a main thread that is only busy. */
const blockedForMs = 2 * secondMs;

export const faultChecks: readonly WorkerCheck[] = [
  {
    name: "reports out of memory as it was: phase, type, message, causes, memory, and whether the device still works",
    needs: ["outOfMemory"],
    run: async (harness) => {
      const provocation = promised(harness.subject.promises.outOfMemory);
      const worker = await harness.start(provocation);
      await harness.load(worker);
      const order = harness.order(harness.subject.shortRequest, provocation);
      await worker.client.generate(order);
      const { failure } = await untilFailed(harness, worker, order);
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
      const next = harness.order(harness.subject.shortRequest);
      await worker.client.generate(next);
      await untilCompleted(harness, worker, next);
    },
  },
  {
    name: "reports a poisoned context, then ends with exit code 75",
    needs: ["poisonedContext"],
    run: async (harness) => {
      const provocation = promised(harness.subject.promises.poisonedContext);
      const worker = await harness.start(provocation);
      await harness.load(worker);
      const order = harness.order(harness.subject.shortRequest, provocation);
      await worker.client.generate(order);
      const { failure } = await untilFailed(harness, worker, order);
      assert.equal(failure.deviceUsable, false);
      assert.match(failure.message, /CUDA error/);
      assert.equal((await untilExited(harness, worker)).code, exitCodePoisoned);
    },
  },
  {
    name: "refuses a bad configuration with exit code 78 and a sentence in its log",
    needs: ["badConfiguration"],
    run: async (harness) => {
      const worker = await harness.spawn(promised(harness.subject.promises.badConfiguration));
      const { code, logTail } = await untilExited(harness, worker);
      assert.equal(code, exitCodeConfiguration);
      assert.notEqual(logTail.trim(), "");
    },
  },
  {
    name: "sends a heartbeat every second that says that its main thread turns",
    needs: [],
    run: async (harness) => {
      const worker = await harness.common();
      const heardBefore = worker.notices.length;
      const beats = () =>
        worker.notices.slice(heardBefore).flatMap((notice) => (notice.kind === "heartbeat" ? [notice] : []));
      const beganAtMs = harness.clock.nowMs();
      await harness.until("three heartbeats", () => (beats().length >= 3 ? true : null), 6 * secondMs);
      assert.ok(harness.clock.nowMs() - beganAtMs > 1.5 * secondMs, "three heartbeats came within 1.5 s");
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
    run: async (harness) => {
      const provocation = promised(harness.subject.promises.blockedMainThread);
      const worker = await harness.start(provocation);
      await harness.load(worker);
      const order = harness.order(harness.subject.longRequest, provocation);
      await worker.client.generate(order);
      await harness.until(
        "a heartbeat that tells of the block",
        () =>
          worker.notices.find((notice) => notice.kind === "heartbeat" && notice.mainThreadIdleMs > blockedForMs) ??
          null,
        harness.subject.timeoutsMs.render + 2 * blockedForMs,
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
    run: async (harness) => {
      const worker = await harness.common();
      const order = harness.order(harness.subject.longRequest);
      await worker.client.generate(order);
      const { step } = await untilDenoising(harness, worker, order);
      worker.signal("SIGINT");
      await untilDenoising(harness, worker, order, step + 1);
      await worker.client.cancel(order.jobId, order.fence);
    },
  },
];
