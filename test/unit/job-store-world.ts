/**
 * A job store on a virtual clock with makers of jobs, leases and failures, for the contract tests and for every test
 * that needs a real store.
 */
import { expect } from "vitest";
import type { EventRow } from "../../src/core/events.ts";
import type {
  ArtifactRef,
  AttemptFailure,
  JobResult,
  Lease,
  NewJob,
  RenderRequest,
  ServedBy,
} from "../../src/core/job.ts";
import type { Store } from "../../src/core/ports/event-log.ts";
import type { ClaimOutcome, ClaimRequest, JobStore } from "../../src/core/ports/job-store.ts";
import { dayMs, secondMs } from "../../src/core/units.ts";
import type { VirtualClock } from "../../src/core/virtual-clock.ts";
import type { ArtifactKind, FallbackConsent, ModelId } from "../../src/core/words.ts";

export interface JobLimitOptions {
  readonly maxQueuedJobs?: number;
  readonly maxQueuedJobsPerKey?: number;
  readonly maxAttempts?: number;
}

export interface OpenedJobStore {
  readonly store: Store;
  readonly clock: VirtualClock;
  close(): Promise<void>;
}

export type OpenJobStore = (limits: JobLimitOptions) => OpenedJobStore;

export interface JobOptions {
  readonly model?: ModelId;
  readonly priority?: number;
  readonly fallback?: FallbackConsent;
  readonly key?: string;
  readonly body?: string;
  readonly apiKeyId?: string;
  readonly deadlineAtMs?: number;
  readonly workflow?: string;
  readonly labels?: readonly string[];
  readonly webhookUrl?: string;
  readonly retryOf?: string;
  readonly size?: Pick<RenderRequest, "width" | "height" | "frames">;
}

export const leaseMs = 30 * secondMs;
/** No row of the timeline may hold it. */
export const secretPrompt = "a heron that nobody else may read about";

const request: RenderRequest = {
  model: "T2V-A14B",
  prompt: secretPrompt,
  width: 832,
  height: 480,
  frames: 81,
  framesPerSecond: 16,
  steps: 40,
  seed: 7,
  loraPath: null,
  loraStrength: 1,
};

export const servedBy: ServedBy = { worker: "gpu0", model: "T2V-A14B", kind: "real", isSimulated: true };
export const standInBy: ServedBy = { worker: "media", model: "stand-in", kind: "stand_in", isSimulated: false };
export const result: JobResult = {
  servedBy,
  effective: request,
  changes: [],
  renderedSize: "832x480",
  durationSeconds: 5,
  renderMs: 9_000,
  stepsRendered: 40,
};

export function artifactOf(
  lease: { readonly jobId: string; readonly fence: number },
  kind: ArtifactKind = "result",
): ArtifactRef {
  const sha256 = `${kind}-${lease.jobId}-${lease.fence}`;
  return { kind, sha256, bytes: 1_000, mimeType: "video/mp4", name: `aa/${sha256}.mp4` };
}

/** A worker alone, whose process is always younger than what failed before. */
export const claimOf = (change: Partial<ClaimRequest> = {}): ClaimRequest => ({
  workerId: "gpu0",
  epoch: 1,
  models: ["T2V-A14B", "TI2V-5B"],
  residentModel: null,
  leaseMs,
  processBeganAtMs: Number.MAX_SAFE_INTEGER,
  otherWorkers: [],
  ...change,
});

const leaseIn = (outcome: ClaimOutcome): Lease | null => (outcome.kind === "claimed" ? outcome.lease : null);

/** The lease where nothing else is expected. */
export function leaseOf(outcome: ClaimOutcome): Lease {
  const lease = leaseIn(outcome);
  if (lease === null) throw new Error("nothing could be claimed");
  return lease;
}

/** An error that may pass, of a job that nobody suspects. */
export const makeFailure = (runAtMs: number, change: Partial<AttemptFailure> = {}): AttemptFailure => ({
  code: "GPU_OUT_OF_MEMORY",
  message: "the card was full",
  isRetryable: true,
  kind: "error",
  signature: "outOfMemory: the card was full",
  isSuspect: false,
  evidence: { freeBytes: 12 },
  runAtMs,
  ...change,
});

