/**
 * Conformance checks of how a worker ends: what it saves, how soon it goes, and that another process can take its
 * render up.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import type { ProcessExit } from "../../core/ports/worker.ts";
import { secondMs } from "../../core/units.ts";
import { promised, untilCompleted, untilDenoising, untilExited, type WorkerCheck } from "./check.ts";
import type { Decode } from "./subject.ts";
import type { StartedWorker, WorkerHarness } from "./worker-harness.ts";

/** Interrupts the long render at `atStep` and renders it to its end in another process. The steps are counted over both. */
async function resume(
  harness: WorkerHarness,
  decode: Decode,
  atStep: number,
  interrupt: (worker: StartedWorker) => Promise<void>,
): Promise<{ readonly reachedStep: number; readonly resumedFromStep: number; readonly exit: ProcessExit }> {
  const { longRequest } = harness.subject;
  const first = await harness.start();
  await harness.load(first);
  const order = harness.order(longRequest);
  await first.client.generate(order);
  const { step: reachedStep } = await untilDenoising(harness, first, order, atStep);
  await interrupt(first);
  const exit = await untilExited(harness, first);
  assert.equal(existsSync(order.outputPath), false, "an interrupted render leaves no file under the result's name");
  const second = await harness.start();
  await harness.load(second);
  const again = { ...order, fence: order.fence + 1 };
  await second.client.generate(again);
  const report = await untilCompleted(harness, second, again);
  assert.equal(
    report.stepsRendered + report.resumedFromStep,
    longRequest.steps,
    "every step was rendered once in the end",
  );
  const { frames } = await decode(order.outputPath);
  assert.equal(frames, longRequest.frames);
  return { reachedStep, resumedFromStep: report.resumedFromStep, exit };
}

const orphanAfter = ({ subject }: WorkerHarness, limitMs: number): Readonly<Record<string, string>> => ({
  [promised(subject.promises.orphanVariable)]: String(limitMs),
});

const stopWays: readonly (readonly [how: string, stop: (worker: StartedWorker) => Promise<void>])[] = [
  ["shutdown", ({ client }) => client.shutdown("conformance")],
  ["SIGTERM", async (worker) => worker.signal("SIGTERM")],
];

export const endingChecks: readonly WorkerCheck[] = [
  {
    name: "after SIGKILL another process goes on from the last checkpoint and renders only the rest",
    needs: ["checkpointEverySteps"],
    run: async (harness, decode) => {
      const everySteps = promised(harness.subject.promises.checkpointEverySteps);
      const { reachedStep, resumedFromStep } = await resume(harness, decode, everySteps + 1, async (worker) =>
        worker.signal("SIGKILL"),
      );
      assert.ok(resumedFromStep > 0, "nothing was kept");
      assert.ok(
        reachedStep - resumedFromStep <= everySteps,
        `step ${reachedStep} was reached, and only ${resumedFromStep} were kept`,
      );
    },
  },
  ...stopWays.map(
    ([how, stop]): WorkerCheck => ({
      name: `${how} in mid-denoise makes a checkpoint of every step so far, and the process ends with code 0`,
      needs: ["checkpointAtEnd"],
      run: async (harness, decode) => {
        const { reachedStep, resumedFromStep, exit } = await resume(harness, decode, 3, stop);
        assert.deepEqual([exit.code, exit.signal], [0, null]);
        assert.ok(
          resumedFromStep >= reachedStep,
          `step ${reachedStep} was reached, and only ${resumedFromStep} were kept`,
        );
      },
    }),
  ),
  {
    name: "answers shutdown before it ends when it is idle too",
    needs: [],
    run: async (harness) => {
      const worker = await harness.start();
      await worker.client.shutdown("conformance");
      assert.equal((await untilExited(harness, worker)).code, 0);
      assert.equal(worker.deviceFile(), null, "it holds no device any more");
    },
  },
  {
    name: "ends by itself when nobody has connected for its orphan time",
    needs: ["orphanVariable"],
    run: async (harness) => {
      const worker = await harness.spawn(orphanAfter(harness, 300));
      assert.equal((await untilExited(harness, worker)).code, 0);
    },
  },
  {
    name: "while somebody is connected it does not count as an orphan, and a render is finished first",
    needs: ["orphanVariable"],
    run: async (harness) => {
      const worker = await harness.start(orphanAfter(harness, 3 * secondMs));
      await harness.load(worker);
      const order = harness.order(harness.subject.shortRequest);
      await worker.client.generate(order);
      worker.client.close();
      const { code } = await untilExited(harness, worker, harness.subject.timeoutsMs.render + 10 * secondMs);
      assert.equal(code, 0, "an orphan that has finished ends");
      assert.ok(existsSync(order.outputPath), "the render was finished before the end");
    },
  },
];
