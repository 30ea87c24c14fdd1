/** The parts of which the conformance checks are built: what a check is, and the waits that they share. */
import type { PromiseName } from "../../contract/worker-promises.ts";
import type { GenerateOrder, ProcessExit, RenderReport, WorkerNotice } from "../../core/ports/worker.ts";
import type { Decode } from "./subject.ts";
import type { SpawnedWorker, StartedWorker, WorkerHarness } from "./worker-harness.ts";

/** One thing that every worker does, or says that it cannot. Rejects with an AssertionError when it does not hold. */
export interface WorkerCheck {
  /** The name is a sentence of behaviour. */
  readonly name: string;
  readonly needs: readonly PromiseName[];
  readonly run: (harness: WorkerHarness, decode: Decode) => Promise<void>;
}

export type Progress = Extract<WorkerNotice, { kind: "progress" }>;
export type Failed = Extract<WorkerNotice, { kind: "failed" }>;

export const isProgressOf =
  (order: GenerateOrder) =>
  (notice: WorkerNotice): notice is Progress =>
    notice.kind === "progress" && notice.jobId === order.jobId && notice.fence === order.fence;

/** The promise that a check needs; `runCheck` has looked before that it is there. */
export function promised<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("a check asked for a promise that it does not name in `needs`");
  return value;
}

export function untilCompleted(
  harness: WorkerHarness,
  worker: StartedWorker,
  order: GenerateOrder,
): Promise<RenderReport> {
  return harness.until(
    `job ${order.jobId} completes`,
    () => {
      for (const notice of worker.notices) {
        if (notice.kind === "completed" && notice.report.jobId === order.jobId) return notice.report;
        if (notice.kind === "failed" && notice.jobId === order.jobId)
          throw new Error(
            `the job failed in ${notice.failure.phase}: ${notice.failure.exceptionType}: ${notice.failure.message}`,
          );
      }
      return null;
    },
    harness.subject.timeoutsMs.render,
  );
}

export function untilFailed(harness: WorkerHarness, worker: StartedWorker, order: GenerateOrder): Promise<Failed> {
  return harness.until(
    `job ${order.jobId} fails`,
    () =>
      worker.notices.find((notice): notice is Failed => notice.kind === "failed" && notice.jobId === order.jobId) ??
      null,
    harness.subject.timeoutsMs.render,
  );
}

/** Waits for the end of a process. A worker that does not end breaks its check, and does not hold it up. */
export async function untilExited(
  harness: WorkerHarness,
  { exited }: SpawnedWorker,
  limitMs = harness.subject.timeoutsMs.start,
): Promise<ProcessExit> {
  let exit: ProcessExit | null = null;
  void exited.then((ended) => {
    exit = ended;
  });
  return harness.until("the process ends", () => exit, limitMs);
}

/** Resolves with the first progress of the denoise phase at or after this step. */
export function untilDenoising(
  harness: WorkerHarness,
  worker: StartedWorker,
  order: GenerateOrder,
  step = 1,
): Promise<Progress> {
  return harness.until(
    `job ${order.jobId} denoises step ${step}`,
    () =>
      worker.notices.filter(isProgressOf(order)).find((notice) => notice.phase === "denoise" && notice.step >= step) ??
      null,
    harness.subject.timeoutsMs.render,
  );
}
