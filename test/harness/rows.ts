/**
 * Reads the timeline of a running service from its database, past the API: a test must not take the service's own word.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { until } from "./running-service.ts";

/** A row of the event log, read from the store's file beside the running service. */
export interface Row {
  readonly seq: number;
  readonly kind: string;
  readonly jobId: string | null;
  readonly incidentId: string | null;
  readonly atMs: number;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface RenderRow {
  readonly steps_rendered: number;
  readonly resumed_from_step: number;
}

/** What another process reads of the store while the service writes it. */
export function lookIntoStore<Found>(stateDir: string, look: (database: DatabaseSync) => Found): Found {
  const database = new DatabaseSync(join(stateDir, "understudy.db"), { readOnly: true, timeout: 5_000 });
  try {
    return look(database);
  } finally {
    database.close();
  }
}

/** Rows after `seq`, without the machines' own transitions. */
export function rowsSince(stateDir: string, seq = 0): Row[] {
  const sql =
    "select seq, kind, job_id as jobId, incident_id as incidentId, at_ms as atMs, data from events where seq > ? and kind not like 'machine.%' order by seq";
  const rows = lookIntoStore(stateDir, (database) => database.prepare(sql).all(seq));
  return rows.map((row) => ({ ...(row as unknown as Row), data: JSON.parse(String(row["data"])) as Row["data"] }));
}

export const newestSeq = (stateDir: string): number => rowsSince(stateDir).at(-1)?.seq ?? 0;

/** Rows of renders are written within a moment after them, not with them. */
export const rowsAfterRender = (stateDir: string, since = 0): Promise<Row[]> =>
  until("the row of the render", () => {
    const rows = rowsSince(stateDir, since);
    return rendersOf(rows).length > 0 ? rows : null;
  });

/** Every render that reached its end: how many steps it rendered, and from which it went on. */
export const rendersOf = (rows: readonly Row[]): RenderRow[] =>
  rows.filter((row) => row.kind === "render.completed").map((row) => row.data as unknown as RenderRow);
