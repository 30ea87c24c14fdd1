/**
 * Conformance checks of the work itself: loading, rendering, progress, results that are kept, cancelling and changing
 * supervisors.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { rpcErrors } from "../../contract/worker-protocol.ts";
import { WorkerError } from "../../core/errors.ts";
import { legalEnvelope } from "../../core/model-figures.ts";
import type { GenerateOrder } from "../../core/ports/worker.ts";
import { phases } from "../../core/words.ts";
import { isProgressOf, untilCompleted, untilDenoising, type WorkerCheck } from "./check.ts";
import type { StartedWorker, WorkerHarness } from "./worker-harness.ts";

const isBusy = (thrown: unknown): boolean =>
  thrown instanceof WorkerError && thrown.details["rpcCode"] === rpcErrors.busy;

/** Renders the short request on the shared worker, from acceptance to its notice. */
async function renderShort(harness: WorkerHarness): Promise<{ worker: StartedWorker; order: GenerateOrder }> {
  const worker = await harness.common();
  const order = harness.order(harness.subject.shortRequest);
  await worker.client.generate(order);
  await untilCompleted(harness, worker, order);
  return { worker, order };
}

/** Begins the long render on the shared worker, and resolves in its denoise phase. */
async function beginLong(harness: WorkerHarness): Promise<{ worker: StartedWorker; order: GenerateOrder }> {
  const worker = await harness.common();
  const order = harness.order(harness.subject.longRequest);
  await worker.client.generate(order);
  await untilDenoising(harness, worker, order);
  return { worker, order };
}

async function assertFree({ client }: StartedWorker): Promise<void> {
  const { jobId, phase, result, failure } = await client.attach();
  assert.deepEqual({ jobId, phase, result, failure }, { jobId: null, phase: null, result: null, failure: null });
}

