/** The queue on SQLite: everything that may happen to a job is one transaction here, with the row that tells of it. */
import type { JobResult, JobView, RenderPlan } from "../core/job.ts";
import type { JobQuery, JobStanding, JobStore } from "../core/ports/job-store.ts";
import { withoutNulls } from "../core/present.ts";
import { endedJobStates, type JobState, jobStates } from "../core/words.ts";
import {
  type AttemptLimits,
  acquitJobs,
  cancelHeld,
  commitResult,
  failAttempt,
  findEarlierAlike,
  findFailedAlike,
  hastenJobs,
  releaseAttempt,
} from "./attempt-ends.ts";
import { claimJob, findNextDueAtMs } from "./claim.ts";
import type { Database } from "./database.ts";
import {
  artifactsOf,
  endedAbout,
  endJob,
  findArtifactRow,
  findHeld,
  findJob,
  insertArtifact,
  type JobRow,
  toLease,
  toView,
} from "./job-rows.ts";
import { findOpenJobs, findStandInsSeen } from "./open-jobs.ts";
import { createSubmissions } from "./submissions.ts";
import { pruneJobs, releaseHeld, sweepJobs } from "./sweeping.ts";

export interface JobLimits extends AttemptLimits {
  readonly maxQueuedJobs: number;
  readonly maxQueuedJobsPerKey: number;
}

interface Position {
  readonly createdAtMs: number;
  readonly id: string;
}

const encodeCursor = ({ createdAtMs, id }: Position): string => `${createdAtMs}.${id}`;

const beforeAll: Position = { createdAtMs: -1, id: "" };

function decodeCursor(cursor: string | undefined): Position {
  const match = /^(\d{1,16})\.(.{1,64})$/.exec(cursor ?? "");
  if (match?.[1] === undefined || match[2] === undefined) return { createdAtMs: Number.MAX_SAFE_INTEGER, id: "" };
  return { createdAtMs: Number(match[1]), id: match[2] };
}

const listed = (beyond: "<" | ">", direction: "asc" | "desc"): string => `select * from jobs j
  where state in (select value from json_each(?)) and (created_at ${beyond} ? or (created_at = ? and id ${beyond} ?))
  and created_at between ? and ? and model = coalesce(?, model) and not exists (
    select 1 from json_each(?) wanted where not exists (select 1 from job_labels l where l.job_id = j.id and l.label = wanted.value)
  ) order by created_at ${direction}, id ${direction} limit ?`;

function listJobs(database: Database, query: JobQuery): { jobs: JobView[]; cursor: string | null } {
  const isOldestFirst = query.isOldestFirst === true;
  const from = query.after ?? (query.cursor === undefined && isOldestFirst ? beforeAll : decodeCursor(query.cursor));
  const rows = database.all<JobRow>(
    isOldestFirst ? listed(">", "asc") : listed("<", "desc"),
    JSON.stringify(query.states ?? jobStates),
    from.createdAtMs,
    from.createdAtMs,
    from.id,
    query.fromMs ?? 0,
    query.untilMs ?? Number.MAX_SAFE_INTEGER,
    query.model ?? null,
    JSON.stringify(query.labels ?? []),
    query.limit + 1,
  );
  const page = rows.slice(0, query.limit);
  const last = page.at(-1);
  const cursor =
    rows.length > query.limit && last !== undefined
      ? encodeCursor({ createdAtMs: last.created_at, id: last.id })
      : null;
  return { jobs: page.map((row) => toView(database, row)), cursor };
}

/** What the claim goes by, as one comparable value: the least is next, and suspects come behind everybody. */
const turnOf = (jobs: string): string =>
  `${jobs}.suspicion_at is not null, -${jobs}.priority,
   case when ${jobs}.suspicion_at is null then ${jobs}.created_at else ${jobs}.run_at end, ${jobs}.id`;

