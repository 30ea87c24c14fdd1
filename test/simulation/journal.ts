/**
 * Follows the timeline of a simulated world row by row: it checks fences and commits as they happen, and hashes all
 * rows, so that two runs can be compared.
 */
import { createHash } from "node:crypto";
import type { TimelineRow } from "../../src/core/events.ts";

/** What the timeline says of one job's attempts. */
interface AttemptsOfJob {
  newestFence: number;
  /** The fence under which something may be written; null while nobody holds the job. */
  heldFence: number | null;
  commitCount: number;
}

/** Reads every row of the timeline in the order of its number: the digest of a run, and what must hold between rows. */
export interface Journal {
  read(row: TimelineRow): void;
  readonly problems: string[];
  readonly rowCount: number;
  readonly adoptionCount: number;
  /** Results that were complete while no supervisor lived, and were committed all the same. */
  readonly keptResultCount: number;
  readonly heldSinceMs: ReadonlyMap<string, number>;
  /** From the opening of each incident that was repaired to its end. */
  readonly recoveryMs: readonly number[];
  /** SHA-256 over all rows: the same seed gives the same. */
  digest(): string;
}

const endKinds: ReadonlySet<string> = new Set([
  "job.released",
  "job.retried",
  "job.failed",
  "job.quarantined",
  "job.cancelled",
  "job.expired",
]);

export function createJournal(keptAttempts: ReadonlySet<string>): Journal {
  const hash = createHash("sha256");
  const jobs = new Map<string, AttemptsOfJob>();
  const heldSinceMs = new Map<string, number>();
  const openedAtMs = new Map<string, number>();
  const recoveryMs: number[] = [];
  const problems: string[] = [];
  let rowCount = 0;
  let lastSeq = 0;
  let adoptionCount = 0;
  let keptResultCount = 0;

  const attemptsOf = (jobId: string): AttemptsOfJob => {
    const known = jobs.get(jobId) ?? { newestFence: 0, heldFence: null, commitCount: 0 };
    jobs.set(jobId, known);
    return known;
  };
  const letGo = (jobId: string, job: AttemptsOfJob): void => {
    job.heldFence = null;
    heldSinceMs.delete(jobId);
  };
  const noteClaim = (jobId: string, job: AttemptsOfJob, fence: number, atMs: number): void => {
    if (job.heldFence !== null) problems.push(`job ${jobId} was claimed while attempt ${job.heldFence} held it`);
    if (fence <= job.newestFence) problems.push(`job ${jobId} was claimed under the old fence ${fence}`);
    job.newestFence = fence;
    job.heldFence = fence;
    heldSinceMs.set(jobId, atMs);
  };
  const noteSuccess = (jobId: string, job: AttemptsOfJob, fence: number | undefined): void => {
    job.commitCount += 1;
    if (job.commitCount > 1) problems.push(`job ${jobId} was committed ${job.commitCount} times`);
    // Without a fence it ended by its stand-in, which only a queued job may.
    if (fence !== undefined && fence !== job.heldFence)
      problems.push(`job ${jobId} was committed under fence ${fence}, which it had lost (held: ${job.heldFence})`);
    if (fence === undefined && job.heldFence !== null)
      problems.push(`job ${jobId} ended by a stand-in in the middle of an attempt`);
    if (fence !== undefined && keptAttempts.has(`${jobId}:${fence}`)) keptResultCount += 1;
    letGo(jobId, job);
  };
  const readJob = (jobId: string, row: TimelineRow): void => {
    const job = attemptsOf(jobId);
    if (row.kind === "job.claimed") noteClaim(jobId, job, row.data.fence, row.atMs);
    else if (row.kind === "job.succeeded") noteSuccess(jobId, job, row.data.fence);
    else if (row.kind === "job.adopted") {
      const { fence } = row.data;
      adoptionCount += 1;
      if (fence !== job.heldFence) problems.push(`job ${jobId} was adopted under fence ${fence}, which it had lost`);
    } else if (endKinds.has(row.kind)) letGo(jobId, job);
  };
  const readIncident = (incidentId: string, { kind, atMs, data }: TimelineRow): void => {
    if (kind === "incident.opened") openedAtMs.set(incidentId, atMs);
    if (kind !== "incident.closed") return;
    const openedMs = openedAtMs.get(incidentId);
    openedAtMs.delete(incidentId);
    if (openedMs !== undefined && data.status === "resolved") recoveryMs.push(atMs - openedMs);
  };
  return {
    read: (row) => {
      if (row.seq <= lastSeq) problems.push(`row ${row.seq} came after row ${lastSeq}`);
      lastSeq = row.seq;
      rowCount += 1;
      const { seq, atMs, kind, actor, jobId, incidentId, workerId, data } = row;
      hash.update(`${JSON.stringify([seq, atMs, kind, actor, jobId, incidentId, workerId, data])}\n`);
      if (jobId !== null) readJob(jobId, row);
      if (incidentId !== null) readIncident(incidentId, row);
      if (kind === "unread")
        problems.push(`row ${seq}, a ${data.kind}, cannot be read: ${JSON.stringify(data.fields)}`);
      if (kind === "machine.transitioned" && /heartbeat/i.test(data.event))
        problems.push(`a heartbeat became an event of ${data.actor}`);
    },
    problems,
    heldSinceMs,
    recoveryMs,
    get rowCount() {
      return rowCount;
    },
    get adoptionCount() {
      return adoptionCount;
    },
    get keptResultCount() {
      return keptResultCount;
    },
    digest: () => hash.copy().digest("hex"),
  };
}