export const renderChecks: readonly WorkerCheck[] = [
  {
    name: "loads a model, tells how far it is, and unloads it",
    needs: [],
    run: async (harness) => {
      const worker = await harness.common();
      const { model } = harness.subject.shortRequest;
      await worker.client.unloadModel();
      assert.equal((await worker.client.stats()).residentModel, null);
      const heardBefore = worker.notices.length;
      await worker.client.loadModel({ model, profile: harness.subject.profile });
      const ratios = worker.notices
        .slice(heardBefore)
        .flatMap((notice) => (notice.kind === "loadProgress" ? [notice.ratio] : []));
      assert.deepEqual(
        ratios,
        [...ratios].sort((a, b) => a - b),
        "a load's progress never falls",
      );
      const loaded = await worker.client.attach();
      assert.deepEqual([loaded.residentModel, loaded.profile], [model, harness.subject.profile]);
    },
  },
  {
    name: "a loaded model is seen in its memory, and gone from it when it is unloaded",
    needs: ["countsWeights"],
    run: async (harness) => {
      const { client } = await harness.common();
      const loaded = await client.stats();
      await client.unloadModel();
      assert.ok((await client.stats()).memory.allocatedBytes < loaded.memory.allocatedBytes);
    },
  },
  {
    name: "renders a playing file of the asked size and frame count, and reports what it did",
    needs: [],
    run: async (harness, decode) => {
      const { model, shortRequest } = harness.subject;
      const { worker, order } = await renderShort(harness);
      const report = await untilCompleted(harness, worker, order);
      assert.deepEqual(await decode(order.outputPath), {
        width: shortRequest.width,
        height: shortRequest.height,
        frames: shortRequest.frames,
      });
      assert.equal(report.outputPath, order.outputPath);
      assert.equal(report.frames, shortRequest.frames);
      const { width, height } = shortRequest;
      const rendered = { width: report.renderedWidth, height: report.renderedHeight, frames: report.frames };
      if (model === null) assert.ok(rendered.width >= width && rendered.height >= height);
      else assert.deepEqual(rendered, { ...legalEnvelope(model, shortRequest), frames: shortRequest.frames });
      assert.deepEqual([report.stepsRendered, report.resumedFromStep], [shortRequest.steps, 0]);
      assert.ok(report.peakBytes > 0 && report.renderMs >= 0);
      assert.equal(report.heldBytes, (await worker.client.stats()).memory.allocatedBytes);
      await worker.client.acknowledge(order.jobId, order.fence);
    },
  },
  {
    name: "tells its progress in order: the phases one after the other, steps that never fall, every denoise step",
    needs: [],
    run: async (harness) => {
      const { worker, order } = await renderShort(harness);
      const told = worker.notices.filter(isProgressOf(order));
      const places = told.map(({ phase }) => phases.indexOf(phase));
      assert.deepEqual(
        places,
        [...places].sort((a, b) => a - b),
        "a phase never comes back",
      );
      assert.deepEqual([...new Set(told.map(({ phase }) => phase))], [...phases]);
      for (const phase of phases) {
        const steps = told.filter((notice) => notice.phase === phase);
        assert.deepEqual(
          steps.map(({ step }) => step),
          steps.map(({ step }) => step).sort((a, b) => a - b),
        );
        assert.equal(new Set(steps.map(({ of }) => of)).size, 1);
        assert.equal(steps.at(-1)?.step, steps[0]?.of, `the last word of ${phase} is its last step`);
      }
      const denoised = new Set(told.filter(({ phase }) => phase === "denoise").map(({ step }) => step));
      for (let step = 1; step <= order.request.steps; step += 1)
        assert.ok(denoised.has(step), `step ${step} was not told`);
      await worker.client.acknowledge(order.jobId, order.fence);
    },
  },
  {
    name: "keeps a result until it is acknowledged, over a new connection too, and not longer",
    needs: [],
    run: async (harness) => {
      const { worker, order } = await renderShort(harness);
      const report = await untilCompleted(harness, worker, order);
      const client = await worker.connect();
      assert.deepEqual((await client.attach()).result, report);
      await client.acknowledge(order.jobId, order.fence + 1);
      await client.acknowledge("another-job", order.fence);
      assert.deepEqual((await client.attach()).result, report, "another's acknowledgement changes nothing");
      await client.acknowledge(order.jobId, order.fence);
      await assertFree(worker);
      await client.acknowledge(order.jobId, order.fence);
    },
  },
  {
    name: "refuses a second job, a load and an unload while it renders, and the render goes on",
    needs: [],
    run: async (harness) => {
      const { worker, order } = await beginLong(harness);
      const { model } = harness.subject.shortRequest;
      await assert.rejects(worker.client.generate(harness.order(harness.subject.shortRequest)), isBusy);
      await assert.rejects(worker.client.loadModel({ model, profile: harness.subject.profile }), isBusy);
      await assert.rejects(worker.client.unloadModel(), isBusy);
      const { jobId, phase } = await worker.client.attach();
      assert.deepEqual([jobId, phase], [order.jobId, "denoise"]);
      await worker.client.cancel(order.jobId, order.fence);
    },
  },
  {
    name: "takes a new connection in mid-render: it replaces the old one, learns where the render is, and hears on",
    needs: [],
    run: async (harness) => {
      const { worker, order } = await beginLong(harness);
      const former = worker.client;
      const formerEnded = new Promise<void>((resolve) => former.onClose(resolve));
      const client = await worker.connect();
      const heard: string[] = [];
      client.onNotice(({ kind }) => heard.push(kind));
      await formerEnded;
      const { jobId, fence, phase, step, of, residentModel } = await client.attach();
      assert.deepEqual([jobId, fence, phase, of], [order.jobId, order.fence, "denoise", order.request.steps]);
      assert.ok(step !== null && step >= 1);
      assert.equal(residentModel, order.request.model);
      await harness.until(
        "progress on the new connection",
        () => (heard.includes("progress") ? true : null),
        harness.subject.timeoutsMs.step * 2,
      );
      await client.cancel(order.jobId, order.fence);
    },
  },
  {
    name: "renders on when its supervisor goes away, and hands the result to the next one",
    needs: [],
    run: async (harness, decode) => {
      const worker = await harness.common();
      const order = harness.order(harness.subject.shortRequest);
      await worker.client.generate(order);
      worker.client.close();
      await harness.until(
        "the file is there",
        () => (existsSync(order.outputPath) ? true : null),
        harness.subject.timeoutsMs.render,
      );
      const client = await worker.connect();
      const result = await harness.until(
        "the result",
        async () => (await client.attach()).result,
        harness.subject.timeoutsMs.render,
      );
      assert.deepEqual([result.jobId, result.fence], [order.jobId, order.fence]);
      assert.equal((await decode(order.outputPath)).frames, order.request.frames);
      await client.acknowledge(order.jobId, order.fence);
    },
  },
  {
    name: "cancels: the device is free when it answers, no word of the job follows, and the next job is rendered",
    needs: [],
    run: async (harness) => {
      const { worker, order } = await beginLong(harness);
      await worker.client.cancel(order.jobId, order.fence);
      await assertFree(worker);
      const heardCount = worker.notices.filter(isProgressOf(order)).length;
      const next = harness.order(harness.subject.shortRequest);
      await worker.client.generate(next);
      await untilCompleted(harness, worker, next);
      assert.equal(worker.notices.filter(isProgressOf(order)).length, heardCount);
      assert.ok(!worker.notices.some((notice) => notice.kind === "completed" && notice.report.jobId === order.jobId));
      assert.equal(existsSync(order.outputPath), false);
      await worker.client.acknowledge(next.jobId, next.fence);
    },
  },
  {
    name: "refuses a job for a model that is not loaded, and says so",
    needs: [],
    run: async (harness) => {
      const worker = await harness.common();
      await worker.client.unloadModel();
      const order = harness.order(harness.subject.shortRequest);
      await assert.rejects(worker.client.generate(order), (thrown: unknown) => {
        assert.ok(thrown instanceof WorkerError);
        assert.equal(thrown.details["rpcCode"], rpcErrors.failed);
        assert.match(thrown.message, new RegExp(order.request.model));
        return true;
      });
      await assertFree(worker);
    },
  },
  {
    name: "refuses a job while a load has the device",
    needs: [],
    run: async (harness) => {
      const worker = await harness.common();
      const { model } = harness.subject.shortRequest;
      const order = harness.order(harness.subject.shortRequest);
      let isLoaded = false;
      const loading = worker.client.loadModel({ model, profile: harness.subject.profile }).then(() => {
        isLoaded = true;
      });
      const isRefused = await worker.client.generate(order).then(
        () => false,
        (thrown: unknown) => {
          if (!isBusy(thrown)) throw thrown;
          return true;
        },
      );
      // A load that takes no time may be over before the job comes: then its answer is there first.
      assert.ok(isRefused || isLoaded, "a job was taken while a load had the device");
      await loading;
      if (!isRefused) await worker.client.cancel(order.jobId, order.fence);
      await assertFree(worker);
    },
  },
  {
    name: "a cancel of a job that it does not hold changes nothing",
    needs: [],
    run: async (harness) => {
      const { worker, order } = await beginLong(harness);
      await worker.client.cancel("another-job", order.fence);
      await worker.client.cancel(order.jobId, order.fence + 1);
      assert.equal((await worker.client.attach()).jobId, order.jobId);
      await worker.client.cancel(order.jobId, order.fence);
    },
  },
];