function findStanding(database: Database, jobId: string): JobStanding | null {
  const row = findJob(database, jobId);
  if (row === undefined) return null;
  const ahead = database.get<{ count: number }>(
    `select count(*) as count from jobs own join jobs j on j.state = 'queued' and (${turnOf("j")}) < (${turnOf("own")})
     where own.id = ?`,
    jobId,
  );
  const incident = database.get<{ id: string }>(
    "select incident_id as id from incident_jobs where job_id = ? order by touched_at desc, rowid desc limit 1",
    jobId,
  );
  return { aheadCount: row.state === "queued" ? (ahead?.count ?? 0) : null, incidentId: incident?.id ?? null };
}

function cancelJob(database: Database, jobId: string, by: string): "cancelled" | "requested" | "ended" | "absent" {
  const row = findJob(database, jobId);
  if (row === undefined) return "absent";
  if (row.state === "queued") {
    endJob(database, jobId, { state: "cancelled" });
    database.record({ kind: "job.cancelled", actor: by, jobId, data: endedAbout(database, row) });
    return "cancelled";
  }
  if (row.state !== "running") return "ended";
  if (row.is_cancel_requested === 0) {
    database.run("update jobs set is_cancel_requested = 1 where id = ?", jobId);
    database.record({ kind: "job.cancelRequested", actor: by, jobId, workerId: row.worker_id, data: {} });
  }
  return "requested";
}

function requeueJob(database: Database, jobId: string, by: string): "ok" | "refused" | "absent" {
  const row = findJob(database, jobId);
  if (row === undefined) return "absent";
  if (row.state !== "quarantined") return "refused";
  const nowMs = database.clock.nowMs();
  const spanMs = Math.max(0, row.deadline_at - row.created_at);
  database.run(
    `update jobs set state = 'queued', attempts = 0, deaths = 0, host_losses = 0,
     suspicion_signature = null, suspicion_worker_id = null, suspicion_at = null, ended_at = null, error_code = null, error_message = null,
     is_cancel_requested = 0, passed_over = 0, worker_id = null, run_at = ?, deadline_at = ? where id = ?`,
    nowMs,
    nowMs + spanMs,
    jobId,
  );
  database.record({ kind: "job.requeued", actor: by, jobId, data: { from: row.state } });
  return "ok";
}

function dropJob(database: Database, jobId: string, by: string): "ok" | "refused" | "absent" {
  const row = findJob(database, jobId);
  if (row === undefined) return "absent";
  if (row.state !== "quarantined") return "refused";
  // The retention counts from now: until then an operator had to see it.
  database.run("update jobs set state = 'failed', ended_at = ? where id = ?", database.clock.nowMs(), jobId);
  database.record({ kind: "job.dropped", actor: by, jobId, data: { code: row.error_code } });
  return "ok";
}

type QueuedEnd = Parameters<JobStore["endQueued"]>[1];

function endQueuedJob(database: Database, jobId: string, end: QueuedEnd): "ok" | "refused" | "absent" {
  const row = findJob(database, jobId);
  if (row === undefined) return "absent";
  if (row.state !== "queued") return "refused";
  if (end.kind === "failed") {
    endJob(database, jobId, { state: "failed", code: end.code, message: end.message });
    database.record({
      kind: "job.failed",
      jobId,
      data: { code: end.code, message: end.message, ...endedAbout(database, row) },
    });
    return "ok";
  }
  const standIn = artifactsOf(database, jobId).find((artifact) => artifact.kind === "stand_in");
  if (standIn === undefined) return "refused";
  const result: JobResult = end.result;
  endJob(database, jobId, { state: "succeeded", result });
  const data = {
    served_by: result.servedBy.kind,
    simulated: result.servedBy.isSimulated,
    sha256: standIn.sha256,
    changed: false,
    ...endedAbout(database, row),
  };
  database.record({ kind: "job.succeeded", jobId, data });
  return "ok";
}

type Attachment = Parameters<JobStore["attach"]>;

