/**
 * What jobs need of a durable store. Every change of a job and the row that tells of it are one transaction; an
 * attempt's writes carry its fence, and an older one is refused.
 */
import type {
  ArtifactRef,
  AttemptFailure,
  JobArtifact,
  JobResult,
  JobView,
  Lease,
  LeaseRef,
  NewJob,
  RenderPlan,
  ServedBy,
} from "../job.ts";
import type { OwnWait } from "../wait-reason.ts";
import type { FallbackConsent, JobState, ModelId } from "../words.ts";

export type SubmitOutcome =
  | { readonly kind: "created" | "duplicate"; readonly job: JobView }
  | { readonly kind: "conflict"; readonly jobId: string }
  | { readonly kind: "queueFull"; readonly limit: number };

export interface ClaimRequest {
  readonly workerId: string;
  readonly epoch: number;
  readonly models: readonly ModelId[];
  /**
   * The model that the worker holds now. Its jobs are preferred within bounds: a load costs minutes, and nobody may
   * wait for ever.
   */
  readonly residentModel: ModelId | null;
  readonly leaseMs: number;
  /** When the worker's process began: a suspect is tried again only in one that began after its failure. */
  readonly processBeganAtMs: number;
  /** The other workers that can be used now, with what each offers: a suspect goes to one of them first. */
  readonly otherWorkers: readonly { readonly id: string; readonly models: readonly ModelId[] }[];
}

/**
 * `wantsFreshProcess`: nobody else waits for this worker, and this suspect is tried again in a process that begins after
 * its failure.
 */
export type ClaimOutcome =
  | { readonly kind: "claimed"; readonly lease: Lease }
  | { readonly kind: "wantsFreshProcess"; readonly jobId: string }
  | { readonly kind: "none" };

export interface JobQuery {
  readonly states?: readonly JobState[];
  /** A job must have all of them. */
  readonly labels?: readonly string[];
  readonly model?: ModelId;
  /** When it was submitted; inclusive. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  readonly limit: number;
  readonly cursor?: string;
  /** Only what comes behind this job; goes before `cursor`. */
  readonly after?: Pick<JobView, "id" | "createdAtMs">;
  /** Newest first unless set. */
  readonly isOldestFirst?: boolean;
}

/** Where a job stands among what surrounds it. */
export interface JobStanding {
  /** Queued jobs that go before it; null when it is not queued. */
  readonly aheadCount: number | null;
  /** The newest incident that it had to do with. */
  readonly incidentId: string | null;
}

/** A job that waits or is being rendered, as far as others in the queue have to know it. */
export interface OpenJob {
  readonly id: string;
  readonly isQueued: boolean;
  readonly model: ModelId;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly steps: number;
  readonly priority: number;
  readonly createdAtMs: number;
  /** It can be claimed from then on. */
  readonly dueAtMs: number;
  readonly fallback: FallbackConsent;
  /** It is claimed only when no other job can be. */
  readonly isSuspect: boolean;
  /** What it was given back for, with the time until then, which may be over; null where nothing held it back. */
  readonly wait: OwnWait | null;
}

/** Owners who may have a stand-in and whose real video is not there. */
export interface StandInsSeen {
  readonly withoutCount: number;
  readonly withCount: number;
  /** The newest stand-in that one of them can see; null where none can. */
  readonly newestName: string | null;
}

export interface SweepResult {
  readonly requeued: readonly string[];
  /** Jobs past their deadline, now `failed`. */
  readonly expired: readonly string[];
}

export interface Retention {
  readonly resultMaxAgeMs: number;
  readonly resultMaxBytes: number;
  readonly standInMaxAgeMs: number;
}

/** Failures of one job by one signature before the attempt that is under way. */
export interface EarlierAlike {
  /** Processes in which it failed so, this attempt's own not counted. */
  readonly processCount: number;
  /** This attempt's worker has rendered another job since the first of them. */
  readonly hasOtherSucceeded: boolean;
}

/** Who did it: `operator:<key id>`, `client:<key id>` or `service`. */
export type ActorName = string;

/**
 * The durable life of jobs. Every method is one transaction that also writes its event rows; it returns after the fsync.
 * Expected outcomes are values; thrown are StoreError with STORE_UNAVAILABLE (retryable) or STORE_CORRUPT.
 * All times are the injected clock's.
 */
