/**
 * How an attempt ends in the store: committed, failed, given back or cancelled. Each function checks the fence first,
 * so that an attempt that lost its job writes nothing.
 */
import type { ErrorCode } from "../core/error-codes.ts";
import type { ArtifactRef, AttemptFailure, JobResult, LeaseRef } from "../core/job.ts";
import type { Database } from "./database.ts";
import {
  endAttempt,
  endedAbout,
  endJob,
  findHeld,
  findJob,
  insertArtifact,
  type JobRow,
  queueAgain,
  suspicionOf,
} from "./job-rows.ts";

export interface AttemptLimits {
  readonly quarantineDeaths: number;
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

/**
 * Whether the job failed the same way before, where this attempt had not the same process: then the two have only the job
 * in common.
 */
function isSameFailure(database: Database, row: JobRow, { signature }: AttemptFailure): boolean {
  const suspicion = suspicionOf(row);
  if (suspicion === null || suspicion.signature !== signature) return false;
  if (suspicion.workerId !== row.worker_id) return true;
  const attempt = database.get<{ process_began_at: number | null }>(
    "select process_began_at from attempts where job_id = ? and fence = ?",
    row.id,
    row.fence,
  );
  return (attempt?.process_began_at ?? 0) > suspicion.atMs;
}

function judge(counted: Counted, failure: AttemptFailure, limits: AttemptLimits, isSame: boolean): FailureVerdict {
  const { code, message } = failure;
  const again: FailureVerdict = { kind: "retry", code, message };
  if (failure.kind === "hostLoss") return again;
  const hasAttempt = counted.attempts < limits.maxAttempts;
  if (failure.kind === "death") {
    const isRepeated = counted.deaths >= limits.quarantineDeaths && (isSame || limits.quarantineDeaths === 1);
    if (hasAttempt && !isRepeated) return again;
    const times = counted.deaths === 1 ? "once" : `${counted.deaths} times`;
    return {
      kind: "quarantined",
      code: "JOB_QUARANTINED",
      message: `Its render ended the worker ${times}; the last time: ${message}`,
    };
  }
  if (failure.isRetryable && hasAttempt && !isSame) return again;
  if (!failure.isRetryable) return { kind: "failed", code, message };
  const tried = isSame ? ", the same as before on another worker or in an older process" : "";
  const attempts = counted.attempts === 1 ? "its attempt" : `each of ${counted.attempts} attempts`;
  return {
    kind: "failed",
    code: failure.endCode ?? code,
    message: `It failed in ${attempts}${tried}; the last time: ${message}`,
  };
}

/** A job that may be the cause of its failures carries the newest of them; what the place did to it changes nothing. */
function keepSuspicion(database: Database, row: JobRow, { kind, isSuspect, signature }: AttemptFailure): void {
  if (kind === "hostLoss" || !isSuspect) return;
  database.run(
    "update jobs set suspicion_signature = ?, suspicion_worker_id = ?, suspicion_at = ? where id = ?",
    signature,
    row.worker_id,
    database.clock.nowMs(),
    row.id,
  );
}

/**
 * Ends an attempt without a result. What was not the job's own doing is not charged and never ends it. One that ends its
 * worker the same way again is set aside, one that fails the same way again, or has no try left, fails; any other goes
 * back into the queue.
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
  const verdict = judge(counted, failure, limits, isSameFailure(database, row, failure));
  const { code, message, signature, evidence } = failure;
  endAttempt(database, lease, failure.kind, { code, message, signature, evidence });
  database.run(
    "update jobs set attempts = ?, deaths = ?, host_losses = ? where id = ?",
    counted.attempts,
    counted.deaths,
    counted.hostLosses,
    row.id,
  );
  keepSuspicion(database, row, failure);
  if (verdict.kind === "retry") queueAgain(database, row.id, failure.runAtMs);
  else endJob(database, row.id, { state: verdict.kind, code: verdict.code, message: verdict.message });
  const kind = ({ retry: "job.retried", quarantined: "job.quarantined", failed: "job.failed" } as const)[verdict.kind];
  const data = {
    fence: lease.fence,
    attempt_ended_as: failure.kind,
    code: verdict.code,
    message: verdict.message,
    signature,
    suspect: failure.isSuspect,
    attempts: counted.attempts,
    deaths: counted.deaths,
    host_losses: counted.hostLosses,
    ...endedAbout(database, row),
  };
  database.record({ kind, jobId: row.id, workerId: row.worker_id, data });
  return verdict.kind;
}

const unended = new Set<JobRow["state"]>(["queued", "running"]);

function acquitJob(database: Database, jobId: string): void {
  const row = findJob(database, jobId);
  const suspicion = row === undefined ? null : suspicionOf(row);
  if (row === undefined || suspicion === null || !unended.has(row.state)) return;
  const attempts = Math.max(0, row.attempts - 1);
  const nowMs = database.clock.nowMs();
  database.run(
    `update jobs set suspicion_signature = null, suspicion_worker_id = null, suspicion_at = null, attempts = ?,
     run_at = case state when 'queued' then min(run_at, ?) else run_at end where id = ?`,
    attempts,
    nowMs,
    jobId,
  );
  database.record({ kind: "job.acquitted", jobId, data: { signature: suspicion.signature, attempts } });
}

/** The worker was to blame, not these jobs: what their failures cost them is given back. */
export function acquitJobs(database: Database, jobIds: readonly string[]): void {
  for (const jobId of jobIds) acquitJob(database, jobId);
}

export function hastenJobs(database: Database, jobIds: readonly string[]): void {
  const nowMs = database.clock.nowMs();
  for (const jobId of jobIds)
    database.run("update jobs set run_at = ? where id = ? and state = 'queued' and run_at > ?", nowMs, jobId, nowMs);
}

export const findFailedAlike = (database: Database, signature: string, sinceMs: number): string[] =>
  database
    .all<{ id: string }>(
      "select distinct job_id as id from attempts where signature = ? and ended_at >= ? order by job_id",
      signature,
      sinceMs,
    )
    .map(({ id }) => id);

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
