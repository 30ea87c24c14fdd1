import type { TimerHandle } from "../core/clock.ts";
import type { EventLog, EventRow, NewEvent } from "../core/ports/event-log.ts";
import type { Database } from "./database.ts";

const bufferLimits = { rows: 200, ms: 100 } as const;
/** After a failed flush: the rows wait in memory, and newer ones push the oldest out beyond this many. */
const retryLimits = { rows: 10_000, ms: 1_000 } as const;

interface StoredRow {
  readonly seq: number;
  readonly at_ms: number;
  readonly kind: string;
  readonly actor: string;
  readonly job_id: string | null;
  readonly incident_id: string | null;
  readonly worker_id: string | null;
  readonly data: string;
}

const toEventRow = (row: StoredRow): EventRow => ({
  seq: row.seq,
  atMs: row.at_ms,
  kind: row.kind,
  actor: row.actor,
  jobId: row.job_id,
  incidentId: row.incident_id,
  workerId: row.worker_id,
  data: JSON.parse(row.data) as Readonly<Record<string, unknown>>,
});

/** The timeline. `note` keeps the moment of the note, and writes at the latest 100 ms or 200 rows later. */
export function createEventLog(database: Database): EventLog {
  let noted: { readonly event: NewEvent; readonly atMs: number }[] = [];
  let timer: TimerHandle | undefined;
  const arm = (delayMs: number): void => {
    timer ??= database.clock.setTimer(() => {
      timer = undefined;
      flush();
    }, delayMs);
  };
  const flush = (): void => {
    database.clock.clearTimer(timer);
    timer = undefined;
    const batch = noted;
    noted = [];
    if (batch.length === 0) return;
    try {
      database.write(() => {
        for (const { event, atMs } of batch) database.record(event, atMs);
      });
    } catch {
      // A full disk must not take transitions down: the rows are kept and tried again.
      noted = [...batch, ...noted].slice(-retryLimits.rows);
      arm(retryLimits.ms);
    }
  };
  return {
    append: async (events) => {
      flush();
      const appended: EventRow[] = [];
      const unsubscribe = database.subscribe((rows) => appended.push(...rows));
      try {
        database.write(() => {
          for (const event of events) database.record(event);
        });
      } finally {
        unsubscribe();
      }
      return appended;
    },
    note: (event) => {
      noted.push({ event, atMs: database.clock.nowMs() });
      if (noted.length >= bufferLimits.rows) flush();
      else arm(bufferLimits.ms);
    },
    flush: async () => flush(),
    range: async (after, limit) =>
      database.read(() => database.all<StoredRow>("select * from events where seq > ? order by seq limit ?", after, limit).map(toEventRow)),
    newestSeq: async () => database.read(() => database.get<{ seq: number | null }>("select max(seq) as seq from events")?.seq ?? 0),
    oldestSeq: async () => database.read(() => database.get<{ seq: number | null }>("select min(seq) as seq from events")?.seq ?? 0),
    subscribe: (listener) => database.subscribe(listener),
    prune: async (olderThanMs) =>
      database.write(() => database.run("delete from events where at_ms < ?", database.clock.nowMs() - olderThanMs)),
  };
}