export interface JobStore {
  /** Idempotency keys are unique per API key. `queueFull` when all keys or this one have as many queued jobs as they may. */
  submit(job: NewJob): Promise<SubmitOutcome>;
  /**
   * Takes the next job, by priority and then by age, and raises its fence. A suspect is taken only when no other job can
   * be, and not where it failed before.
   */
  claim(request: ClaimRequest): Promise<ClaimOutcome>;
  /** When the next job of these models that is not yet due may be claimed; null when none waits for its time. */
  nextDueAtMs(models: readonly ModelId[], afterMs: number): Promise<number | null>;
  /** Keeps how this attempt is rendered; called once, before the render begins. */
  notePlan(lease: LeaseRef, plan: RenderPlan): Promise<"ok" | "stale">;
  /** `lost`: stop and discard; `cancel`: the owner asked for the end. */
  renew(lease: LeaseRef, leaseMs: number): Promise<"ok" | "cancel" | "lost">;
  /** Writes result, job state, artifact row and event in one transaction, and only under the lease's fence. */
  commit(
    lease: LeaseRef,
    artifact: ArtifactRef,
    result: JobResult,
    thumbnail?: ArtifactRef,
  ): Promise<"ok" | "stale" | "cancelled">;
  /**
   * Ends the attempt: the job goes back into the queue, into quarantine (deaths of one signature), or is `failed` (not
   * retryable, no attempt left, or the same failure again on another worker or in a fresh process).
   */
  fail(lease: LeaseRef, failure: AttemptFailure): Promise<"retry" | "quarantined" | "failed" | "cancelled" | "stale">;
  /**
   * These jobs are no suspects any more, and have back the attempt that was charged; `atOnce`: nothing is in their way any more.
   * Jobs that are no suspects stay as they are.
   */
  acquit(jobIds: readonly string[], when: "atOnce" | "inItsTime"): Promise<void>;
  /** What these queued jobs waited for has come: each may be claimed at once. */
  hasten(jobIds: readonly string[]): Promise<void>;
  /** How often the job of this lease failed with that signature before, elsewhere or in older processes. */
  earlierAlike(lease: LeaseRef, signature: string): Promise<EarlierAlike>;
  /** Jobs of which an attempt ended since then with that signature, in the order of their ids. */
  jobsFailedAlike(signature: string, sinceMs: number): Promise<readonly string[]>;
  /** Gives the job back; the attempt is not charged. */
  release(lease: LeaseRef, why: string, runAtMs?: number): Promise<"ok" | "cancelled" | "stale">;
  /** Ends a queued job at once; asks for the end of a running one. */
  cancel(jobId: string, by: ActorName): Promise<"cancelled" | "requested" | "ended" | "absent">;
  /** The device is free of the job: the cancel that was requested becomes true. */
  confirmCancel(lease: LeaseRef): Promise<"ok" | "stale">;
  /** Ends a queued job as `failed` (for `fallback: fail`), or as `succeeded` by its stand-in (for `fallback: stand_in`). */
  endQueued(
    jobId: string,
    end:
      | { readonly kind: "failed"; readonly code: "NO_REAL_ROUTE" | "STAND_IN_FAILED"; readonly message: string }
      | { readonly kind: "stoodIn"; readonly result: JobResult },
  ): Promise<"ok" | "refused" | "absent">;
  /** Takes a job out of quarantine and back into the queue, with fresh attempts and a fresh deadline. */
  requeue(jobId: string, by: ActorName): Promise<"ok" | "refused" | "absent">;
  /** Takes a job out of quarantine for good: it stays failed, with its evidence, until the retention. */
  drop(jobId: string, by: ActorName): Promise<"ok" | "refused" | "absent">;
  /** Attaches a stand-in or a thumbnail. Idempotent; a stand-in is refused once the result exists. */
  attach(
    jobId: string,
    artifact: ArtifactRef,
    about: { readonly servedBy: ServedBy | null; readonly reason: string | null },
  ): Promise<"ok" | "duplicate" | "refused" | "absent">;
  /** Takes over a running attempt after a restart: same fence, new epoch, also when the lease has run out. */
  adopt(jobId: string, fence: number, epoch: number, leaseMs: number): Promise<Lease | "stale">;
  /** Requeues every running job whose lease belongs to an older epoch; attempts not charged. */
  releaseOlderEpochs(epoch: number): Promise<readonly string[]>;
  /** Requeues run-out leases, ends jobs past their deadline. Idempotent. */
  sweep(): Promise<SweepResult>;
  /** Deletes an ended job with its rows; the caller deletes the files that are returned. */
  remove(
    jobId: string,
    by: ActorName,
  ): Promise<
    { readonly kind: "removed"; readonly artifacts: readonly JobArtifact[] } | { readonly kind: "refused" | "absent" }
  >;
  get(jobId: string): Promise<JobView | null>;
  /** Null when there is no such job. */
  standingOf(jobId: string): Promise<JobStanding | null>;
  /** Keyset by (created, id). */
  list(query: JobQuery): Promise<{ readonly jobs: readonly JobView[]; readonly cursor: string | null }>;
  /** Since when the job that waits longest could be claimed; null when none waits. */
  waitingSinceMs(): Promise<number | null>;
  counts(): Promise<Readonly<Record<JobState, number>>>;
  /** Those of these jobs that are queued or running; of all jobs for null. In no order. */
  openJobs(ids: readonly string[] | null): Promise<readonly OpenJob[]>;
  /**
   * Queued jobs of these models, or with these ids, without a stand-in whose fallback is not `wait`, oldest first: what the
   * stand-in dispatcher works through.
   */
  listAwaitingStandIn(
    limit: number,
    among: { readonly models: readonly ModelId[]; readonly jobIds: readonly string[] },
  ): Promise<readonly JobView[]>;
  /** Of the jobs of these models that wait, or ended by their stand-in since then: who may have one, and who has. */
  standInsSeen(models: readonly ModelId[], sinceMs: number): Promise<StandInsSeen>;
  findArtifact(sha256: string): Promise<{ readonly jobId: string; readonly artifact: JobArtifact } | null>;
  /** Names of all artifact files that a row names: everything else in the directory is garbage. */
  listArtifactNames(): Promise<ReadonlySet<string>>;
  /** Applies the retention; the caller deletes the files that are returned. */
  prune(retention: Retention): Promise<{ readonly jobCount: number; readonly artifactNames: readonly string[] }>;
}
