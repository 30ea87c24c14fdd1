import type { EventRow } from "../core/ports/event-log.ts";
import type { Database } from "./database.ts";

interface JobRow extends EventRow {
  readonly jobId: string;
}

type Answer = "queued_at" | "stood_in_at" | "real_at";

/** What a row of a job gives to whoever waits for it; null where it gives nothing. */
function answerOf(row: EventRow): Answer | null {
  switch (row.kind) {
    case "job.retried":
    case "job.released":
    case "job.requeued":
      return "queued_at";
    case "job.stoodIn":
      return "stood_in_at";
    case "job.succeeded":
      return row.data["served_by"] === "real" ? "real_at" : null;
    default:
      return null;
  }
}

function noteAnswer(database: Database, row: JobRow): void {
  const answer = answerOf(row);
  if (answer === null) return;
  database.run(
    `update incidents set ${answer} = ? where ${answer} is null and opened_at <= ?
     and id in (select incident_id from incident_jobs where job_id = ?)`,
    row.atMs,
    row.atMs,
    row.jobId,
  );
}

/** From now on the job belongs to the incident's story; one that waits already has its place in the queue. */
export function touchJob(database: Database, incidentId: string, row: JobRow): void {
  const inserted = database.run(
    `insert into incident_jobs (incident_id, job_id, touched_at, because)
     select id, ?, ?, ? from incidents where id = ? on conflict do nothing`,
    row.jobId,
    row.atMs,
    row.kind,
    incidentId,
  );
  if (inserted === 0) return;
  const job = database.get<{ state: string }>("select state from jobs where id = ?", row.jobId);
  if (job?.state !== "queued") return;
  database.run("update incidents set queued_at = ? where id = ? and queued_at is null", row.atMs, incidentId);
}

/** A worker's rows touch the incidents that are open on it; a stand-in has no worker, and all that are open stand in its way. */
function touchOpen(database: Database, row: JobRow): void {
  const open = database.all<{ id: string }>(
    "select id from incidents where status = 'open' and (worker_id = ? or ? is null)",
    row.workerId,
    row.workerId,
  );
  for (const { id } of open) touchJob(database, id, row);
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
  const asJob = (row: EventRow): JobRow | null => (row.jobId === null ? null : { ...row, jobId: row.jobId });
  database.project(touching, (row) => {
    const job = asJob(row);
    if (job === null) return;
    // A job that was refused before any worker had it belongs to no incident.
    if (row.workerId !== null || row.kind === "job.stoodIn") touchOpen(database, job);
    noteAnswer(database, job);
  });
  database.project(answering, (row) => {
    const job = asJob(row);
    if (job !== null) noteAnswer(database, job);
  });
}