function attachArtifact(
  database: Database,
  jobId: Attachment[0],
  artifact: Attachment[1],
  about: Attachment[2],
): "ok" | "duplicate" | "refused" | "absent" {
  const row = findJob(database, jobId);
  if (row === undefined) return "absent";
  // A result enters by `commit` only, under a fence.
  if (artifact.kind === "result") return "refused";
  const hasResult = artifactsOf(database, jobId).some((known) => known.kind === "result");
  if (
    artifact.kind === "stand_in" &&
    (hasResult || (endedJobStates.includes(row.state) && row.state !== "quarantined"))
  )
    return "refused";
  if (!insertArtifact(database, jobId, row.fence, artifact, about)) return "duplicate";
  const kind = artifact.kind === "stand_in" ? "job.stoodIn" : "job.thumbnailed";
  database.record({
    kind,
    jobId,
    data: { sha256: artifact.sha256, ...withoutNulls({ reason: about.reason }) },
  });
  return "ok";
}

function removeJob(database: Database, jobId: string, by: string): Awaited<ReturnType<JobStore["remove"]>> {
  const row = findJob(database, jobId);
  if (row === undefined) return { kind: "absent" };
  if (!endedJobStates.includes(row.state)) return { kind: "refused" };
  const artifacts = artifactsOf(database, jobId);
  database.run("delete from jobs where id = ?", jobId);
  database.record({ kind: "job.removed", actor: by, jobId, data: { state: row.state } });
  return { kind: "removed", artifacts };
}

function renewLease(
  database: Database,
  lease: { jobId: string; fence: number },
  leaseMs: number,
): "ok" | "cancel" | "lost" {
  const row = findHeld(database, lease);
  if (row === undefined) return "lost";
  database.run("update jobs set lease_until = ? where id = ?", database.clock.nowMs() + leaseMs, lease.jobId);
  return row.is_cancel_requested === 1 ? "cancel" : "ok";
}

function notePlan(database: Database, lease: { jobId: string; fence: number }, plan: RenderPlan): "ok" | "stale" {
  const row = findHeld(database, lease);
  if (row === undefined) return "stale";
  database.run(
    "update attempts set plan = ? where job_id = ? and fence = ?",
    JSON.stringify(plan),
    lease.jobId,
    lease.fence,
  );
  const changes = plan.changes.map(({ field, from, to, why }) => ({ field, from, to, why }));
  database.record({
    kind: "job.changed",
    jobId: row.id,
    workerId: row.worker_id,
    data: { fence: lease.fence, changes },
  });
  return "ok";
}

function adoptJob(
  database: Database,
  jobId: string,
  fence: number,
  epoch: number,
  leaseMs: number,
): Awaited<ReturnType<JobStore["adopt"]>> {
  const row = findHeld(database, { jobId, fence });
  if (row === undefined) return "stale";
  database.run(
    "update jobs set epoch = ?, lease_until = ? where id = ?",
    epoch,
    database.clock.nowMs() + leaseMs,
    jobId,
  );
  database.record({ kind: "job.adopted", jobId, workerId: row.worker_id, data: { fence } });
  const adopted = findJob(database, jobId);
  return adopted === undefined ? "stale" : toLease(database, adopted);
}

const awaitingStandIn = `select * from jobs j where state = 'queued' and fallback <> 'wait' and is_cancel_requested = 0
  and (model in (select value from json_each(?1)) or id in (select value from json_each(?3)))
  and not exists (select 1 from artifacts a where a.job_id = j.id and a.kind = 'stand_in') order by created_at, id limit ?2`;

function confirmCancel(database: Database, lease: { jobId: string; fence: number }): "ok" | "stale" {
  const row = findHeld(database, lease);
  if (row === undefined) return "stale";
  cancelHeld(database, row);
  return "ok";
}

function countJobs(database: Database): Record<JobState, number> {
  const rows = database.all<{ state: JobState; count: number }>(
    "select state, count(*) as count from jobs group by state",
  );
  const zero = Object.fromEntries(jobStates.map((state) => [state, 0])) as Record<JobState, number>;
  return { ...zero, ...Object.fromEntries(rows.map((row) => [row.state, row.count])) };
}

