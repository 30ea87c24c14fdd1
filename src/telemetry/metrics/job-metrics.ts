/** Metrics of jobs and attempts, counted from rows after they are written. */
import { type EventRow, isRowOf } from "../../core/events.ts";
import type { JobProgress } from "../../core/job.ts";
import { secondMs } from "../../core/units.ts";
import { type Families, renderSeconds } from "./families.ts";
import { createPhaseMetrics } from "./phase-metrics.ts";

/** How a job can end, for its owner: as asked, in a changed form that it allowed, with its stand-in, or without any video. */
const endKinds = ["job.succeeded", "job.failed", "job.expired", "job.cancelled", "job.quarantined"] as const;
const outcomes = ["succeeded", "changed", "stand_in", "failed", "expired", "cancelled", "quarantined"] as const;

const outcomeOfKind: Readonly<Record<Exclude<(typeof endKinds)[number], "job.succeeded">, (typeof outcomes)[number]>> =
  {
    "job.failed": "failed",
    "job.expired": "expired",
    "job.cancelled": "cancelled",
    "job.quarantined": "quarantined",
  };

function outcomeOf(row: EventRow<(typeof endKinds)[number]>): (typeof outcomes)[number] {
  if (row.kind !== "job.succeeded") return outcomeOfKind[row.kind];
  if (row.data.served_by === "stand_in") return "stand_in";
  return row.data.changed ? "changed" : "succeeded";
}

interface AttemptEnd {
  readonly model: string;
  readonly outcome: string;
  readonly code: string;
}

/** Null for rows that end no attempt: a queued job that is cancelled had none. */
function attemptEndOf(row: EventRow): AttemptEnd | null {
  switch (row.kind) {
    case "job.succeeded":
    case "job.released":
    case "job.cancelled": {
      const { fence, model } = row.data;
      return fence === undefined ? null : { model, outcome: row.kind.slice("job.".length), code: "none" };
    }
    case "job.failed":
    case "job.retried":
    case "job.quarantined": {
      const { attempt_ended_as: outcome, model, code } = row.data;
      return outcome === undefined ? null : { model, outcome, code };
    }
    default:
      return null;
  }
}

const seconds = (ms: number): number => ms / secondMs;

export interface QueueFigures {
  readonly queuedCount: number;
  readonly runningCount: number;
  /** The longest wait; null when no job waits. */
  readonly longestWaitMs: number | null;
}

export interface JobMetrics {
  row(row: EventRow): void;
  progress(progress: JobProgress): void;
  queue(figures: QueueFigures): void;
}

/** @param models whose counters begin at zero, so that their first job is seen by rates too */
function createJobCounts(families: Families, models: readonly string[]): (row: EventRow) => void {
  const submitted = families.counter("jobs_submitted_total", "Jobs that were accepted durably.", ["model"]);
  const finished = families.counter("jobs_finished_total", "Jobs that ended, by what their owner got.", [
    "model",
    "outcome",
  ]);
  const attempts = families.counter("attempts_total", "Tries of jobs on workers, by how they ended.", [
    "model",
    "outcome",
    "code",
  ]);
  const duration = families.histogram("job_duration_seconds", "From submission to the real result.", renderSeconds, [
    "model",
  ]);
  const waited = families.histogram(
    "job_queue_seconds",
    "From the moment a job could be claimed until it was.",
    renderSeconds,
    ["model"],
  );
  for (const model of models) {
    submitted.inc({ model }, 0);
    for (const outcome of outcomes) finished.inc({ model, outcome }, 0);
  }
  return (row) => {
    if (row.kind === "job.submitted") submitted.inc({ model: row.data.model });
    if (row.kind === "job.claimed") waited.observe({ model: row.data.model }, seconds(row.data.waited_ms));
    if (isRowOf(row, ...endKinds)) {
      const { model, age_ms } = row.data;
      const outcome = outcomeOf(row);
      finished.inc({ model, outcome });
      if (outcome === "succeeded" || outcome === "changed") duration.observe({ model }, seconds(age_ms));
    }
    const ended = attemptEndOf(row);
    if (ended !== null) attempts.inc({ ...ended });
  };
}

function registerQueueFamilies(families: Families): JobMetrics["queue"] {
  const queued = families.gauge("jobs_queued", "Jobs that wait.");
  const running = families.gauge("jobs_running", "Jobs that are being rendered.");
  const oldest = families.gauge(
    "job_oldest_waiting_seconds",
    "How long the job that could be claimed first has waited; 0 when none waits.",
  );
  return ({ queuedCount, runningCount, longestWaitMs }) => {
    queued.set(queuedCount);
    running.set(runningCount);
    oldest.set(seconds(longestWaitMs ?? 0));
  };
}

/** @param models whose counters begin at zero */
export function createJobMetrics(families: Families, models: readonly string[]): JobMetrics {
  const count = createJobCounts(families, models);
  const phases = createPhaseMetrics(families);
  const lastProgress = families.gauge(
    "worker_last_progress_timestamp_seconds",
    "When a worker's render last began or moved.",
    ["worker"],
  );
  const queue = registerQueueFamilies(families);
  return {
    row: (row) => {
      count(row);
      const { kind, jobId, workerId, atMs } = row;
      if (kind === "job.claimed" && workerId !== null) lastProgress.set({ worker: workerId }, seconds(atMs));
      if (jobId === null) return;
      if (kind === "render.completed") phases.completed(jobId, atMs);
      // The end of a render that succeeded is told too, before or after this row.
      const ended = attemptEndOf(row);
      if (ended !== null && ended.outcome !== "succeeded") phases.forget(jobId);
    },
    progress: (progress) => {
      phases.progress(progress);
      lastProgress.set({ worker: progress.workerId }, seconds(progress.atMs));
    },
    queue,
  };
}
