/** Jobs and attempts, counted from rows after they are written. */
import type { JobProgress } from "../../core/job.ts";
import type { EventRow } from "../../core/ports/event-log.ts";
import { secondMs } from "../../core/units.ts";
import { type Families, renderSeconds } from "./families.ts";
import { createPhaseMetrics } from "./phase-metrics.ts";

/** How a job can end, for its owner: as asked, in a changed form that it allowed, with its stand-in, or without any video. */
const outcomeOfKind: Readonly<Record<string, string>> = {
  "job.failed": "failed",
  "job.expired": "expired",
  "job.cancelled": "cancelled",
  "job.quarantined": "quarantined",
};

function outcomeOf({ kind, data }: EventRow): string | undefined {
  if (kind !== "job.succeeded") return outcomeOfKind[kind];
  if (data["served_by"] === "stand_in") return "stand_in";
  return data["changed"] === true ? "changed" : "succeeded";
}

/** Null for rows that end no attempt: a queued job that is cancelled had none. */
function attemptEndOf({ kind, data }: EventRow): string | null {
  if (data["fence"] === undefined) return null;
  if (kind === "job.succeeded") return "succeeded";
  if (kind === "job.released") return "released";
  if (kind === "job.cancelled") return "cancelled";
  return typeof data["attempt_ended_as"] === "string" ? data["attempt_ended_as"] : null;
}

const seconds = (ms: unknown): number => Number(ms) / secondMs;

export interface QueueFigures {
  readonly queuedCount: number;
  readonly runningCount: number;
  /** Null when no job waits. */
  readonly longestWaitMs: number | null;
}

export interface JobMetrics {
  row(row: EventRow): void;
  progress(progress: JobProgress): void;
  queue(figures: QueueFigures): void;
}

/** Every family of one job's way; the counters of `models` begin at zero, so that their first job is seen by rates too. */
function registerJobFamilies(families: Families, models: readonly string[]) {
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
  const phases = createPhaseMetrics(families);
  const lastProgress = families.gauge(
    "worker_last_progress_timestamp_seconds",
    "When a worker's render last began or moved.",
    ["worker"],
  );
  const outcomes = ["succeeded", "changed", "stand_in", ...Object.values(outcomeOfKind)];
  for (const model of models) {
    submitted.inc({ model }, 0);
    for (const outcome of outcomes) finished.inc({ model, outcome }, 0);
  }
  return { submitted, finished, attempts, duration, waited, phases, lastProgress };
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
  const { submitted, finished, attempts, duration, waited, phases, lastProgress } = registerJobFamilies(
    families,
    models,
  );
  const queue = registerQueueFamilies(families);
  return {
    row: (row) => {
      const { kind, jobId, workerId, data, atMs } = row;
      const model = String(data["model"]);
      if (kind === "job.submitted") submitted.inc({ model });
      if (kind === "job.claimed") {
        waited.observe({ model }, seconds(data["waited_ms"]));
        if (workerId !== null) lastProgress.set({ worker: workerId }, seconds(atMs));
      }
      if (kind === "render.completed" && jobId !== null) phases.completed(jobId, atMs);
      const outcome = outcomeOf(row);
      if (outcome !== undefined) finished.inc({ model, outcome });
      if (outcome === "succeeded" || outcome === "changed") duration.observe({ model }, seconds(data["age_ms"]));
      const ended = attemptEndOf(row);
      if (ended === null) return;
      attempts.inc({ model, outcome: ended, code: typeof data["code"] === "string" ? data["code"] : "none" });
      // The end of a render that succeeded is told too, before or after this row.
      if (jobId !== null && ended !== "succeeded") phases.forget(jobId);
    },
    progress: (progress) => {
      phases.progress(progress);
      lastProgress.set({ worker: progress.workerId }, seconds(progress.atMs));
    },
    queue,
  };
}