/** The durable life of jobs on SQLite. The work is synchronous; the promises are the port's, for engines that are not. */
export function createJobStore(database: Database, limits: JobLimits): JobStore {
  return {
    submit: createSubmissions(database, limits),
    claim: async (request) => database.write(() => claimJob(database, request)),
    nextDueAtMs: async (models, afterMs) => database.read(() => findNextDueAtMs(database, models, afterMs)),
    notePlan: async (lease, plan) => database.write(() => notePlan(database, lease, plan)),
    renew: async (lease, leaseMs) => database.write(() => renewLease(database, lease, leaseMs)),
    commit: async (lease, artifact, result, thumbnail) =>
      database.write(() => commitResult(database, lease, artifact, result, thumbnail)),
    fail: async (lease, failure) => database.write(() => failAttempt(database, lease, failure, limits)),
    release: async (lease, why, runAtMs) =>
      database.write(() => releaseAttempt(database, lease, why, runAtMs ?? database.clock.nowMs())),
    cancel: async (jobId, by) => database.write(() => cancelJob(database, jobId, by)),
    confirmCancel: async (lease) => database.write(() => confirmCancel(database, lease)),
    hasten: async (jobIds) => database.write(() => hastenJobs(database, jobIds)),
    acquit: async (jobIds, when) => database.write(() => acquitJobs(database, jobIds, when)),
    earlierAlike: async (lease, signature) => database.read(() => findEarlierAlike(database, lease, signature)),
    jobsFailedAlike: async (signature, sinceMs) => database.read(() => findFailedAlike(database, signature, sinceMs)),
    endQueued: async (jobId, end) => database.write(() => endQueuedJob(database, jobId, end)),
    requeue: async (jobId, by) => database.write(() => requeueJob(database, jobId, by)),
    drop: async (jobId, by) => database.write(() => dropJob(database, jobId, by)),
    attach: async (jobId, artifact, about) => database.write(() => attachArtifact(database, jobId, artifact, about)),
    adopt: async (jobId, fence, epoch, leaseMs) =>
      database.write(() => adoptJob(database, jobId, fence, epoch, leaseMs)),
    releaseOlderEpochs: async (epoch) =>
      database.write(() => {
        const rows = database.all<JobRow>("select * from jobs where state = 'running' and epoch < ?", epoch);
        return releaseHeld(database, rows, "its supervisor ended");
      }),
    sweep: async () => database.write(() => sweepJobs(database)),
    remove: async (jobId, by) => database.write(() => removeJob(database, jobId, by)),
    get: async (jobId) =>
      database.read(() => {
        const row = findJob(database, jobId);
        return row === undefined ? null : toView(database, row);
      }),
    standingOf: async (jobId) => database.read(() => findStanding(database, jobId)),
    waitingSinceMs: async () =>
      database.read(() => {
        const sql = "select min(run_at) as since from jobs where state = 'queued' and run_at <= ?";
        return database.get<{ since: number | null }>(sql, database.clock.nowMs())?.since ?? null;
      }),
    list: async (query) => database.read(() => listJobs(database, query)),
    counts: async () => database.read(() => countJobs(database)),
    openJobs: async (ids) => database.read(() => findOpenJobs(database, ids)),
    listAwaitingStandIn: async (limit, { models, jobIds }) =>
      database.read(() =>
        database
          .all<JobRow>(awaitingStandIn, JSON.stringify(models), limit, JSON.stringify(jobIds))
          .map((row) => toView(database, row)),
      ),
    standInsSeen: async (models, sinceMs) => database.read(() => findStandInsSeen(database, models, sinceMs)),
    findArtifact: async (sha256) => database.read(() => findArtifactRow(database, sha256)),
    listArtifactNames: async () =>
      database.read(() => new Set(database.all<{ name: string }>("select name from artifacts").map((row) => row.name))),
    prune: async (retention) => database.write(() => pruneJobs(database, retention)),
  };
}
