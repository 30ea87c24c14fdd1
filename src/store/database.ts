/**
 * The one writing connection to SQLite. Rows of the event log are written in the transaction of the change that they
 * tell of, and published after its commit: nobody hears of what was rolled back.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { Clock } from "../core/clock.ts";
import { messageOf, StoreError } from "../core/errors.ts";
import { type EventKind, type EventRow, isRowOf, type NewEvent } from "../core/events.ts";
import { migrate } from "./migrations.ts";
import { createPublisher, type RowListener } from "./publisher.ts";

/** These primary result codes of SQLite mean a damaged file: CORRUPT, NOTADB (sqlite.org/rescode.html). */
const corruptCodes = new Set([11, 26]);
/** These codes pass by themselves: BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN. */
const passingCodes = new Set([5, 6, 8, 10, 13, 14]);
/** Statements run on the thread that also answers heartbeats, so a foreign lock is waited for only briefly. */
const busyMs = 1_000;
/** These codes mean a full disk: FULL, and IOERR_SHMSIZE, where the file that readers share could not grow. */
const fullCodes = new Set([13, 4874]);

const isDiskFull = (thrown: unknown): boolean => {
  const code = (thrown as { errcode?: unknown }).errcode;
  return typeof code === "number" && (fullCodes.has(code) || fullCodes.has(code & 0xff));
};

export function toStoreError(thrown: unknown): unknown {
  const code = (thrown as { errcode?: unknown }).errcode;
  if (typeof code !== "number") return thrown;
  const primary = code & 0xff;
  if (corruptCodes.has(primary))
    return new StoreError(
      "STORE_CORRUPT",
      `The database is damaged: ${messageOf(thrown)}. Put a copy that "understudy backup" made in its place (docs/operations.md).`,
      { cause: thrown },
    );
  if (passingCodes.has(primary)) {
    return new StoreError("STORE_UNAVAILABLE", `The database cannot be used now: ${messageOf(thrown)}.`, {
      cause: thrown,
      retryable: true,
    });
  }
  return thrown;
}

/** One connection: transactions that publish their event rows after the commit, and statements prepared once. */
export interface Database {
  /**
   * Runs `work` in one transaction; the rows that it recorded are published after the commit, in order. A listener that
   * throws changes nothing for the writer: its defect surfaces as an uncaught error.
   */
  write<Result>(work: () => Result): Result;
  read<Result>(work: () => Result): Result;
  /** Records an event in the transaction under way. */
  record(event: NewEvent, atMs?: number): EventRow;
  /** `follow` runs inside the transaction of each row of these kinds: a projection never differs from its rows. */
  project<Kind extends EventKind>(kinds: readonly Kind[], follow: (row: EventRow<Kind>) => void): void;
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[];
  /** Runs a statement and returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  subscribe(listener: RowListener): () => void;
  /** `work` writes what still waits in memory, before the database closes. */
  beforeClose(work: () => void): void;
  /** Closes the database; after it, everything throws STORE_UNAVAILABLE. */
  close(): void;
  readonly clock: Clock;
}

const insertEvent =
  "insert into events (at_ms, kind, actor, job_id, incident_id, worker_id, data) values (?, ?, ?, ?, ?, ?, ?)";

function openFile(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: busyMs });
    database.exec("pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on");
    migrate(database);
    return database;
  } catch (thrown) {
    database?.close();
    throw toStoreError(thrown);
  }
}

export interface DatabaseOptions {
  /** The path of a file, or `:memory:`. */
  readonly path: string;
  readonly clock: Clock;
  /**
   * The database calls it when a write found the disk full. True means that it made room: then the write is tried once
   * more.
   */
  readonly makeRoom?: () => boolean;
}

class SqliteDatabase implements Database {
  readonly clock: Clock;
  readonly #makeRoom: () => boolean;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #publisher = createPublisher();
  readonly #closers: (() => void)[] = [];
  readonly #projections = new Map<EventKind, ((row: EventRow) => void)[]>();
  #recorded: EventRow[] = [];

  constructor(options: DatabaseOptions) {
    this.clock = options.clock;
    this.#makeRoom = options.makeRoom ?? (() => false);
    this.#database = openFile(options.path);
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const prepared = this.#database.prepare(sql);
    this.#statements.set(sql, prepared);
    return prepared;
  }

  #transact<Result>(work: () => Result): Result {
    this.#statement("begin immediate").run();
    try {
      const result = work();
      this.#statement("commit").run();
      return result;
    } catch (thrown) {
      this.#recorded = [];
      // A full disk may have ended the transaction already.
      if (this.#database.isTransaction) this.#statement("rollback").run();
      throw thrown;
    }
  }

  #transactWithRoom<Result>(work: () => Result): Result {
    try {
      return this.#transact(work);
    } catch (thrown) {
      if (!isDiskFull(thrown) || !this.#makeRoom()) throw thrown;
      return this.#transact(() => {
        this.record({ kind: "disk.ballastReleased", data: {} });
        return work();
      });
    }
  }

  write<Result>(work: () => Result): Result {
    const result = this.read(() => this.#transactWithRoom(work));
    const rows = this.#recorded;
    this.#recorded = [];
    this.#publisher.publish(rows);
    return result;
  }

  read<Result>(work: () => Result): Result {
    if (!this.#database.isOpen)
      throw new StoreError("STORE_UNAVAILABLE", "The database is closed.", { retryable: true });
    try {
      return work();
    } catch (thrown) {
      throw toStoreError(thrown);
    }
  }

  record(event: NewEvent, atMs = this.clock.nowMs()): EventRow {
    const { kind, actor = "service", jobId = null, incidentId = null, workerId = null, data } = event;
    const written = this.#statement(insertEvent).run(
      atMs,
      kind,
      actor,
      jobId,
      incidentId,
      workerId,
      JSON.stringify(data),
    );
    const seq = Number(written.lastInsertRowid);
    // The cast holds because kind and data are those of one event.
    const row = { seq, atMs, kind, actor, jobId, incidentId, workerId, data } as EventRow;
    this.#recorded.push(row);
    for (const follow of this.#projections.get(kind) ?? []) follow(row);
    return row;
  }

  project<Kind extends EventKind>(kinds: readonly Kind[], follow: (row: EventRow<Kind>) => void): void {
    const followItsKinds = (row: EventRow): void => {
      if (isRowOf(row, ...kinds)) follow(row);
    };
    for (const kind of kinds) this.#projections.set(kind, [...(this.#projections.get(kind) ?? []), followItsKinds]);
  }

  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  subscribe(listener: RowListener): () => void {
    return this.#publisher.subscribe(listener);
  }

  beforeClose(work: () => void): void {
    this.#closers.push(work);
  }

  close(): void {
    if (!this.#database.isOpen) return;
    try {
      for (const work of this.#closers.splice(0)) work();
    } finally {
      this.#statements.clear();
      this.#database.close();
    }
  }
}

/** Opens and migrates. Throws StoreError STORE_SCHEMA_NEWER, STORE_CORRUPT or STORE_UNAVAILABLE. */
export const openDatabase = (options: DatabaseOptions): Database => new SqliteDatabase(options);
