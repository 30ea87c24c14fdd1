/**
 * Chooses the next job of a worker and hands it out under a new fence, in one transaction: two workers can never hold
 * the same job.
 */
import type { Lease } from "../core/job.ts";
import type { ClaimRequest } from "../core/ports/job-store.ts";
import { minuteMs } from "../core/units.ts";
import type { ModelId } from "../core/words.ts";
import type { Database } from "./database.ts";
import { findJob, type JobRow, toLease } from "./job-rows.ts";

/**
 * A worker that holds a model may pass over an older job of another model this often, or for this long: a reload takes
 * minutes, and nobody may wait for ever because of it.
 */
const passOverLimits = { count: 3, ms: 10 * minuteMs } as const;

const eligible = `state = 'queued' and run_at <= ? and deadline_at > ? and model in (select value from json_each(?))`;

interface Candidate extends JobRow {
  readonly passed_over: number;
}

/** Chooses by priority, then by age; the resident model goes first as long as nobody is passed over too often. */
function chooseJob(database: Database, request: ClaimRequest, nowMs: number): Candidate | undefined {
  const models = JSON.stringify(request.models);
  const oldest = database.get<Candidate>(
    `select * from jobs where ${eligible} order by priority desc, created_at, id limit 1`,
    nowMs,
    nowMs,
    models,
  );
  if (oldest === undefined || request.residentModel === null || oldest.model === request.residentModel) return oldest;
  if (oldest.passed_over >= passOverLimits.count || nowMs - oldest.created_at >= passOverLimits.ms) return oldest;
  const resident = database.get<Candidate>(
    `select * from jobs where ${eligible} and model = ? and priority = ? order by created_at, id limit 1`,
    nowMs,
    nowMs,
    models,
    request.residentModel,
    oldest.priority,
  );
  if (resident === undefined) return oldest;
  database.run("update jobs set passed_over = passed_over + 1 where id = ?", oldest.id);
  return resident;
}

/** Hands the next job to a worker under a new fence; null when nothing can be claimed. */
export function claimJob(database: Database, request: ClaimRequest): Lease | null {
  const nowMs = database.clock.nowMs();
  const chosen = chooseJob(database, request, nowMs);
  if (chosen === undefined) return null;
  const { workerId, epoch, leaseMs } = request;
  database.run(
    `update jobs set state = 'running', fence = fence + 1, worker_id = ?, epoch = ?, lease_until = ?, started_at = coalesce(started_at, ?),
     passed_over = 0 where id = ?`,
    workerId,
    epoch,
    nowMs + leaseMs,
    nowMs,
    chosen.id,
  );
  const fence = chosen.fence + 1;
  database.run(
    "insert into attempts (job_id, fence, worker_id, epoch, started_at) values (?, ?, ?, ?, ?)",
    chosen.id,
    fence,
    workerId,
    epoch,
    nowMs,
  );
  database.record({
    kind: "job.claimed",
    jobId: chosen.id,
    workerId,
    data: { fence, attempt: chosen.attempts + 1, model: chosen.model, waited_ms: nowMs - chosen.run_at },
  });
  const claimed = findJob(database, chosen.id);
  return claimed === undefined ? null : toLease(database, claimed);
}

/** When the next queued job of these models becomes due after that moment; null when none waits for its time. */
export function findNextDueAtMs(database: Database, models: readonly ModelId[], afterMs: number): number | null {
  const row = database.get<{ due: number | null }>(
    "select min(run_at) as due from jobs where state = 'queued' and run_at > ? and model in (select value from json_each(?))",
    afterMs,
    JSON.stringify(models),
  );
  return row?.due ?? null;
}
