/**
 * Conformance checks of what a worker does with its device: test renders, memory that it gives back, and whether its
 * claims match what others measure.
 */
import assert from "node:assert/strict";
import { secondMs } from "../../core/units.ts";
import { promised, untilCompleted, type WorkerCheck } from "./check.ts";

/** The worker's own figure and what others see of it may differ by the context and by rounding, not by more. */
const sameBytes = 64 * 1024 * 1024;

export const deviceChecks: readonly WorkerCheck[] = [
  {
    name: "proves with a canary that every expert of the model renders",
    needs: [],
    run: async (harness) => {
      const { client } = await harness.common();
      const { model, shortRequest } = harness.subject;
      const report = await client.probe({ kind: "canary", model: shortRequest.model });
      assert.equal(report.failure, null);
      assert.equal(report.passed, true);
      if (model === null) assert.ok(report.expertsUsed >= 1);
      else assert.equal(report.expertsUsed, model.expertCount);
    },
  },
  {
    name: "fails a canary for a model that is not loaded, and says so",
    needs: [],
    run: async (harness) => {
      const { client } = await harness.common();
      await client.unloadModel();
      const report = await client.probe({ kind: "canary", model: harness.subject.shortRequest.model });
      assert.equal(report.passed, false);
      assert.ok((report.failure?.message ?? "") !== "");
    },
  },
  {
    name: "answers whether it is alive, and proves one phase at the size of a request",
    needs: [],
    run: async (harness) => {
      const { client } = await harness.common();
      assert.equal((await client.probe({ kind: "alive" })).passed, true);
      const { request, checkpointDir } = harness.order(harness.subject.shortRequest);
      const report = await client.probe({ kind: "phase", phase: "denoise", request, checkpointDir });
      assert.deepEqual([report.passed, report.failure], [true, null]);
    },
  },
  {
    name: "clears its cache between two jobs: it tells the memory before and after, and what it applied",
    needs: ["clearsCache"],
    run: async (harness) => {
      const { client } = await harness.common();
      assert.ok(client.identity.actions.includes("clear_gpu_cache"));
      const first = await client.runAction({ action: "clear_gpu_cache" });
      for (const { totalBytes, reservedBytes, allocatedBytes } of [first.before, first.after])
        assert.ok(totalBytes >= reservedBytes && reservedBytes >= allocatedBytes);
      assert.deepEqual(
        (await client.runAction({ action: "clear_gpu_cache" })).applied,
        [],
        "with nothing to clear nothing is claimed",
      );
    },
  },
  {
    name: "clears its cache: what it reports is what others measure on the device",
    needs: ["deviceFile"],
    run: async (harness) => {
      const worker = await harness.common();
      const order = harness.order(harness.subject.shortRequest);
      await worker.client.generate(order);
      await untilCompleted(harness, worker, order);
      await worker.client.acknowledge(order.jobId, order.fence);
      const seenBefore = promised(worker.deviceFile() ?? undefined);
      const { applied, before, after } = await worker.client.runAction({ action: "clear_gpu_cache" });
      const freedBytes = before.reservedBytes - after.reservedBytes;
      assert.notDeepEqual(applied, []);
      assert.ok(freedBytes > 0, "a render leaves a cache, and clearing it gives it back");
      assert.ok(after.freeBytes > before.freeBytes);
      const seenAfter = await harness.until(
        "the device file to follow",
        () => {
          const seen = worker.deviceFile();
          return seen !== null && seen.usedBytes < seenBefore.usedBytes ? seen : null;
        },
        5 * secondMs,
      );
      assert.ok(Math.abs(seenBefore.usedBytes - seenAfter.usedBytes - freedBytes) <= sameBytes);
      const again = await worker.client.runAction({ action: "clear_gpu_cache" });
      assert.deepEqual(
        [again.applied, again.before.reservedBytes],
        [[], again.after.reservedBytes],
        "with nothing to clear nothing is claimed",
      );
    },
  },
  {
    name: "offloads to a leaner profile: less memory on the device, and the profile is the one it says",
    needs: ["deviceFile", "leanerProfile"],
    run: async (harness) => {
      const worker = await harness.common();
      const profile = promised(harness.subject.promises.leanerProfile);
      const seenBefore = promised(worker.deviceFile() ?? undefined);
      const { applied, before, after } = await worker.client.runAction({ action: "enable_cpu_offload", profile });
      assert.notDeepEqual(applied, []);
      assert.ok(after.allocatedBytes < before.allocatedBytes);
      await harness.until(
        "the device file to follow",
        () => ((worker.deviceFile()?.usedBytes ?? Number.POSITIVE_INFINITY) < seenBefore.usedBytes ? true : null),
        5 * secondMs,
      );
      assert.equal((await worker.client.attach()).profile, profile);
    },
  },
  {
    name: "goes on writing its device's memory while it is idle",
    needs: ["deviceFile"],
    run: async (harness) => {
      const worker = await harness.common();
      const seen = promised(worker.deviceFile() ?? undefined);
      await harness.until(
        "a newer device file",
        () => ((worker.deviceFile()?.atMs ?? 0) > seen.atMs ? true : null),
        5 * secondMs,
      );
    },
  },
];
