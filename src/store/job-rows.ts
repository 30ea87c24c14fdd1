/** Rows of the job tables as the program holds them, and the few statements that every change of a job shares. */
import type { ErrorCode } from "../core/error-codes.ts";
import type {
  ArtifactRef,
  AttemptView,
  JobArtifact,
  JobResult,
  JobSpec,
  JobView,
  Lease,
  RenderPlan,
  ServedBy,
  Suspicion,
} from "../core/job.ts";
import type { ArtifactKind, JobState } from "../core/words.ts";
import type { Database } from "./database.ts";

export interface JobRow {
  readonly id: string;
  readonly state: JobState;
  /** The spec is JSON without the workflow, which has a column of its own because it may be large. */
  readonly spec: string;
  readonly model: string;
  readonly workflow: string | null;
  readonly fallback: string;
  readonly api_key_id: string;
  readonly idempotency_body: string | null;
  readonly priority: number;
  readonly is_simulated: number;
  readonly fence: number;
  readonly attempts: number;
  readonly deaths: number;
  readonly host_losses: number;
  readonly suspicion_signature: string | null;
  readonly suspicion_worker_id: string | null;
  readonly suspicion_at: number | null;
  readonly created_at: number;
  readonly run_at: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly deadline_at: number;
  readonly worker_id: string | null;
  readonly epoch: number | null;
  readonly lease_until: number | null;
  readonly is_cancel_requested: number;
  readonly error_code: string | null;
  readonly error_message: string | null;
  readonly result: string | null;
  readonly webhook_url: string | null;
  readonly retry_of: string | null;
}

interface ArtifactRow {
  readonly job_id: string;
  readonly kind: ArtifactKind;
  readonly sha256: string;
  readonly bytes: number;
  readonly mime_type: string;
  readonly name: string;
  readonly created_at: number;
  readonly served_by: string | null;
  readonly reason: string | null;
}

interface AttemptRow {
  readonly fence: number;
  readonly worker_id: string;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly outcome: string | null;
  readonly code: string | null;
  readonly message: string | null;
  readonly signature: string | null;
  readonly evidence: string | null;
  readonly plan: string | null;
}

const parsed = <Value>(text: string | null): Value | null => (text === null ? null : (JSON.parse(text) as Value));

function toArtifact(row: ArtifactRow): JobArtifact {
  return {
    kind: row.kind,
    sha256: row.sha256,
    bytes: row.bytes,
    mimeType: row.mime_type,
    name: row.name,
    createdAtMs: row.created_at,
    servedBy: row.served_by === null ? null : (JSON.parse(row.served_by) as ServedBy),
    reason: row.reason,
  };
}

const toAttempt = (row: AttemptRow): AttemptView => ({
  fence: row.fence,
  workerId: row.worker_id,
  startedAtMs: row.started_at,
  endedAtMs: row.ended_at,
  outcome: row.outcome,
  code: row.code,
  message: row.message,
  signature: row.signature,
  evidence: parsed(row.evidence),
  plan: parsed<RenderPlan>(row.plan),
});

export function artifactsOf(database: Database, jobId: string): JobArtifact[] {
  return database.all<ArtifactRow>("select * from artifacts where job_id = ? order by kind", jobId).map(toArtifact);
}

export function findArtifactRow(database: Database, sha256: string): { jobId: string; artifact: JobArtifact } | null {
  const row = database.get<ArtifactRow>("select * from artifacts where sha256 = ? and kind <> 'image' limit 1", sha256);
  return row === undefined ? null : { jobId: row.job_id, artifact: toArtifact(row) };
}

export const labelsOf = (database: Database, jobId: string): string[] =>
  database
    .all<{ label: string }>("select label from job_labels where job_id = ? order by label", jobId)
    .map((row) => row.label);

export const specText = ({ request, consent }: JobSpec): string => JSON.stringify({ request, consent });

function toSpec(row: JobRow): JobSpec {
  return { ...(JSON.parse(row.spec) as Omit<JobSpec, "workflow">), workflow: row.workflow };
}

type SuspicionRow = Pick<JobRow, "suspicion_signature" | "suspicion_worker_id" | "suspicion_at">;

/** The three columns are written together. */
export function suspicionOf(row: SuspicionRow): Suspicion | null {
  const { suspicion_signature: signature, suspicion_worker_id: workerId, suspicion_at: atMs } = row;
  return signature === null || workerId === null || atMs === null ? null : { signature, workerId, atMs };
}

