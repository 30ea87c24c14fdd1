/** What the timeline and the incidents need of a durable store. Streams, pages, audit and replay read the same rows. */
import type { IncidentCause } from "../events/incident-events.ts";
import type { EventKind, EventRow, NewEvent, TimelineRow } from "../events.ts";
import type { Blame, FailureType, IncidentStatus } from "../words.ts";

/** Names the rows that are wanted; each way has an index. Times are inclusive. */
export interface EventQuery<Of = { readonly incidentId: string } | { readonly jobId: string }> {
  readonly of: Of;
  readonly fromMs?: number;
  readonly untilMs?: number;
  readonly limit: number;
  /** Oldest first unless set. */
  readonly isNewestFirst?: boolean;
}

/** The timeline. Rows are only ever added, and a row is published after it is written. */
export interface EventLog {
  /** Writes rows that must not be lost; they are durable when it resolves. */
  append(events: readonly NewEvent[]): Promise<readonly EventRow[]>;
  /** Writes within 100 ms or 200 rows, for rows that a crash may take: nobody waits for the disk. */
  note(event: NewEvent): void;
  flush(): Promise<void>;
  /** Rows with seq > after, oldest first. */
  range(after: number, limit: number): Promise<readonly TimelineRow[]>;
  find(query: EventQuery): Promise<readonly TimelineRow[]>;
  /** Rows of these kinds, as far as this version can read them. */
  findKinds<Kind extends EventKind>(
    query: EventQuery<{ readonly kinds: readonly Kind[] }>,
  ): Promise<readonly EventRow<Kind>[]>;
  newestSeq(): Promise<number>;
  oldestSeq(): Promise<number>;
  /** Every row of this and any other writer method, after it is written, in order. */
  subscribe(listener: (rows: readonly EventRow[]) => void): () => void;
  prune(olderThanMs: number): Promise<number>;
}

/** When those who waited first got something, after the incident opened; null = not yet, or nobody waited. */
interface IncidentAnswers {
  /** A job that the incident had interrupted had its place in the queue again. */
  readonly queuedAtMs: number | null;
  readonly stoodInAtMs: number | null;
  readonly realAtMs: number | null;
}

/** Rows of incidents are a projection: written in the transaction of their event. */
export interface IncidentRow {
  readonly id: string;
  readonly key: string;
  readonly openedAtMs: number;
  readonly closedAtMs: number | null;
  readonly status: IncidentStatus;
  readonly failureType: FailureType;
  readonly workerId: string | null;
  /** The first sign of the fault that opened it; null where nothing was observed, as when an operator asked. */
  readonly firstEvidenceAtMs: number | null;
  readonly answers: IncidentAnswers;
  /** What an older program kept may lack some of it. */
  readonly data: Readonly<Partial<IncidentCause>>;
}

export interface NewIncident extends Omit<IncidentRow, "closedAtMs" | "status" | "answers" | "data"> {
  readonly data: Readonly<IncidentCause>;
}

/** A job that an incident had to do with. */
export interface IncidentJob {
  readonly jobId: string;
  readonly touchedAtMs: number;
  /** The kind of the row that made it so, for instance `incident.opened` or `job.stoodIn`. */
  readonly because: string;
}

export interface IncidentQuery {
  readonly limit: number;
  /** The cursor that the page before gave out; any other text is none. */
  readonly cursor?: string;
  readonly statuses?: readonly IncidentStatus[];
  readonly openedFromMs?: number;
}

export interface IncidentStore {
  open(incident: NewIncident): Promise<void>;
  /**
   * @param climbCount how often its ladder was climbed
   * @param blame who was found to blame, where that was asked
   */
  close(id: string, status: Exclude<IncidentStatus, "open">, climbCount: number, blame?: Blame): Promise<void>;
  listOpen(): Promise<readonly IncidentRow[]>;
  /** Newest first, keyset by (opened, id); null for a cursor that is none. */
  list(
    query: IncidentQuery,
  ): Promise<{ readonly incidents: readonly IncidentRow[]; readonly cursor: string | null } | null>;
  get(id: string): Promise<IncidentRow | null>;
  /** In the order in which they were touched. */
  jobsOf(id: string, limit: number): Promise<{ readonly jobs: readonly IncidentJob[]; readonly totalCount: number }>;
}

/** Small durable facts that outlive a supervisor: epoch, cooldowns, breaker, budget, recovery attempts. */
export interface FactStore {
  /** The value, parsed from JSON; null when absent. */
  read(key: string): Promise<unknown>;
  /** Durable when it resolves; the event rows are written in the same transaction. */
  write(key: string, value: unknown, events?: readonly NewEvent[]): Promise<void>;
  /** Writes several facts in one transaction: all or none of them. */
  writeTogether(facts: Readonly<Record<string, unknown>>, events: readonly NewEvent[]): Promise<void>;
}

/** Everything behind one database. */
export interface Store {
  readonly jobs: import("./job-store.ts").JobStore;
  readonly events: EventLog;
  readonly incidents: IncidentStore;
  readonly facts: FactStore;
  readonly keys: import("./key-store.ts").KeyStore;
  readonly webhooks: import("./webhook-outbox.ts").WebhookOutbox;
  /** A number that grows with every start on this state directory. */
  nextEpoch(): Promise<number>;
  backup(targetPath: string): Promise<void>;
  close(): Promise<void>;
}
