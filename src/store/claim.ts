/**
 * Chooses the next job of a worker and hands it out under a new fence, in one transaction: two workers can never hold
 * the same job.
 */
import type { Suspicion } from "../core/job.ts";
import type { ClaimOutcome, ClaimRequest } from "../core/ports/job-store.ts";
import { minuteMs } from "../core/units.ts";
import type { ModelId } from "../core/words.ts";
import type { Database } from "./database.ts";
import { findJob, type JobRow, suspicionOf, toLease } from "./job-rows.ts";

/**
 * A worker that holds a model may pass over an older job of another model this often, or for this long: a reload takes
 * minutes, and nobody may wait for ever because of it.
 */
const passOverLimits = { count: 3, ms: 10 * minuteMs } as const;

const due = `state = 'queued' and run_at <= ? and deadline_at > ? and model in (select value from json_each(?))`;

interface Candidate extends JobRow {
  readonly passed_over: number;
}

const eligible = `${due} and suspicion_at is null`;

/** For so long a suspect is kept for another worker; when that has not taken it, any may. */
const keptForOthersMs = 10 * minuteMs;

/**
 * Chooses by priority, then by age; the resident model goes first as long as nobody is passed over too often. Suspects come
 * behind them all.
 */
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

type Trial = "here" | "freshProcess" | "elsewhere";

/** Where a suspect is tried again: its next failure must have nothing but the job in common with the one before. */
function trialOf({ workerId, atMs }: Suspicion, model: string, request: ClaimRequest, nowMs: number): Trial {
  if (request.workerId !== workerId) return "here";
  const hasOther = request.otherWorkers.some(({ models }) => models.some((offered) => offered === model));
  if (hasOther && nowMs - atMs < keptForOthersMs) return "elsewhere";
  return request.processBeganAtMs > atMs ? "here" : "freshProcess";
}

/** The suspects that this worker could render, those that wait longest first. */
function chooseSuspect(
  database: Database,
  request: ClaimRequest,
  nowMs: number,
): { readonly row: JobRow; readonly trial: Exclude<Trial, "elsewhere"> } | undefined {
  const suspects = database.all<JobRow>(
    `select * from jobs where ${due} and suspicion_at is not null order by priority desc, run_at, id`,
    nowMs,
    nowMs,
    JSON.stringify(request.models),
  );
  let waiting: JobRow | undefined;
  for (const row of suspects) {
    const suspicion = suspicionOf(row);
    const trial = suspicion === null ? "here" : trialOf(suspicion, row.model, request, nowMs);
    if (trial === "here") return { row, trial };
    if (trial === "freshProcess") waiting ??= row;
  }
  return waiting === undefined ? undefined : { row: waiting, trial: "freshProcess" };
}

function handOut(database: Database, request: ClaimRequest, chosen: JobRow, nowMs: number): ClaimOutcome {
  const { workerId, epoch, leaseMs, processBeganAtMs } = request;
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
    "insert into attempts (job_id, fence, worker_id, epoch, started_at, process_began_at) values (?, ?, ?, ?, ?, ?)",
    chosen.id,
    fence,
    workerId,
    epoch,
    nowMs,
    processBeganAtMs,
  );
  database.record({
    kind: "job.claimed",
    jobId: chosen.id,
    workerId,
    data: { fence, attempt: chosen.attempts + 1, model: chosen.model, waited_ms: nowMs - chosen.run_at },
  });
  const claimed = findJob(database, chosen.id);
  return claimed === undefined ? { kind: "none" } : { kind: "claimed", lease: toLease(database, claimed) };
}

/** Hands the next job to a worker under a new fence, or says why there is none. */
export function claimJob(database: Database, request: ClaimRequest): ClaimOutcome {
  const nowMs = database.clock.nowMs();
  const chosen = chooseJob(database, request, nowMs);
  if (chosen !== undefined) return handOut(database, request, chosen, nowMs);
  const suspect = chooseSuspect(database, request, nowMs);
  if (suspect === undefined) return { kind: "none" };
  if (suspect.trial === "freshProcess") return { kind: "wantsFreshProcess", jobId: suspect.row.id };
  return handOut(database, request, suspect.row, nowMs);
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
