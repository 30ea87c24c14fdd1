/** One row of the only timeline. */
export interface EventRow {
  readonly seq: number;
  readonly atMs: number;
  /** Dotted fact, for instance `job.submitted`, `incident.opened`, `machine.transitioned`. */
  readonly kind: string;
  /** `service`, `client:<key id>`, `operator:<key id>`. */
  readonly actor: string;
  readonly jobId: string | null;
  readonly incidentId: string | null;
  readonly workerId: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

export type NewEvent = Pick<EventRow, "kind" | "data"> & Partial<Pick<EventRow, "actor" | "jobId" | "incidentId" | "workerId">>;

/** Append-only. A row is published after it is written. */
export interface EventLog {
  /** Durable when it resolves. */
  append(events: readonly NewEvent[]): Promise<readonly EventRow[]>;
  /** Buffered: written within 100 ms or 200 rows. */
  note(event: NewEvent): void;
  flush(): Promise<void>;
  /** Rows with seq > after, oldest first. */
  range(after: number, limit: number): Promise<readonly EventRow[]>;
  newestSeq(): Promise<number>;
  oldestSeq(): Promise<number>;
  /** Every row of this and any other writer method, after it is written, in order. */
  subscribe(listener: (rows: readonly EventRow[]) => void): () => void;
  prune(olderThanMs: number): Promise<number>;
}

/** Rows of incidents are written in the transaction of their event. */
export interface IncidentRow {
  readonly id: string;
  readonly key: string;
  readonly openedAtMs: number;
  readonly closedAtMs: number | null;
  readonly status: "open" | "resolved" | "exhausted" | "abandoned";
  readonly failureType: string;
  readonly workerId: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface IncidentStore {
  open(incident: Omit<IncidentRow, "closedAtMs" | "status">): Promise<void>;
  close(id: string, status: "resolved" | "exhausted" | "abandoned", data: Readonly<Record<string, unknown>>): Promise<void>;
  listOpen(): Promise<readonly IncidentRow[]>;
  list(limit: number): Promise<readonly IncidentRow[]>;
}

/** Small durable facts that outlive a supervisor: epoch, cooldowns, breaker, budget, recovery attempts. */
export interface FactStore {
  /** The value, parsed from JSON; null when absent. */
  read(key: string): Promise<unknown>;
  /** Durable when it resolves; the event rows are written in the same transaction. */
  write(key: string, value: unknown, events?: readonly NewEvent[]): Promise<void>;
}

/** Everything behind one database. */
export interface Store {
  readonly jobs: import("./job-store.ts").JobStore;
  readonly events: EventLog;
  readonly incidents: IncidentStore;
  readonly facts: FactStore;
  /** A number that grows with every start on this state directory. */
  nextEpoch(): Promise<number>;
  backup(targetPath: string): Promise<void>;
  close(): Promise<void>;
}
