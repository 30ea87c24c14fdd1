/**
 * The timeline in SQLite. Facts are appended at once; notes of machines' transitions wait in a buffer, because one
 * fsync for each would slow everything.
 */
import type { TimerHandle } from "../core/clock.ts";
import { StoreError } from "../core/errors.ts";
import { type EventKind, type EventRow, isRowOf, type NewEvent, type TimelineRow } from "../core/events.ts";
import type { EventLog, EventQuery } from "../core/ports/event-log.ts";
import type { Database } from "./database.ts";
import { readRow, type StoredRow } from "./read-row.ts";

const bufferLimits = { rows: 200, ms: 100 } as const;
/** After a failed flush the rows wait in memory, and newer ones push the oldest out beyond this many. */
const retryLimits = { rows: 10_000, ms: 1_000 } as const;
const pruneSliceRows = 10_000;

/** Notes wait in memory until they are written; a store that cannot write now is tried again, and what is lost is counted. */
function createNoteBuffer(database: Database): { note(event: NewEvent): void; flush(): void } {
  const { clock } = database;
  let noted: { readonly event: NewEvent; readonly atMs: number }[] = [];
  let lostCount = 0;
  let timer: TimerHandle | undefined;
  let isRetrying = false;

  const arm = (delayMs: number): void => {
    timer ??= clock.setTimer(flush, delayMs);
  };
  const keepForLater = (batch: typeof noted): void => {
    const kept = [...batch, ...noted].slice(-retryLimits.rows);
    lostCount += batch.length + noted.length - kept.length;
    noted = kept;
    isRetrying = true;
    arm(retryLimits.ms);
  };
  const flush = (): void => {
    clock.clearTimer(timer);
    timer = undefined;
    const batch = noted;
    noted = [];
    if (batch.length === 0) return;
    try {
      database.write(() => {
        if (lostCount > 0) database.record({ kind: "events.dropped", data: { count: lostCount } });
        for (const { event, atMs } of batch) database.record(event, atMs);
      });
    } catch (thrown) {
      // A full disk must not take the noting machine down with it.
      if (!(thrown instanceof StoreError && thrown.retryable)) throw thrown;
      keepForLater(batch);
      return;
    }
    isRetrying = false;
    lostCount = 0;
  };
  let isClosed = false;
  database.beforeClose(() => {
    flush();
    clock.clearTimer(timer);
    isClosed = true;
  });
  return {
    note: (event) => {
      if (isClosed) return;
      noted.push({ event, atMs: clock.nowMs() });
      if (noted.length >= bufferLimits.rows && !isRetrying) flush();
      else if (isRetrying && noted.length > retryLimits.rows) {
        noted.shift();
        lostCount += 1;
      } else arm(bufferLimits.ms);
    },
    flush,
  };
}

type Which = { readonly incidentId: string } | { readonly jobId: string } | { readonly kinds: readonly EventKind[] };

/** The index of kinds leaves the many rows of transitions out, and SQLite uses it only where the query says the same. */
function whichRows(of: Which): { readonly where: string; readonly values: readonly string[] } {
  if ("incidentId" in of) return { where: "incident_id = ?", values: [of.incidentId] };
  if ("jobId" in of) return { where: "job_id = ?", values: [of.jobId] };
  return {
    where: `kind <> 'machine.transitioned' and kind in (${of.kinds.map(() => "?").join(", ")})`,
    values: of.kinds,
  };
}

function findRows(database: Database, { of, fromMs, untilMs, limit, isNewestFirst }: EventQuery<Which>): TimelineRow[] {
  const { where, values } = whichRows(of);
  const order = isNewestFirst === true ? "desc" : "asc";
  const sql = `select * from events where ${where} and at_ms >= ? and at_ms <= ? order by seq ${order} limit ?`;
  return database.all<StoredRow>(sql, ...values, fromMs ?? 0, untilMs ?? Number.MAX_SAFE_INTEGER, limit).map(readRow);
}

function findRowsOfKinds<Kind extends EventKind>(
  database: Database,
  query: EventQuery<{ readonly kinds: readonly Kind[] }>,
): EventRow<Kind>[] {
  const { kinds } = query.of;
  return findRows(database, query).filter((row) => isRowOf(row, ...kinds));
}

const newestOf = "select max(seq) as seq from events";
const oldestOf = "select min(seq) as seq from events";

/**
 * Rows are deleted in slices, so that heartbeats are answered between them. Closed incidents go with their rows, whose
 * projection they are.
 */
async function pruneEvents(database: Database, olderThanMs: number): Promise<number> {
  const beforeMs = database.clock.nowMs() - olderThanMs;
  database.write(() => database.run("delete from incidents where closed_at < ?", beforeMs));
  let deletedCount = 0;
  for (;;) {
    const count = database.write(() =>
      database.run(
        "delete from events where seq in (select seq from events where at_ms < ? limit ?)",
        beforeMs,
        pruneSliceRows,
      ),
    );
    deletedCount += count;
    if (count < pruneSliceRows) return deletedCount;
    await database.clock.turn();
  }
}

/** Opens the timeline. `note` keeps the moment of the note, and writes at the latest 100 ms or 200 rows later. */
export function createEventLog(database: Database): EventLog {
  const notes = createNoteBuffer(database);
  const seqOf = (sql: string): number => database.read(() => database.get<{ seq: number | null }>(sql)?.seq ?? 0);
  return {
    append: async (events) => {
      notes.flush();
      return database.write(() => events.map((event) => database.record(event)));
    },
    note: notes.note,
    flush: async () => notes.flush(),
    range: async (after, limit) =>
      database.read(() =>
        database.all<StoredRow>("select * from events where seq > ? order by seq limit ?", after, limit).map(readRow),
      ),
    find: async (query) => database.read(() => findRows(database, query)),
    findKinds: async (query) => database.read(() => findRowsOfKinds(database, query)),
    newestSeq: async () => seqOf(newestOf),
    oldestSeq: async () => seqOf(oldestOf),
    subscribe: (listener) => database.subscribe(listener),
    prune: (olderThanMs) => pruneEvents(database, olderThanMs),
  };
}
