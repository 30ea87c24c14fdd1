import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { Clock } from "../core/clock.ts";
import { messageOf, StoreError } from "../core/errors.ts";
import type { EventRow, NewEvent } from "../core/ports/event-log.ts";
import { migrate } from "./migrations.ts";

/** SQLite's primary result codes (sqlite.org/rescode.html). */
const corruptCodes = new Set([11, 26]);
const passingCodes = new Set([5, 6, 8, 10, 13, 14]);

export function toStoreError(thrown: unknown): unknown {
  const code = (thrown as { errcode?: unknown }).errcode;
  if (typeof code !== "number") return thrown;
  const primary = code & 0xff;
  if (corruptCodes.has(primary))
    return new StoreError("STORE_CORRUPT", `The database is damaged: ${messageOf(thrown)}.`, { cause: thrown });
  if (passingCodes.has(primary)) {
    return new StoreError("STORE_UNAVAILABLE", `The database cannot be written now: ${messageOf(thrown)}.`, {
      cause: thrown,
      retryable: true,
    });
  }
  return thrown;
}

/** One connection: transactions that publish their event rows after the commit, and statements prepared once. */
export interface Database {
  /** Runs `work` in one transaction; the rows that it recorded are published after the commit, in order. */
  write<Result>(work: () => Result): Result;
  read<Result>(work: () => Result): Result;
  /** Records an event in the transaction under way. */
  record(event: NewEvent, atMs?: number): void;
  statement(sql: string): StatementSync;
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[];
  /** Rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  subscribe(listener: (rows: readonly EventRow[]) => void): () => void;
  backup(targetPath: string): void;
  close(): void;
  readonly clock: Clock;
}

const insertEvent = "insert into events (at_ms, kind, actor, job_id, incident_id, worker_id, data) values (?, ?, ?, ?, ?, ?, ?)";

export function openDatabase(path: string, clock: Clock): Database {
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(path);
    database.exec("pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 5000");
    migrate(database);
  } catch (thrown) {
    throw toStoreError(thrown);
  }
  const statements = new Map<string, StatementSync>();
  const listeners = new Set<(rows: readonly EventRow[]) => void>();
  let recorded: EventRow[] = [];

  const statement = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const prepared = database.prepare(sql);
    statements.set(sql, prepared);
    return prepared;
  };
  const record = (event: NewEvent, atMs = clock.nowMs()): void => {
    const { kind, actor = "service", jobId = null, incidentId = null, workerId = null, data } = event;
    const written = statement(insertEvent).run(atMs, kind, actor, jobId, incidentId, workerId, JSON.stringify(data));
    recorded.push({ seq: Number(written.lastInsertRowid), atMs, kind, actor, jobId, incidentId, workerId, data });
  };
  const write = <Result>(work: () => Result): Result => {
    try {
      statement("begin immediate").run();
      let result: Result;
      try {
        result = work();
        statement("commit").run();
      } catch (thrown) {
        recorded = [];
        if (database.isTransaction) statement("rollback").run();
        throw thrown;
      }
      const rows = recorded;
      recorded = [];
      if (rows.length > 0) for (const listener of listeners) listener(rows);
      return result;
    } catch (thrown) {
      throw toStoreError(thrown);
    }
  };
  return {
    clock,
    write,
    read: (work) => {
      try {
        return work();
      } catch (thrown) {
        throw toStoreError(thrown);
      }
    },
    record,
    statement,
    get: <Row>(sql: string, ...values: SQLInputValue[]) => statement(sql).get(...values) as Row | undefined,
    all: <Row>(sql: string, ...values: SQLInputValue[]) => statement(sql).all(...values) as Row[],
    run: (sql, ...values) => Number(statement(sql).run(...values).changes),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    backup: (targetPath) => {
      try {
        database.prepare("vacuum into ?").run(targetPath);
      } catch (thrown) {
        throw toStoreError(thrown);
      }
    },
    close: () => {
      statements.clear();
      database.close();
    },
  };
}
