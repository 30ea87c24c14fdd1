/**
 * Incidents in SQLite, kept as a projection of the timeline. The next start reads the open ones and goes on with them.
 */
import type { IncidentJob, IncidentQuery, IncidentRow, IncidentStore, NewIncident } from "../core/ports/event-log.ts";
import { present } from "../core/present.ts";
import { type FailureType, incidentStatuses } from "../core/words.ts";
import type { Database } from "./database.ts";
import { followJobs, touchJob } from "./incident-jobs.ts";
import { readCause } from "./read-row.ts";

interface StoredIncident {
  readonly id: string;
  readonly key: string;
  readonly opened_at: number;
  readonly closed_at: number | null;
  readonly status: IncidentRow["status"];
  readonly failure_type: FailureType;
  readonly worker_id: string | null;
  readonly first_evidence_at: number | null;
  readonly queued_at: number | null;
  readonly stood_in_at: number | null;
  readonly real_at: number | null;
  readonly data: string;
}

const toIncident = (row: StoredIncident): IncidentRow => ({
  id: row.id,
  key: row.key,
  openedAtMs: row.opened_at,
  closedAtMs: row.closed_at,
  status: row.status,
  failureType: row.failure_type,
  workerId: row.worker_id,
  firstEvidenceAtMs: row.first_evidence_at,
  answers: { queuedAtMs: row.queued_at, stoodInAtMs: row.stood_in_at, realAtMs: row.real_at },
  data: readCause(row.data),
});

function openIncident(database: Database, incident: NewIncident): void {
  const { id, key, openedAtMs, failureType, workerId, firstEvidenceAtMs, data } = incident;
  const inserted = database.run(
    `insert into incidents (id, key, opened_at, status, failure_type, worker_id, first_evidence_at, data)
     values (?, ?, ?, 'open', ?, ?, ?, ?) on conflict (id) do nothing`,
    id,
    key,
    openedAtMs,
    failureType,
    workerId,
    firstEvidenceAtMs,
    JSON.stringify(data),
  );
  if (inserted === 0) return;
  const row = database.record({
    kind: "incident.opened",
    incidentId: id,
    workerId,
    data: { ...data, key, failure_type: failureType },
  });
  if (data.job_id !== null) touchJob(database, id, { jobId: data.job_id, workerId, atMs: row.atMs, because: row.kind });
}

interface Position {
  readonly openedAtMs: number;
  readonly id: string;
}

const newest: Position = { openedAtMs: Number.MAX_SAFE_INTEGER, id: "" };

function decodeCursor(cursor: string | undefined): Position | null {
  if (cursor === undefined) return newest;
  const match = /^(\d{1,15})\.([\w-]{1,64})$/.exec(cursor);
  return match?.[1] === undefined || match[2] === undefined ? null : { openedAtMs: Number(match[1]), id: match[2] };
}

function listIncidents(database: Database, query: IncidentQuery): Awaited<ReturnType<IncidentStore["list"]>> {
  const from = decodeCursor(query.cursor);
  if (from === null) return null;
  const rows = database.all<StoredIncident>(
    `select * from incidents where (opened_at, id) < (?, ?) and opened_at >= ? and status in (select value from json_each(?))
     order by opened_at desc, id desc limit ?`,
    from.openedAtMs,
    from.id,
    query.openedFromMs ?? 0,
    JSON.stringify(query.statuses ?? incidentStatuses),
    query.limit + 1,
  );
  const page = rows.slice(0, query.limit);
  const last = page.at(-1);
  return {
    incidents: page.map(toIncident),
    cursor: rows.length > query.limit && last !== undefined ? `${last.opened_at}.${last.id}` : null,
  };
}

interface StoredJob {
  readonly job_id: string;
  readonly touched_at: number;
  readonly because: string;
}

const toJob = (row: StoredJob): IncidentJob => ({
  jobId: row.job_id,
  touchedAtMs: row.touched_at,
  because: row.because,
});

function jobsOf(database: Database, id: string, limit: number): Awaited<ReturnType<IncidentStore["jobsOf"]>> {
  const rows = database.all<StoredJob>(
    "select * from incident_jobs where incident_id = ? order by rowid limit ?",
    id,
    limit,
  );
  const counted = database.get<{ count: number }>(
    "select count(*) as count from incident_jobs where incident_id = ?",
    id,
  );
  return { jobs: rows.map(toJob), totalCount: counted?.count ?? 0 };
}

/** Opens the incidents as a projection of the timeline: each row changes in the transaction of its event. */
export function createIncidentStore(database: Database): IncidentStore {
  followJobs(database);
  database.project(["incident.joined"], (row) => {
    const { incidentId, jobId, workerId, atMs, kind } = row;
    if (incidentId !== null && jobId !== null) touchJob(database, incidentId, { jobId, workerId, atMs, because: kind });
  });
  return {
    open: async (incident) => database.write(() => openIncident(database, incident)),
    close: async (id, status, climbCount, blame) =>
      database.write(() => {
        const nowMs = database.clock.nowMs();
        const changed = database.run(
          "update incidents set closed_at = ?, status = ? where id = ? and status = 'open'",
          nowMs,
          status,
          id,
        );
        const row = database.get<StoredIncident>("select * from incidents where id = ?", id);
        if (changed === 0 || row === undefined) return;
        const about = { failure_type: row.failure_type, open_ms: nowMs - row.opened_at, ...present({ blame }) };
        database.record({ kind: "incident.closed", incidentId: id, data: { climbs: climbCount, status, ...about } });
      }),
    listOpen: async () =>
      database.read(() =>
        database
          .all<StoredIncident>("select * from incidents where status = 'open' order by opened_at, id")
          .map(toIncident),
      ),
    list: async (query) => database.read(() => listIncidents(database, query)),
    get: async (id) =>
      database.read(() => {
        const row = database.get<StoredIncident>("select * from incidents where id = ?", id);
        return row === undefined ? null : toIncident(row);
      }),
    jobsOf: async (id, limit) => database.read(() => jobsOf(database, id, limit)),
  };
}
