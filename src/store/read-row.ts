/**
 * Turns rows as SQLite gives them into rows of this version. What another version wrote otherwise is kept as it is, and
 * never thrown away.
 */

import { type IncidentCause, incidentCause } from "../core/events/incident-events.ts";
import { type EventKind, events, type TimelineRow } from "../core/events.ts";

export interface StoredRow {
  readonly seq: number;
  readonly at_ms: number;
  readonly kind: string;
  readonly actor: string;
  readonly job_id: string | null;
  readonly incident_id: string | null;
  readonly worker_id: string | null;
  readonly data: string;
}

type Fields = Readonly<Record<string, unknown>>;

const isKnown = (kind: string): kind is EventKind => Object.hasOwn(events, kind);

/** Further fields stay: a newer version may have added them, and streams show all that a row holds. */
const isReadable = (kind: string, data: Fields): boolean =>
  isKnown(kind) && events[kind].schema().safeParse(data).success;

export function readRow(row: StoredRow): TimelineRow {
  const head = {
    seq: row.seq,
    atMs: row.at_ms,
    kind: row.kind,
    actor: row.actor,
    jobId: row.job_id,
    incidentId: row.incident_id,
    workerId: row.worker_id,
  };
  const data = JSON.parse(row.data) as Fields;
  // The cast holds because the schema of the kind has looked at the data.
  if (isReadable(row.kind, data)) return { ...head, data } as TimelineRow;
  return { ...head, kind: "unread", data: { kind: row.kind, fields: data } };
}

/** Reads the cause of an incident; fields that its row does not hold as this version knows them are left out. */
export function readCause(text: string): Partial<IncidentCause> {
  const data = JSON.parse(text) as Partial<IncidentCause>;
  const { shape } = incidentCause();
  const isKept = ([name, value]: readonly [string, unknown]): boolean =>
    !Object.hasOwn(shape, name) || shape[name as keyof IncidentCause].safeParse(value).success;
  return Object.fromEntries(Object.entries(data).filter(isKept));
}
