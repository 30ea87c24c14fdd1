/**
 * Turns the conformance checks into tests of one worker, so that our workers are held to the checks that we give to
 * others.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/core/clock.ts";
import type { WorkerSubject } from "../../src/workers/conformance/subject.ts";
import { runCheck, workerChecks } from "../../src/workers/conformance/worker-conformance.ts";
import { createWorkerBench, type WorkerHarness } from "../../src/workers/conformance/worker-harness.ts";
import { decodeWithFfmpeg } from "./ffmpeg-decode.ts";

/** The checks as tests. What the worker is expected not to support is named, so that nothing drops out unseen. */
export function describeWorker(subject: WorkerSubject, unsupported: readonly string[] = []): void {
  describe(`the worker ${subject.name}`, () => {
    const clock = createSystemClock();
    let bench: WorkerHarness;
    beforeAll(() => {
      bench = createWorkerBench(subject, clock);
    });
    afterAll(() => {
      bench.end();
      clock.stop();
    });
    it.each(workerChecks.map((check) => [check.name, check] as const))("%s", async (name, check) => {
      const outcome = await runCheck(check, bench, decodeWithFfmpeg);
      if (outcome.kind === "failed") throw outcome.cause;
      expect(outcome.kind).toBe(unsupported.includes(name) ? "unsupported" : "passed");
    });
  });
}
