/** Jobs and attempts, counted from rows after they are written, and phases and steps as workers report them. */
import type { JobProgress } from "../../core/job.ts";
import type { EventRow } from "../../core/ports/event-log.ts";
import { secondMs } from "../../core/units.ts";
import type { Phase } from "../../core/words.ts";
import { type Families, renderSeconds, setMeasured, stepSeconds } from "./families.ts";

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

interface Reached {
  readonly phase: Phase;
  readonly step: number;
  /** Null where its beginning was not seen, as after an adoption. */
  readonly phaseBeganAtMs: number | null;
  readonly stepAtMs: number;
}

export interface JobMetrics {
  row(row: EventRow): void;
  progress(progress: JobProgress): void;
  queue(figures: QueueFigures): void;
}

/** @param models whose counters begin at zero, so that their first job is seen by rates too */
export function createJobMetrics(families: Families, models: readonly string[]): JobMetrics {
  const submitted = families.counter("jobs_submitted_total", "Jobs that were accepted durably.", ["model"]);
  const finished = families.counter("jobs_finished_total", "Jobs that ended, by what their owner got.", ["model", "outcome"]);
  const attempts = families.counter("attempts_total", "Tries of jobs on workers, by how they ended.", ["model", "outcome", "code"]);
  const duration = families.histogram("job_duration_seconds", "From submission to the real result.", renderSeconds, ["model"]);
  const waited = families.histogram("job_queue_seconds", "From the moment a job could be claimed until it was.", renderSeconds, ["model"]);
  const phases = families.histogram("job_phase_seconds", "Time that a render spends in each phase.", renderSeconds, ["phase"]);
  const steps = families.histogram("attempt_step_seconds", "Time from one reported step of a phase to the next.", stepSeconds, ["phase"]);
  const lastProgress = families.gauge("worker_last_progress_timestamp_seconds", "When a worker's render last began or moved.", ["worker"]);
  const queued = families.gauge("jobs_queued", "Jobs that wait.");
  const running = families.gauge("jobs_running", "Jobs that are being rendered.");
  const oldest = families.gauge(
    "job_oldest_waiting_seconds",
    "How long the job that could be claimed first has waited; 0 when none waits.",
  );
  const reached = new Map<string, Reached>();
  const outcomes = ["succeeded", "changed", "stand_in", ...Object.values(outcomeOfKind)];
  for (const model of models) {
    submitted.inc({ model }, 0);
    for (const outcome of outcomes) finished.inc({ model, outcome }, 0);
  }

  const leave = (jobId: string, atMs: number): void => {
    const last = reached.get(jobId);
    if (last?.phaseBeganAtMs != null) phases.observe({ phase: last.phase }, seconds(atMs - last.phaseBeganAtMs));
    reached.delete(jobId);
  };
  return {
    row: (row) => {
      const { kind, jobId, workerId, data, atMs } = row;
      const model = String(data["model"]);
      if (kind === "job.submitted") submitted.inc({ model });
      if (kind === "job.claimed") {
        waited.observe({ model }, seconds(data["waited_ms"]));
        if (workerId !== null) lastProgress.set({ worker: workerId }, seconds(atMs));
      }
      if (kind === "render.completed" && jobId !== null) leave(jobId, atMs);
      const outcome = outcomeOf(row);
      if (outcome !== undefined) finished.inc({ model, outcome });
      if (outcome === "succeeded" || outcome === "changed") duration.observe({ model }, seconds(data["age_ms"]));
      const ended = attemptEndOf(row);
      if (ended === null) return;
      attempts.inc({ model, outcome: ended, code: typeof data["code"] === "string" ? data["code"] : "none" });
      if (jobId !== null) reached.delete(jobId);
    },
    progress: ({ jobId, workerId, phase, step, atMs }) => {
      const last = reached.get(jobId);
      const isNewPhase = last?.phase !== phase;
      if (isNewPhase) leave(jobId, atMs);
      else if (step > last.step) steps.observe({ phase }, seconds(atMs - last.stepAtMs) / (step - last.step));
      const isSeenFromItsBeginning = isNewPhase && (last !== undefined || step === 0);
      const phaseBeganAtMs = isNewPhase ? (isSeenFromItsBeginning ? atMs : null) : last.phaseBeganAtMs;
      reached.set(jobId, { phase, step, phaseBeganAtMs, stepAtMs: isNewPhase || step > last.step ? atMs : last.stepAtMs });
      lastProgress.set({ worker: workerId }, seconds(atMs));
    },
    queue: ({ queuedCount, runningCount, longestWaitMs }) => {
      queued.set(queuedCount);
      running.set(runningCount);
      setMeasured(oldest, {}, seconds(longestWaitMs ?? 0));
    },
  };
}
