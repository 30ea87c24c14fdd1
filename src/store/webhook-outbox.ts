/**
 * The durable list of what webhooks must still be told. An entry is written in the transaction of its event, so a crash
 * can neither lose a message nor invent one.
 */
import type { EventRow } from "../core/events.ts";
import type { JobResult, ServedBy } from "../core/job.ts";
import type { DueQuery, TryOutcome, WebhookOutbox } from "../core/ports/webhook-outbox.ts";
import { toldKinds, type WebhookDelivery, type WebhookFacts, type WebhookType } from "../core/webhook.ts";
import type { Database } from "./database.ts";
import { artifactsOf, findJob, type JobRow, labelsOf } from "./job-rows.ts";

/** The type of message that tells of a row. */
function typeOf(kind: (typeof toldKinds)[number]): WebhookType {
  if (kind === "job.stoodIn") return "job.stand_in_ready";
  return kind === "job.succeeded" ? kind : "job.failed";
}

interface StoredDelivery {
  readonly seq: number;
  readonly job_id: string;
  readonly type: WebhookType;
  readonly webhook_url: string;
  readonly origin: string;
  readonly facts: string;
  readonly occurred_at: number;
  readonly state: WebhookDelivery["state"];
  readonly tries: number;
  readonly next_try_at: number;
  readonly last_status: number | null;
  readonly last_problem: string | null;
  readonly ended_at: number | null;
}

const toDelivery = (row: StoredDelivery): WebhookDelivery => ({
  seq: row.seq,
  jobId: row.job_id,
  type: row.type,
  url: row.webhook_url,
  origin: row.origin,
  occurredAtMs: row.occurred_at,
  facts: JSON.parse(row.facts) as WebhookFacts,
  state: row.state,
  tryCount: row.tries,
  nextTryAtMs: row.next_try_at,
  lastStatus: row.last_status,
  lastProblem: row.last_problem,
  endedAtMs: row.ended_at,
});

/** Reads how the job is now, in the transaction of the event. */
function factsOf(database: Database, job: JobRow, type: WebhookType): WebhookFacts {
  const artifacts = artifactsOf(database, job.id);
  const result = job.result === null ? null : (JSON.parse(job.result) as JobResult);
  const wanted = type === "job.stand_in_ready" ? "stand_in" : "result";
  const standIn = artifacts.find(({ kind }) => kind === "stand_in");
  // A job that wanted nothing else ends with its stand-in.
  const shown = artifacts.find(({ kind }) => kind === wanted) ?? (type === "job.succeeded" ? standIn : undefined);
  const servedBy: ServedBy | null = shown?.servedBy ?? result?.servedBy ?? null;
  return {
    state: job.state,
    labels: labelsOf(database, job.id),
    isSimulated: job.is_simulated === 1,
    servedBy: shown === undefined ? null : servedBy,
    changes: type === "job.succeeded" ? (result?.changes ?? []) : [],
    artifact:
      shown === undefined
        ? null
        : { kind: shown.kind, sha256: shown.sha256, bytes: shown.bytes, mimeType: shown.mimeType },
    reason: shown?.kind === "stand_in" ? shown.reason : null,
    error:
      type === "job.failed" ? { code: job.error_code ?? "INTERNAL_ERROR", message: job.error_message ?? "" } : null,
  };
}

function enqueue(database: Database, row: EventRow<(typeof toldKinds)[number]>): void {
  const type = typeOf(row.kind);
  const job = row.jobId === null ? undefined : findJob(database, row.jobId);
  if (job === undefined || job.webhook_url === null) return;
  database.run(
    "insert into webhook_deliveries (seq, job_id, type, origin, facts, occurred_at, next_try_at) values (?, ?, ?, ?, ?, ?, ?)",
    row.seq,
    job.id,
    type,
    // A text that is no address is refused when it is called; here it must not undo the event.
    URL.parse(job.webhook_url)?.origin ?? "",
    JSON.stringify(factsOf(database, job, type)),
    row.atMs,
    row.atMs,
  );
}

const joined = "select d.*, j.webhook_url from webhook_deliveries d join jobs j on j.id = d.job_id";
const waiting = `d.state = 'pending' and d.seq not in (select value from json_each(?)) and d.origin not in (select value from json_each(?))`;
const textsOf = ({ exceptSeqs, exceptOrigins }: Omit<DueQuery, "limit">): [string, string] => [
  JSON.stringify(exceptSeqs),
  JSON.stringify(exceptOrigins),
];

function noteTry(database: Database, seq: number, outcome: TryOutcome): void {
  const row = database.get<StoredDelivery>(`${joined} where d.seq = ? and d.state = 'pending'`, seq);
  if (row === undefined) return;
  const isRetried = outcome.kind === "failed";
  database.run(
    "update webhook_deliveries set state = ?, tries = tries + 1, next_try_at = ?, last_status = ?, last_problem = ?, ended_at = ? where seq = ?",
    isRetried ? "pending" : outcome.kind,
    isRetried ? outcome.retryAtMs : row.next_try_at,
    outcome.status,
    outcome.kind === "delivered" ? null : outcome.problem,
    isRetried ? null : database.clock.nowMs(),
    seq,
  );
  if (isRetried) return;
  const data = { type: row.type, delivery: seq, tries: row.tries + 1 };
  if (outcome.kind === "dead") {
    const abandoned = { ...data, problem: outcome.problem };
    database.record({ kind: "webhook.abandoned", jobId: row.job_id, data: abandoned });
  } else database.record({ kind: "webhook.delivered", jobId: row.job_id, data });
}

/**
 * Opens the outbox. It follows the rows of jobs, so that no event is told of that was rolled back, and none is
 * forgotten.
 */
export function createWebhookOutbox(database: Database): WebhookOutbox {
  database.project(toldKinds, (row) => enqueue(database, row));
  return {
    listDue: async ({ limit, ...except }) =>
      database.read(() =>
        database
          .all<StoredDelivery>(
            `${joined} where ${waiting} and d.next_try_at <= ? order by d.next_try_at, d.seq limit ?`,
            ...textsOf(except),
            database.clock.nowMs(),
            limit,
          )
          .map(toDelivery),
      ),
    nextDueAtMs: async (except) =>
      database.read(
        () =>
          database.get<{ at: number | null }>(
            `select min(d.next_try_at) as at from webhook_deliveries d where ${waiting}`,
            ...textsOf(except),
          )?.at ?? null,
      ),
    noteTry: async (seq, outcome) => database.write(() => noteTry(database, seq, outcome)),
    listOf: async (jobId) =>
      database.read(() =>
        database.all<StoredDelivery>(`${joined} where d.job_id = ? order by d.seq`, jobId).map(toDelivery),
      ),
  };
}
