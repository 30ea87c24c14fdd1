/** The queue as those see it who wait in it: who goes before whom, and who has something to see meanwhile. */
import type { OpenJob, StandInsSeen } from "../core/ports/job-store.ts";
import { ownWaitOf } from "../core/wait-reason.ts";
import type { Database } from "./database.ts";

const facts = `select j.id, j.state = 'queued' as is_queued, j.model, json_extract(spec, '$.request.width') as width,
    json_extract(spec, '$.request.height') as height, json_extract(spec, '$.request.frames') as frames,
    json_extract(spec, '$.request.steps') as steps, priority, created_at, run_at, fallback,
    suspicion_at is not null as is_suspect, a.ended_at as given_back_at, a.message as given_back_why
  from jobs j left join attempts a on a.job_id = j.id and a.fence = j.fence and j.state = 'queued'`;
const isOpen = "j.state in ('queued', 'running')";

interface OpenJobRow extends Omit<OpenJob, "isQueued" | "createdAtMs" | "dueAtMs" | "isSuspect" | "wait"> {
  readonly is_queued: number;
  readonly created_at: number;
  readonly run_at: number;
  readonly is_suspect: number;
  readonly given_back_at: number | null;
  readonly given_back_why: string | null;
}

function toOpenJob(found: OpenJobRow): OpenJob {
  const { is_queued, created_at, run_at, is_suspect, given_back_at, given_back_why, ...row } = found;
  return {
    ...row,
    isQueued: is_queued === 1,
    createdAtMs: created_at,
    dueAtMs: run_at,
    isSuspect: is_suspect === 1,
    wait: ownWaitOf({ endedAtMs: given_back_at, message: given_back_why }, run_at),
  };
}

export function findOpenJobs(database: Database, ids: readonly string[] | null): readonly OpenJob[] {
  const rows =
    ids === null
      ? database.all<OpenJobRow>(`${facts} where ${isOpen}`)
      : database.all<OpenJobRow>(
          // The plus keeps the planner at the ids: there may be thousands in the queue.
          `${facts} where j.id in (select value from json_each(?)) and +${isOpen}`,
          JSON.stringify(ids),
        );
  return rows.map(toOpenJob);
}

const standIns = `select coalesce(sum(name is not null), 0) as withCount, coalesce(sum(name is null), 0) as withoutCount,
    max(name) filter (where seen_at = newest_at) as newestName
  from (select a.name, a.created_at as seen_at, max(a.created_at) over () as newest_at from jobs j
    left join artifacts a on a.job_id = j.id and a.kind = 'stand_in'
    where fallback in ('stand_in_then_real', 'stand_in') and model in (select value from json_each(?))
      and (state = 'queued' or (fallback = 'stand_in' and state = 'succeeded' and ended_at >= ?)))`;

/** A job that ended by its stand-in counts as one that has one, when that was not before then. */
export const findStandInsSeen = (database: Database, models: readonly string[], sinceMs: number): StandInsSeen =>
  database.get<StandInsSeen>(standIns, JSON.stringify(models), sinceMs) ?? {
    withCount: 0,
    withoutCount: 0,
    newestName: null,
  };
