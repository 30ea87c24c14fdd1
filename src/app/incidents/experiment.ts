/**
 * What is asked right after a job's failure, on the worker on which it failed: a test render, for want of memory the
 * failed phase once more, and which other jobs failed alike. Who is to blame is said by recovery/blame.ts.
 */
import type { Clock } from "../../core/clock.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { ExperimentAnswer, RecoveryTarget } from "../../machines/recovery-types.ts";
import { sameSignatureWithinMs } from "../../recovery/blame.ts";
import { signatureOf } from "../../recovery/signature.ts";
import { canRepeat } from "../../recovery/trials.ts";
import { proveEnvelope, type RecoverPorts, runCanary } from "./recover.ts";

export interface ExperimentPorts extends Omit<RecoverPorts, "jobs"> {
  readonly clock: Pick<Clock, "nowMs">;
  readonly jobs: Pick<JobStore, "get" | "jobsFailedAlike">;
}

export async function experiment(
  ports: ExperimentPorts,
  target: RecoveryTarget,
  signal: AbortSignal,
): Promise<ExperimentAnswer> {
  const { fault } = target;
  const { verdict: testRender, reason } = await runCanary(ports, target, signal);
  const isSizeAsked = testRender === "passed" && fault.code === "GPU_OUT_OF_MEMORY" && canRepeat(fault);
  const failedPhase = isSizeAsked ? (await proveEnvelope(ports, target, signal)).verdict : "unknown";
  const jobIds = await ports.jobs.jobsFailedAlike(signatureOf(fault), ports.clock.nowMs() - sameSignatureWithinMs);
  return { testRender, failedPhase, jobIds, reason };
}
