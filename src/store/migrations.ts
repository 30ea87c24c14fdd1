/**
 * The database's schema, as the steps that led to it. Old databases are brought up to date at the start; entries are
 * only ever added.
 */
import type { DatabaseSync } from "node:sqlite";
import { StoreError } from "../core/errors.ts";

/** Each entry is applied once, in a transaction, and never changed afterwards. Times are epoch ms; JSON is text. */
export const migrations: readonly string[] = [
  `
  create table jobs (
    id text primary key,
    state text not null,
    spec text not null,
    model text not null,
    workflow text,
    fallback text not null,
    api_key_id text not null,
    idempotency_key text,
    idempotency_body text,
    priority integer not null,
    is_simulated integer not null,
    fence integer not null default 0,
    attempts integer not null default 0,
    deaths integer not null default 0,
    host_losses integer not null default 0,
    passed_over integer not null default 0,
    created_at integer not null,
    run_at integer not null,
    started_at integer,
    ended_at integer,
    deadline_at integer not null,
    worker_id text,
    epoch integer,
    lease_until integer,
    is_cancel_requested integer not null default 0,
    error_code text,
    error_message text,
    result text
  ) strict;
  create unique index jobs_by_idempotency on jobs (api_key_id, idempotency_key) where idempotency_key is not null;
  create index jobs_by_claim on jobs (state, priority desc, created_at, id);
  create index jobs_by_age on jobs (created_at, id);
  create index jobs_by_deadline on jobs (state, deadline_at);
  create table attempts (
    job_id text not null references jobs (id) on delete cascade,
    fence integer not null,
    worker_id text not null,
    epoch integer not null,
    started_at integer not null,
    ended_at integer,
    outcome text,
    code text,
    message text,
    evidence text,
    primary key (job_id, fence)
  ) strict;
  create table artifacts (
    job_id text not null references jobs (id) on delete cascade,
    kind text not null,
    fence integer not null,
    sha256 text not null,
    bytes integer not null,
    mime_type text not null,
    name text not null,
    created_at integer not null,
    served_by text,
    reason text,
    primary key (job_id, kind)
  ) strict;
  create index artifacts_by_hash on artifacts (sha256);
  create table events (
    seq integer primary key autoincrement,
    at_ms integer not null,
    kind text not null,
    actor text not null,
    job_id text,
    incident_id text,
    worker_id text,
    data text not null
  ) strict;
  create index events_by_time on events (at_ms);
  create index events_by_job on events (job_id) where job_id is not null;
  create index events_by_incident on events (incident_id) where incident_id is not null;
  create table incidents (
    id text primary key,
    key text not null,
    opened_at integer not null,
    closed_at integer,
    status text not null,
    failure_type text not null,
    worker_id text,
    data text not null
  ) strict;
  create index incidents_by_status on incidents (status, opened_at);
  create table facts (key text primary key, value text not null) strict;
  `,
  "alter table attempts add column plan text",
  `
  alter table incidents add column first_evidence_at integer;
  alter table incidents add column queued_at integer;
  alter table incidents add column stood_in_at integer;
  alter table incidents add column real_at integer;
  create index incidents_by_age on incidents (opened_at, id);
  create table incident_jobs (
    incident_id text not null references incidents (id) on delete cascade,
    job_id text not null,
    touched_at integer not null,
    because text not null,
    primary key (incident_id, job_id)
  ) strict;
  create index incident_jobs_by_job on incident_jobs (job_id);
  create index events_by_kind on events (kind, at_ms) where kind <> 'machine.transitioned';
  `,
  `
  alter table jobs add column webhook_url text;
  alter table jobs add column retry_of text;
  create table job_labels (
    job_id text not null references jobs (id) on delete cascade,
    label text not null,
    primary key (job_id, label)
  ) strict, without rowid;
  create index job_labels_by_label on job_labels (label, job_id);
  create table webhook_deliveries (
    seq integer primary key,
    job_id text not null references jobs (id) on delete cascade,
    type text not null,
    origin text not null,
    facts text not null,
    occurred_at integer not null,
    state text not null default 'pending',
    tries integer not null default 0,
    next_try_at integer not null,
    last_status integer,
    last_problem text,
    ended_at integer
  ) strict;
  create index webhook_deliveries_by_due on webhook_deliveries (next_try_at, seq) where state = 'pending';
  create index webhook_deliveries_by_job on webhook_deliveries (job_id, seq);
  `,
  `
  create table api_keys (
    id text primary key,
    role text not null,
    label text not null,
    digest text not null,
    created_at integer not null,
    revoked_at integer
  ) strict;
  `,
  `
  alter table jobs add column suspicion_signature text;
  alter table jobs add column suspicion_worker_id text;
  alter table jobs add column suspicion_at integer;
  alter table attempts add column signature text;
  alter table attempts add column process_began_at integer;
  create index attempts_by_signature on attempts (signature, ended_at) where signature is not null;
  `,
];

export const schemaVersion = migrations.length;

function versionOf(database: DatabaseSync): number {
  return (database.prepare("pragma user_version").get() as { user_version: number }).user_version;
}

/** Applies what is missing; two programs that open an old database at once apply each entry once. */
function applyMissing(database: DatabaseSync): void {
  database.exec("begin immediate");
  try {
    for (const migration of migrations.slice(versionOf(database))) database.exec(migration);
    database.exec(`pragma user_version = ${schemaVersion}; commit`);
  } catch (thrown) {
    if (database.isTransaction) database.exec("rollback");
    throw thrown;
  }
}

/** Brings the database to this program's schema; throws StoreError STORE_SCHEMA_NEWER for one that a newer program wrote. */
export function migrate(database: DatabaseSync): void {
  const version = versionOf(database);
  if (version > schemaVersion) {
    const message = `The database has schema ${version}; this version knows up to ${schemaVersion}. Start a version at least that new.`;
    throw new StoreError("STORE_SCHEMA_NEWER", message);
  }
  if (version < schemaVersion) applyMissing(database);
}