export function toView(database: Database, row: JobRow): JobView {
  return {
    id: row.id,
    state: row.state,
    spec: toSpec(row),
    apiKeyId: row.api_key_id,
    priority: row.priority,
    fence: row.fence,
    attempts: row.attempts,
    deaths: row.deaths,
    hostLosses: row.host_losses,
    suspicion: suspicionOf(row),
    createdAtMs: row.created_at,
    startedAtMs: row.started_at,
    endedAtMs: row.ended_at,
    deadlineAtMs: row.deadline_at,
    runAtMs: row.run_at,
    workerId: row.worker_id,
    isCancelRequested: row.is_cancel_requested === 1,
    isSimulated: row.is_simulated === 1,
    errorCode: row.error_code as ErrorCode | null,
    errorMessage: row.error_message,
    result: row.result === null ? null : (JSON.parse(row.result) as JobResult),
    artifacts: artifactsOf(database, row.id),
    attemptList: database
      .all<AttemptRow>(
        "select fence, worker_id, started_at, ended_at, outcome, code, message, signature, evidence, plan from attempts where job_id = ? order by fence",
        row.id,
      )
      .map(toAttempt),
    labels: labelsOf(database, row.id),
    webhookUrl: row.webhook_url,
    retryOf: row.retry_of,
  };
}

export function toLease(database: Database, row: JobRow): Lease {
  const attempt = database.get<{ plan: string | null }>(
    "select plan from attempts where job_id = ? and fence = ?",
    row.id,
    row.fence,
  );
  return {
    jobId: row.id,
    fence: row.fence,
    attempt: row.attempts + 1,
    hostLosses: row.host_losses,
    untilMs: row.lease_until ?? 0,
    workerId: row.worker_id ?? "",
    spec: toSpec(row),
    plan: parsed<RenderPlan>(attempt?.plan ?? null),
    isCancelRequested: row.is_cancel_requested === 1,
  };
}

export const findJob = (database: Database, jobId: string): JobRow | undefined =>
  database.get<JobRow>("select * from jobs where id = ?", jobId);

/** Finds the attempt's job, but only while this fence may write. */
export function findHeld(
  database: Database,
  lease: { readonly jobId: string; readonly fence: number },
): JobRow | undefined {
  return database.get<JobRow>(
    "select * from jobs where id = ? and fence = ? and state = 'running'",
    lease.jobId,
    lease.fence,
  );
}

/** Inserts an artifact; false when one of this kind is there already. */
export function insertArtifact(
  database: Database,
  jobId: string,
  fence: number,
  artifact: ArtifactRef,
  about: { servedBy: ServedBy | null; reason: string | null },
): boolean {
  const changed = database.run(
    "insert into artifacts (job_id, kind, fence, sha256, bytes, mime_type, name, created_at, served_by, reason) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (job_id, kind) do nothing",
    jobId,
    artifact.kind,
    fence,
    artifact.sha256,
    artifact.bytes,
    artifact.mimeType,
    artifact.name,
    database.clock.nowMs(),
    about.servedBy === null ? null : JSON.stringify(about.servedBy),
    about.reason,
  );
  return changed === 1;
}

/** What the row of a job's end says besides the end, so that metrics know whose figures it belongs to. */
export const endedAbout = (database: Database, row: Pick<JobRow, "model" | "created_at">) => ({
  model: row.model,
  age_ms: database.clock.nowMs() - row.created_at,
});

export function endAttempt(
  database: Database,
  lease: { jobId: string; fence: number },
  outcome: string,
  about: { code?: string; message?: string; signature?: string; evidence?: unknown } = {},
): void {
  database.run(
    "update attempts set ended_at = ?, outcome = ?, code = ?, message = ?, signature = ?, evidence = ? where job_id = ? and fence = ? and ended_at is null",
    database.clock.nowMs(),
    outcome,
    about.code ?? null,
    about.message ?? null,
    about.signature ?? null,
    about.evidence === undefined ? null : JSON.stringify(about.evidence),
    lease.jobId,
    lease.fence,
  );
}

export interface Ending {
  readonly state: JobState;
  readonly code?: string;
  readonly message?: string;
  readonly result?: JobResult;
}

/** Ends a job's life: nothing holds it any more. */
export function endJob(database: Database, jobId: string, ending: Ending): void {
  database.run(
    "update jobs set state = ?, ended_at = ?, lease_until = null, error_code = ?, error_message = ?, result = coalesce(?, result) where id = ?",
    ending.state,
    database.clock.nowMs(),
    ending.code ?? null,
    ending.message ?? null,
    ending.result === undefined ? null : JSON.stringify(ending.result),
    jobId,
  );
}

/**
 * Puts a job back into the queue. The fence stays, so that the old attempt can write nothing once it is claimed again.
 */
export function queueAgain(database: Database, jobId: string, runAtMs: number): void {
  database.run(
    "update jobs set state = 'queued', run_at = ?, worker_id = null, lease_until = null, epoch = null where id = ?",
    runAtMs,
    jobId,
  );
}
