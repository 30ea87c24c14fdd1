/**
 * Follows the rows of jobs and keeps, for each incident, which jobs it touched and when their owners first got an
 * answer.
 */
import type { EventRow, RowHead } from "../core/events.ts";
import type { IncidentJob } from "../core/ports/event-log.ts";
import type { Database } from "./database.ts";

/** The part of a row that ties its job to an incident. */
type Touch = Pick<RowHead, "atMs" | "workerId"> & Pick<IncidentJob, "jobId" | "because">;

type Answer = "queued_at" | "stood_in_at" | "real_at";

/** The answer that a row of a job gives to whoever waits for it; null where it gives none. */
function answerOf(row: EventRow): Answer | null {
  switch (row.kind) {
    case "job.retried":
    case "job.released":
    case "job.requeued":
      return "queued_at";
    case "job.stoodIn":
      return "stood_in_at";
    case "job.succeeded":
      return row.data.served_by === "real" ? "real_at" : null;
    default:
      return null;
  }
}

function noteAnswer(database: Database, row: EventRow, jobId: string): void {
  const answer = answerOf(row);
  if (answer === null) return;
  database.run(
    `update incidents set ${answer} = ? where ${answer} is null and opened_at <= ?
     and id in (select incident_id from incident_jobs where job_id = ?)`,
    row.atMs,
    row.atMs,
    jobId,
  );
}

/** Ties the job to the incident's story from now on; a job that waits already has its place in the queue. */
export function touchJob(database: Database, incidentId: string, touch: Touch): void {
  const inserted = database.run(
    `insert into incident_jobs (incident_id, job_id, touched_at, because)
     select id, ?, ?, ? from incidents where id = ? on conflict do nothing`,
    touch.jobId,
    touch.atMs,
    touch.because,
    incidentId,
  );
  if (inserted === 0) return;
  const job = database.get<{ state: string }>("select state from jobs where id = ?", touch.jobId);
  if (job?.state !== "queued") return;
  database.run("update incidents set queued_at = ? where id = ? and queued_at is null", touch.atMs, incidentId);
}

/** A worker's rows touch the incidents that are open on it; a stand-in has no worker, and all that are open stand in its way. */
function touchOpen(database: Database, touch: Touch): void {
  const open = database.all<{ id: string }>(
    "select id from incidents where status = 'open' and (worker_id = ? or ? is null)",
    touch.workerId,
    touch.workerId,
  );
  for (const { id } of open) touchJob(database, id, touch);
}

const touching = [
  "job.claimed",
  "job.adopted",
  "job.retried",
  "job.released",
  "job.failed",
  "job.quarantined",
  "job.stoodIn",
] as const;
const answering = ["job.requeued", "job.succeeded"] as const;

/** Keeps `incident_jobs` and the first answers of incidents, in the transaction of each row of a job. */
export function followJobs(database: Database): void {
  database.project(touching, (row) => {
    const { jobId, workerId, atMs, kind } = row;
    if (jobId === null) return;
    // A job that was refused before any worker had it belongs to no incident.
    if (workerId !== null || kind === "job.stoodIn") touchOpen(database, { jobId, workerId, atMs, because: kind });
    noteAnswer(database, row, jobId);
  });
  database.project(answering, (row) => {
    if (row.jobId !== null) noteAnswer(database, row, row.jobId);
  });
}
