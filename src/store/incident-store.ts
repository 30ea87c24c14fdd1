import type { IncidentRow, IncidentStore } from "../core/ports/event-log.ts";
import type { Database } from "./database.ts";

interface StoredIncident {
  readonly id: string;
  readonly key: string;
  readonly opened_at: number;
  readonly closed_at: number | null;
  readonly status: IncidentRow["status"];
  readonly failure_type: string;
  readonly worker_id: string | null;
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
  data: JSON.parse(row.data) as Readonly<Record<string, unknown>>,
});

/** A projection of the timeline: each row changes in the transaction of its event. */
export function createIncidentStore(database: Database): IncidentStore {
  return {
    open: async ({ id, key, openedAtMs, failureType, workerId, data }) =>
      database.write(() => {
        const inserted = database.run(
          "insert into incidents (id, key, opened_at, status, failure_type, worker_id, data) values (?, ?, ?, 'open', ?, ?, ?) on conflict (id) do nothing",
          id,
          key,
          openedAtMs,
          failureType,
          workerId,
          JSON.stringify(data),
        );
        if (inserted === 1)
          database.record({ kind: "incident.opened", incidentId: id, workerId, data: { ...data, key, failure_type: failureType } });
      }),
    close: async (id, status, data) =>
      database.write(() => {
        const changed = database.run(
          "update incidents set closed_at = ?, status = ? where id = ? and status = 'open'",
          database.clock.nowMs(),
          status,
          id,
        );
        if (changed === 1) database.record({ kind: "incident.closed", incidentId: id, data: { ...data, status } });
      }),
    listOpen: async () =>
      database.read(() =>
        database.all<StoredIncident>("select * from incidents where status = 'open' order by opened_at, id").map(toIncident),
      ),
    list: async (limit) =>
      database.read(() =>
        database.all<StoredIncident>("select * from incidents order by opened_at desc, id limit ?", limit).map(toIncident),
      ),
  };
}
