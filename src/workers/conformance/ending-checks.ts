import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import type { ProcessExit } from "../../core/ports/worker.ts";
import { secondMs } from "../../core/units.ts";
import type { StartedWorker, WorkerBench } from "./bench.ts";
import { promised, untilCompleted, untilDenoising, untilExited, type WorkerCheck } from "./check.ts";
import type { Decode } from "./subject.ts";

/** Interrupts the long render at `atStep` and renders it to its end in another process. The steps are counted over both. */
async function resume(
  bench: WorkerBench,
  decode: Decode,
  atStep: number,
  interrupt: (worker: StartedWorker) => Promise<void>,
): Promise<{ readonly reachedStep: number; readonly resumedFromStep: number; readonly exit: ProcessExit }> {
  const { longRequest } = bench.subject;
  const first = await bench.start();
  await bench.load(first);
  const order = bench.order(longRequest);
  await first.client.generate(order);
  const { step: reachedStep } = await untilDenoising(bench, first, order, atStep);
  await interrupt(first);
  const exit = await untilExited(bench, first);
  assert.equal(existsSync(order.outputPath), false, "an interrupted render leaves no file under the result's name");
  const second = await bench.start();
  await bench.load(second);
  const again = { ...order, fence: order.fence + 1 };
  await second.client.generate(again);
  const report = await untilCompleted(bench, second, again);
  assert.equal(
    report.stepsRendered + report.resumedFromStep,
    longRequest.steps,
    "every step was rendered once in the end",
  );
  const { frames } = await decode(order.outputPath);
  assert.equal(frames, longRequest.frames);
  return { reachedStep, resumedFromStep: report.resumedFromStep, exit };
}

const orphanAfter = ({ subject }: WorkerBench, limitMs: number): Readonly<Record<string, string>> => ({
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
    run: async (bench, decode) => {
      const everySteps = promised(bench.subject.promises.checkpointEverySteps);
      const { reachedStep, resumedFromStep } = await resume(bench, decode, everySteps + 1, async (worker) =>
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
      run: async (bench, decode) => {
        const { reachedStep, resumedFromStep, exit } = await resume(bench, decode, 3, stop);
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
    run: async (bench) => {
      const worker = await bench.start();
      await worker.client.shutdown("conformance");
      assert.equal((await untilExited(bench, worker)).code, 0);
      assert.equal(worker.deviceFile(), null, "it holds no device any more");
    },
  },
  {
    name: "ends by itself when nobody has connected for its orphan time",
    needs: ["orphanVariable"],
    run: async (bench) => {
      const worker = await bench.spawn(orphanAfter(bench, 300));
      assert.equal((await untilExited(bench, worker)).code, 0);
    },
  },
  {
    name: "while somebody is connected it does not count as an orphan, and a render is finished first",
    needs: ["orphanVariable"],
    run: async (bench) => {
      const worker = await bench.start(orphanAfter(bench, 3 * secondMs));
      await bench.load(worker);
      const order = bench.order(bench.subject.shortRequest);
      await worker.client.generate(order);
      worker.client.close();
      const { code } = await untilExited(bench, worker, bench.subject.patienceMs.render + 10 * secondMs);
      assert.equal(code, 0, "an orphan that has finished ends");
      assert.ok(existsSync(order.outputPath), "the render was finished before the end");
    },
  },
];
