/**
 * How an attempt ends in the store: committed, failed, given back or cancelled. Each function checks the fence first,
 * so that an attempt that lost its job writes nothing.
 */
import type { ErrorCode } from "../core/error-codes.ts";
import type { ArtifactRef, AttemptFailure, JobResult, LeaseRef } from "../core/job.ts";
import type { Database } from "./database.ts";
import { endAttempt, endedAbout, endJob, findHeld, insertArtifact, type JobRow, queueAgain } from "./job-rows.ts";

export interface AttemptLimits {
  readonly quarantineDeaths: number;
  readonly hostLossLimit: number;
  readonly maxAttempts: number;
}

export function cancelHeld(database: Database, row: JobRow): void {
  endAttempt(database, { jobId: row.id, fence: row.fence }, "cancelled");
  endJob(database, row.id, { state: "cancelled" });
  database.record({
    kind: "job.cancelled",
    jobId: row.id,
    workerId: row.worker_id,
    data: { fence: row.fence, ...endedAbout(database, row) },
  });
}

export function commitResult(
  database: Database,
  lease: LeaseRef,
  artifact: ArtifactRef,
  result: JobResult,
  thumbnail: ArtifactRef | undefined,
): "ok" | "stale" | "cancelled" {
  const row = findHeld(database, lease);
  if (row === undefined) return "stale";
  if (row.is_cancel_requested === 1) {
    cancelHeld(database, row);
    return "cancelled";
  }
  if (!insertArtifact(database, row.id, lease.fence, artifact, { servedBy: result.servedBy, reason: null }))
    return "stale";
  if (thumbnail !== undefined) {
    database.run("delete from artifacts where job_id = ? and kind = 'thumbnail'", row.id);
    insertArtifact(database, row.id, lease.fence, thumbnail, { servedBy: result.servedBy, reason: null });
  }
  endAttempt(database, lease, "succeeded");
  endJob(database, row.id, { state: "succeeded", result });
  database.record({
    kind: "job.succeeded",
    jobId: row.id,
    workerId: row.worker_id,
    data: {
      fence: lease.fence,
      served_by: result.servedBy.kind,
      simulated: result.servedBy.isSimulated,
      sha256: artifact.sha256,
      steps_rendered: result.stepsRendered,
      render_ms: result.renderMs,
      changed: result.changes.length > 0,
      ...endedAbout(database, row),
    },
  });
  return "ok";
}

interface Counted {
  readonly attempts: number;
  readonly deaths: number;
  readonly hostLosses: number;
}

interface FailureVerdict {
  readonly kind: "retry" | "quarantined" | "failed";
  readonly code: ErrorCode;
  readonly message: string;
}

function judge(counted: Counted, failure: AttemptFailure, limits: AttemptLimits): FailureVerdict {
  const { code, message } = failure;
  if (counted.deaths >= limits.quarantineDeaths) {
    return {
      kind: "quarantined",
      code: "JOB_QUARANTINED",
      message: `Its render ended the worker ${counted.deaths} times; the last time: ${message}`,
    };
  }
  if (counted.hostLosses >= limits.hostLossLimit) {
    return {
      kind: "failed",
      code: "HOST_UNSTABLE",
      message: `Workers died under it ${counted.hostLosses} times through no fault of its own.`,
    };
  }
  if (failure.kind === "error" && (!failure.isRetryable || counted.attempts >= limits.maxAttempts))
    return { kind: "failed", code, message };
  return { kind: "retry", code, message };
}

/**
 * Ends an attempt without a result. A job that has ended its worker twice is set aside, so that it cannot end every
 * worker; one that lost its hosts or its tries too often fails; any other goes back into the queue.
 */
export function failAttempt(
  database: Database,
  lease: LeaseRef,
  failure: AttemptFailure,
  limits: AttemptLimits,
): "retry" | "quarantined" | "failed" | "cancelled" | "stale" {
  const row = findHeld(database, lease);
  if (row === undefined) return "stale";
  if (row.is_cancel_requested === 1) {
    cancelHeld(database, row);
    return "cancelled";
  }
  const counted = {
    attempts: row.attempts + (failure.kind === "hostLoss" ? 0 : 1),
    deaths: row.deaths + (failure.kind === "death" ? 1 : 0),
    hostLosses: row.host_losses + (failure.kind === "hostLoss" ? 1 : 0),
  };
  const verdict = judge(counted, failure, limits);
  endAttempt(database, lease, failure.kind, {
    code: failure.code,
    message: failure.message,
    evidence: failure.evidence,
  });
  database.run(
    "update jobs set attempts = ?, deaths = ?, host_losses = ? where id = ?",
    counted.attempts,
    counted.deaths,
    counted.hostLosses,
    row.id,
  );
  if (verdict.kind === "retry") queueAgain(database, row.id, failure.runAtMs);
  else endJob(database, row.id, { state: verdict.kind, code: verdict.code, message: verdict.message });
  const kind = ({ retry: "job.retried", quarantined: "job.quarantined", failed: "job.failed" } as const)[verdict.kind];
  const { attempts, deaths, hostLosses: host_losses } = counted;
  const { code, message } = verdict;
  const about = endedAbout(database, row);
  const data = {
    fence: lease.fence,
    attempt_ended_as: failure.kind,
    code,
    message,
    attempts,
    deaths,
    host_losses,
    ...about,
  };
  database.record({ kind, jobId: row.id, workerId: row.worker_id, data });
  return verdict.kind;
}

export function releaseAttempt(
  database: Database,
  lease: LeaseRef,
  why: string,
  runAtMs: number,
): "ok" | "cancelled" | "stale" {
  const row = findHeld(database, lease);
  if (row === undefined) return "stale";
  if (row.is_cancel_requested === 1) {
    cancelHeld(database, row);
    return "cancelled";
  }
  endAttempt(database, lease, "released", { message: why });
  queueAgain(database, row.id, runAtMs);
  database.record({
    kind: "job.released",
    jobId: row.id,
    workerId: row.worker_id,
    data: { fence: lease.fence, why, model: row.model },
  });
  return "ok";
}
