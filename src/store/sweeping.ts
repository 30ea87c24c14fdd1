/** What time alone does to jobs: deadlines pass, leases run out, and ended jobs are deleted by age and size. */
import type { Retention, SweepResult } from "../core/ports/job-store.ts";
import { cancelHeld } from "./attempt-ends.ts";
import type { Database } from "./database.ts";
import { endAttempt, endedAbout, endJob, type JobRow, queueAgain } from "./job-rows.ts";

const deadlineMessage = "Its deadline passed before its result was ready.";

function expire(database: Database, row: JobRow): void {
  endAttempt(database, { jobId: row.id, fence: row.fence }, "expired");
  endJob(database, row.id, { state: "failed", code: "JOB_DEADLINE_EXCEEDED", message: deadlineMessage });
  database.record({
    kind: "job.expired",
    jobId: row.id,
    workerId: row.worker_id,
    data: { code: "JOB_DEADLINE_EXCEEDED", ...endedAbout(database, row) },
  });
}

function releaseOne(database: Database, row: JobRow, why: string): boolean {
  if (row.is_cancel_requested === 1) {
    cancelHeld(database, row);
    return false;
  }
  endAttempt(database, { jobId: row.id, fence: row.fence }, "released", { message: why });
  queueAgain(database, row.id, database.clock.nowMs());
  database.record({
    kind: "job.released",
    jobId: row.id,
    workerId: row.worker_id,
    data: { fence: row.fence, why, model: row.model },
  });
  return true;
}

/**
 * Takes running jobs from a supervisor that is gone or silent: they go back into the queue, or are cancelled where that
 * was asked for. Returns the ids that wait again.
 */
export function releaseHeld(database: Database, rows: readonly JobRow[], why: string): string[] {
  return rows.filter((row) => releaseOne(database, row, why)).map((row) => row.id);
}

export function sweepJobs(database: Database): SweepResult {
  const nowMs = database.clock.nowMs();
  // A cancel that is under way ends by its own confirmation, or when its lease runs out: the owner asked for that end.
  const overdue = database.all<JobRow>(
    "select * from jobs where state in ('queued', 'running') and deadline_at <= ? and is_cancel_requested = 0",
    nowMs,
  );
  for (const row of overdue) expire(database, row);
  const unrenewed = database.all<JobRow>("select * from jobs where state = 'running' and lease_until <= ?", nowMs);
  const requeued = releaseHeld(database, unrenewed, "its lease ran out");
  return { requeued, expired: overdue.map((row) => row.id) };
}

interface NamedRow {
  readonly job_id: string;
  readonly name: string;
}

/** Deletes by age and by size, oldest first; never a job that is still owed its result. */
export function pruneJobs(database: Database, retention: Retention): { jobCount: number; artifactNames: string[] } {
  const nowMs = database.clock.nowMs();
  const ended = "state in ('succeeded', 'failed', 'cancelled')";
  const standIns = database.all<NamedRow>(
    `select a.job_id, a.name from artifacts a join jobs j on j.id = a.job_id where a.kind = 'stand_in' and a.created_at < ? and j.${ended}`,
    nowMs - retention.standInMaxAgeMs,
  );
  for (const row of standIns) database.run("delete from artifacts where job_id = ? and kind = 'stand_in'", row.job_id);
  const jobs = new Set(
    database
      .all<{ id: string }>(`select id from jobs where ${ended} and ended_at < ?`, nowMs - retention.resultMaxAgeMs)
      .map((row) => row.id),
  );
  const sized = database.all<{ id: string; bytes: number }>(
    `select j.id, sum(a.bytes) as bytes from jobs j join artifacts a on a.job_id = j.id where j.${ended} group by j.id order by j.ended_at desc, j.id`,
  );
  let keptBytes = 0;
  for (const { id, bytes } of sized) {
    keptBytes += bytes;
    if (keptBytes > retention.resultMaxBytes) jobs.add(id);
  }
  // A webhook that is still to be told needs its job; tries are bounded, so the next cleaning takes it.
  const telling = database.all<{ job_id: string }>(
    "select distinct job_id from webhook_deliveries where state = 'pending'",
  );
  for (const { job_id } of telling) jobs.delete(job_id);
  const names = standIns.map((row) => row.name);
  for (const id of jobs) {
    names.push(
      ...database.all<NamedRow>("select job_id, name from artifacts where job_id = ?", id).map((row) => row.name),
    );
    database.run("delete from jobs where id = ?", id);
  }
  if (names.length + jobs.size > 0)
    database.record({ kind: "retention.applied", data: { jobs: jobs.size, files: names.length } });
  return { jobCount: jobs.size, artifactNames: names };
}
