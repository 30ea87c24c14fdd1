/**
 * Takes new jobs. Submissions that come together share one fsync, so many clients do not wait for the disk one after
 * the other.
 */
import { StoreError } from "../core/errors.ts";
import type { NewJob } from "../core/job.ts";
import type { SubmitOutcome } from "../core/ports/job-store.ts";
import { withoutNulls } from "../core/present.ts";
import type { Database } from "./database.ts";
import { findJob, insertArtifact, type JobRow, specText, toView } from "./job-rows.ts";

interface Waiting {
  readonly job: NewJob;
  readonly resolve: (outcome: SubmitOutcome) => void;
  readonly reject: (thrown: unknown) => void;
}

const insertJob = `insert into jobs (id, state, spec, model, workflow, fallback, api_key_id, idempotency_key, idempotency_body, priority,
  is_simulated, created_at, run_at, deadline_at, webhook_url, retry_of) values (?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

function findRepeated(database: Database, job: NewJob): JobRow | undefined {
  if (job.idempotencyKey === null) return undefined;
  return database.get<JobRow>(
    "select * from jobs where api_key_id = ? and idempotency_key = ?",
    job.apiKeyId,
    job.idempotencyKey,
  );
}

export interface QueueBounds {
  readonly maxQueuedJobs: number;
  readonly maxQueuedJobsPerKey: number;
}

/** The bound that one more job would break; null where there is room. */
function brokenBound(database: Database, { apiKeyId }: NewJob, bounds: QueueBounds): number | null {
  const queued = database.get<{ count: number }>("select count(*) as count from jobs where state = 'queued'");
  if ((queued?.count ?? 0) >= bounds.maxQueuedJobs) return bounds.maxQueuedJobs;
  // While all keys together hold no more than one may, none holds too many.
  if ((queued?.count ?? 0) < bounds.maxQueuedJobsPerKey) return null;
  const own = database.get<{ count: number }>(
    "select count(*) as count from jobs where state = 'queued' and api_key_id = ?",
    apiKeyId,
  );
  return (own?.count ?? 0) >= bounds.maxQueuedJobsPerKey ? bounds.maxQueuedJobsPerKey : null;
}

function submitOne(database: Database, job: NewJob, bounds: QueueBounds): SubmitOutcome {
  const repeated = findRepeated(database, job);
  if (repeated !== undefined) {
    return repeated.idempotency_body === job.idempotencyBody
      ? { kind: "duplicate", job: toView(database, repeated) }
      : { kind: "conflict", jobId: repeated.id };
  }
  const limit = brokenBound(database, job, bounds);
  if (limit !== null) return { kind: "queueFull", limit };
  const nowMs = database.clock.nowMs();
  const { spec } = job;
  database.run(
    insertJob,
    job.id,
    specText(spec),
    spec.request.model,
    spec.workflow,
    spec.consent.fallback,
    job.apiKeyId,
    job.idempotencyKey,
    job.idempotencyBody,
    job.priority,
    job.isSimulated ? 1 : 0,
    nowMs,
    nowMs,
    job.deadlineAtMs,
    job.webhookUrl ?? null,
    job.retryOf ?? null,
  );
  for (const label of new Set(job.labels))
    database.run("insert into job_labels (job_id, label) values (?, ?)", job.id, label);
  if (job.image !== undefined) insertArtifact(database, job.id, 0, job.image, { servedBy: null, reason: null });
  const { width, height, frames, steps, model } = spec.request;
  const asked = { model, width, height, frames, steps, simulated: job.isSimulated };
  const data = { ...asked, ...withoutNulls({ retry_of: job.retryOf }) };
  database.record({ kind: "job.submitted", actor: `client:${job.apiKeyId}`, jobId: job.id, data });
  const row = findJob(database, job.id);
  if (row === undefined) throw new Error("a job that was just written is not there");
  return { kind: "created", job: toView(database, row) };
}

/** Submissions of the same turn of the event loop share one transaction, so one fsync; each is answered after it. */
export function createSubmissions(database: Database, bounds: QueueBounds): (job: NewJob) => Promise<SubmitOutcome> {
  let waiting: Waiting[] = [];
  const writeAll = (batch: readonly Waiting[]): void => {
    try {
      const outcomes = database.write(() => batch.map(({ job }) => submitOne(database, job, bounds)));
      for (const [index, { resolve }] of batch.entries()) resolve(outcomes[index] as SubmitOutcome);
    } catch (thrown) {
      // A defect in one job is answered to that one; the others are written without it.
      if (batch.length > 1 && !(thrown instanceof StoreError)) for (const one of batch) writeAll([one]);
      else for (const { reject } of batch) reject(thrown);
    }
  };
  const flush = (): void => {
    const batch = waiting;
    waiting = [];
    if (batch.length > 0) writeAll(batch);
  };
  database.beforeClose(flush);
  return (job) =>
    new Promise((resolve, reject) => {
      waiting.push({ job, resolve, reject });
      if (waiting.length === 1) void database.clock.turn().then(flush);
    });
}