/** A death that is charged to its job. */
export const suspectedDeath = { kind: "death", isSuspect: true } as const;

let jobCount = 0;

/** A job as admission makes it. */
export function makeJob(deadlineAtMs: number, options: JobOptions = {}): NewJob {
  jobCount += 1;
  return {
    id: `job-${String(jobCount).padStart(5, "0")}`,
    spec: {
      request: { ...request, ...options.size, model: options.model ?? "T2V-A14B" },
      consent: { fallback: options.fallback ?? "stand_in_then_real", allow: ["frames"], floor: null },
      workflow: options.workflow ?? null,
    },
    apiKeyId: options.apiKeyId ?? "local",
    idempotencyKey: options.key ?? null,
    idempotencyBody: options.key === undefined ? null : (options.body ?? "{}"),
    priority: options.priority ?? 0,
    deadlineAtMs: options.deadlineAtMs ?? deadlineAtMs,
    isSimulated: true,
    labels: options.labels ?? [],
    webhookUrl: options.webhookUrl ?? null,
    retryOf: options.retryOf ?? null,
  };
}

/** One store at a time, the clock that it lives by, and every row that it published. */
export class JobStoreWorld {
  readonly #open: OpenJobStore;
  #opened: OpenedJobStore | undefined;
  rows: EventRow[] = [];

  constructor(open: OpenJobStore) {
    this.#open = open;
  }

  start(limits: JobLimitOptions = {}): void {
    this.#opened = this.#open(limits);
    this.rows = [];
    this.store.events.subscribe((written) => this.rows.push(...written));
  }

  async end(): Promise<void> {
    await this.#opened?.close();
    this.#opened = undefined;
  }

  async reopen(limits: JobLimitOptions): Promise<void> {
    await this.end();
    this.start(limits);
  }

  get #current(): OpenedJobStore {
    if (this.#opened === undefined) throw new Error("no store is open");
    return this.#opened;
  }

  get store(): Store {
    return this.#current.store;
  }

  get clock(): VirtualClock {
    return this.#current.clock;
  }

  get jobs(): JobStore {
    return this.store.jobs;
  }

  newJob(options: JobOptions = {}): NewJob {
    return makeJob(this.clock.nowMs() + dayMs, options);
  }

  failure(change: Partial<AttemptFailure> = {}): AttemptFailure {
    return makeFailure(this.clock.nowMs(), change);
  }

  async submit(options: JobOptions = {}): Promise<string> {
    const job = this.newJob(options);
    expect(await this.jobs.submit(job)).toMatchObject({ kind: "created", job: { id: job.id, state: "queued" } });
    return job.id;
  }

  ask(change: Partial<ClaimRequest> = {}): Promise<ClaimOutcome> {
    return this.jobs.claim(claimOf(change));
  }

  async tryClaim(change: Partial<ClaimRequest> = {}): Promise<Lease | null> {
    return leaseIn(await this.ask(change));
  }

  async claim(change: Partial<ClaimRequest> = {}): Promise<Lease> {
    return leaseOf(await this.ask(change));
  }

  /** Submits a job and claims it. */
  async claimNew(options: JobOptions = {}): Promise<Lease> {
    const id = await this.submit(options);
    const lease = await this.claim();
    expect(lease.jobId).toBe(id);
    return lease;
  }

  /** Claims it until its workers have died often enough. */
  async setAside(options: JobOptions = {}): Promise<string> {
    const id = await this.submit(options);
    for (const outcome of ["retry", "quarantined"])
      expect(await this.jobs.fail(await this.claim(), this.failure(suspectedDeath))).toBe(outcome);
    return id;
  }

  finish(lease: Lease): Promise<string> {
    return this.jobs.commit(lease, artifactOf(lease), result);
  }

  async stateOf(jobId: string): Promise<string | undefined> {
    return (await this.jobs.get(jobId))?.state;
  }

  kindsOf(jobId: string): string[] {
    return this.rows.filter((row) => row.jobId === jobId).map((row) => row.kind);
  }
}
