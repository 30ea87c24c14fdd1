/**
 * Reads one incident from outside, for `understudy replay`: from a running service's database, or from a copy of an
 * older version.
 */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { UnderstudyError } from "../core/errors.ts";
import type { TimelineRow } from "../core/events.ts";
import { toStoreError } from "./database.ts";
import { readRow, type StoredRow } from "./read-row.ts";

/** The status and rows that one incident left. */
interface KeptIncident {
  readonly status: string;
  readonly rows: readonly TimelineRow[];
}

export interface KeptIncidents {
  /** Null when there is no such incident. */
  readonly found: KeptIncident | null;
  readonly newestIds: readonly string[];
}

const busyMs = 5_000;

const all = <Row>(database: DatabaseSync, sql: string, ...values: string[]): Row[] =>
  database.prepare(sql).all(...values) as Row[];

/**
 * Reads without writing: the schema is not brought up to date, and a running service notices nothing.
 * Throws UnderstudyError NOT_FOUND, StoreError.
 */
export function readIncident(databasePath: string, id: string): KeptIncidents {
  if (!existsSync(databasePath))
    throw new UnderstudyError(
      "NOT_FOUND",
      `There is no database ${databasePath}; name its directory with --state-dir.`,
    );
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(databasePath, { readOnly: true, timeout: busyMs });
    const incident = database.prepare("select status from incidents where id = ?").get(id) as
      | { status: string }
      | undefined;
    const rows = all<StoredRow>(database, "select * from events where incident_id = ? order by seq", id);
    const newest = all<{ id: string }>(database, "select id from incidents order by opened_at desc, id desc limit 10");
    return {
      found: incident === undefined ? null : { status: incident.status, rows: rows.map(readRow) },
      newestIds: newest.map((row) => row.id),
    };
  } catch (thrown) {
    throw toStoreError(thrown);
  } finally {
    database?.close();
  }
}
