/** The queue as those see it who wait in it: who goes before whom, and who has something to see meanwhile. */
import type { OpenJob, StandInCounts } from "../core/ports/job-store.ts";
import type { Database } from "./database.ts";

const facts = `select id, state = 'queued' as is_queued, model, json_extract(spec, '$.request.width') as width,
    json_extract(spec, '$.request.height') as height, json_extract(spec, '$.request.frames') as frames,
    json_extract(spec, '$.request.steps') as steps, priority, created_at, run_at from jobs`;
const isOpen = "state in ('queued', 'running')";

interface OpenJobRow extends Omit<OpenJob, "isQueued" | "createdAtMs" | "dueAtMs"> {
  readonly is_queued: number;
  readonly created_at: number;
  readonly run_at: number;
}

const toOpenJob = ({ is_queued, created_at, run_at, ...row }: OpenJobRow): OpenJob => ({
  ...row,
  isQueued: is_queued === 1,
  createdAtMs: created_at,
  dueAtMs: run_at,
});

export function findOpenJobs(database: Database, ids: readonly string[] | null): readonly OpenJob[] {
  const rows =
    ids === null
      ? database.all<OpenJobRow>(`${facts} where ${isOpen}`)
      : database.all<OpenJobRow>(
          // The plus keeps the planner at the ids: there may be thousands in the queue.
          `${facts} where id in (select value from json_each(?)) and +${isOpen}`,
          JSON.stringify(ids),
        );
  return rows.map(toOpenJob);
}

const standInCount = `select coalesce(sum(has_one), 0) as withCount, coalesce(sum(1 - has_one), 0) as withoutCount
  from (select exists (select 1 from artifacts a where a.job_id = j.id and a.kind = 'stand_in') as has_one from jobs j
    where fallback in ('stand_in_then_real', 'stand_in')
      and (state = 'queued' or (fallback = 'stand_in' and state = 'succeeded' and ended_at >= ?)))`;

/** A job that ended by its stand-in counts as one that has one, when that was not before then. */
export const countStandIns = (database: Database, sinceMs: number): StandInCounts =>
  database.get<StandInCounts>(standInCount, sinceMs) ?? { withCount: 0, withoutCount: 0 };
