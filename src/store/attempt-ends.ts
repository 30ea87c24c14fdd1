/**
 * How an attempt ends in the store: committed, failed, given back or cancelled. Each function checks the fence first,
 * so that an attempt that lost its job writes nothing.
 */
import type { ErrorCode } from "../core/error-codes.ts";
import type { ArtifactRef, AttemptFailure, JobResult, LeaseRef } from "../core/job.ts";
import type { EarlierAlike } from "../core/ports/job-store.ts";
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

const forgetRejected = (database: Database, jobId: string): number =>
  database.run("delete from artifacts where job_id = ? and kind = 'rejected'", jobId);

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
  forgetRejected(database, row.id);
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
function keepSuspicion(database: Database, row: JobRow, { isSuspect, signature }: AttemptFailure): void {
  if (!isSuspect) return;
  database.run(
    "update jobs set suspicion_signature = ?, suspicion_worker_id = ?, suspicion_at = ? where id = ?",
    signature,
    row.worker_id,
    database.clock.nowMs(),
    row.id,
  );
}

/** The newest file that was refused is kept with its job, and goes with it. */
function keepRejected(database: Database, row: JobRow, { rejected, message }: AttemptFailure): void {
  if (rejected === undefined) return;
  forgetRejected(database, row.id);
  insertArtifact(database, row.id, row.fence, rejected, { servedBy: null, reason: message });
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
  keepRejected(database, row, failure);
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

/** A suspect that lost an attempt to its failure has it back; one that lost nothing is only a suspect no longer. */
const chargedCount = (database: Database, jobId: string, signature: string): number =>
  database.get<{ outcome: string | null }>(
    "select outcome from attempts where job_id = ? and signature = ? order by fence desc limit 1",
    jobId,
    signature,
  )?.outcome === "hostLoss"
    ? 0
    : 1;

function acquitJob(database: Database, jobId: string, dueAtMs: number): void {
  const row = findJob(database, jobId);
  const suspicion = row === undefined ? null : suspicionOf(row);
  if (row === undefined || suspicion === null || !unended.has(row.state)) return;
  const attempts = Math.max(0, row.attempts - chargedCount(database, jobId, suspicion.signature));
  database.run(
    `update jobs set suspicion_signature = null, suspicion_worker_id = null, suspicion_at = null, attempts = ?,
     run_at = case state when 'queued' then min(run_at, ?) else run_at end where id = ?`,
    attempts,
    dueAtMs,
    jobId,
  );
  database.record({ kind: "job.acquitted", jobId, data: { signature: suspicion.signature, attempts } });
}

/** Something else was to blame, not these jobs: what their failures cost them is given back. */
export function acquitJobs(database: Database, jobIds: readonly string[], when: "atOnce" | "inItsTime"): void {
  const dueAtMs = when === "atOnce" ? database.clock.nowMs() : Number.MAX_SAFE_INTEGER;
  for (const jobId of jobIds) acquitJob(database, jobId, dueAtMs);
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

const earlierAlike = `select count(distinct worker_id || '/' || process_began_at) as processCount, min(ended_at) as sinceMs from attempts
  where job_id = ?1 and fence < ?2 and signature = ?3 and process_began_at is not null
  and not exists (select 1 from attempts now where now.job_id = ?1 and now.fence = ?2
    and now.worker_id = attempts.worker_id and now.process_began_at = attempts.process_began_at)`;

export function findEarlierAlike(database: Database, { jobId, fence }: LeaseRef, signature: string): EarlierAlike {
  const found = database.get<{ processCount: number; sinceMs: number | null }>(earlierAlike, jobId, fence, signature);
  const other = database.get(
    `select 1 from attempts where outcome = 'succeeded' and job_id <> ?1 and ended_at > ?3
     and worker_id = (select worker_id from attempts where job_id = ?1 and fence = ?2) limit 1`,
    jobId,
    fence,
    found?.sinceMs ?? Number.MAX_SAFE_INTEGER,
  );
  return { processCount: found?.processCount ?? 0, hasOtherSucceeded: other !== undefined };
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
