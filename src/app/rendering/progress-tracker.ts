/**
 * Progress of the running jobs for streams, pages and outlooks. It is kept in memory only: after a restart the next
 * report of the worker fills it again.
 */
import type { Clock } from "../../core/clock.ts";
import type { JobProgress } from "../../core/job.ts";
import type { Phase } from "../../core/words.ts";

/** Share of a job's time at which each phase starts and how long it takes, as rendered on the simulator's 80 GiB card. */
const spans: Readonly<Record<Phase, readonly [start: number, length: number]>> = {
  encode: [0, 0.03],
  denoise: [0.03, 0.72],
  decode: [0.75, 0.1],
  mux: [0.85, 0.14],
};

interface ProgressNote {
  readonly jobId: string;
  readonly workerId: string;
  readonly phase: Phase;
  readonly step: number;
  readonly of: number;
  /** What is left by this machine's own history; without it the tracker goes by this attempt's pace. */
  readonly leftMs?: number | null;
}

export interface ProgressTracker {
  note(progress: ProgressNote): void;
  /** The attempt ended: its bar goes, and the next attempt starts from nothing. */
  clear(jobId: string): void;
  of(jobId: string): JobProgress | null;
  list(): readonly JobProgress[];
  onProgress(listener: (progress: JobProgress) => void): () => void;
}

/** From where on an attempt's pace is measured. */
interface Begun {
  readonly startedAtMs: number;
  readonly startRatio: number;
}

interface Entry extends Begun {
  readonly progress: JobProgress;
}

/** A phase that is met in its middle goes on from a checkpoint: those steps took no time now, and say nothing of the pace. */
const isResumed = (before: Pick<JobProgress, "phase">, { phase, step }: ProgressNote): boolean =>
  phase !== before.phase && step > 1;

/** Where the running jobs are, in memory only. A bar does not fall within one attempt. */
export function createProgressTracker(clock: Clock): ProgressTracker {
  const entries = new Map<string, Entry>();
  const listeners = new Set<(progress: JobProgress) => void>();

  const etaOf = ({ startedAtMs, startRatio }: Begun, ratio: number, nowMs: number): number | null => {
    const doneRatio = ratio - startRatio;
    return doneRatio < 0.05 ? null : Math.round(((nowMs - startedAtMs) / doneRatio) * (1 - ratio));
  };
  return {
    note: ({ leftMs = null, ...noted }) => {
      const [start, length] = spans[noted.phase];
      const entry = entries.get(noted.jobId);
      const reached = start + length * (noted.of === 0 ? 0 : Math.min(1, noted.step / noted.of));
      const ratio = Math.max(entry?.progress.ratio ?? 0, reached);
      const nowMs = clock.nowMs();
      const begun =
        entry === undefined || isResumed(entry.progress, noted) ? { startedAtMs: nowMs, startRatio: ratio } : entry;
      const progress: JobProgress = { ...noted, ratio, atMs: nowMs, etaMs: leftMs ?? etaOf(begun, ratio, nowMs) };
      entries.set(noted.jobId, { startedAtMs: begun.startedAtMs, startRatio: begun.startRatio, progress });
      for (const listener of listeners) listener(progress);
    },
    clear: (jobId) => {
      entries.delete(jobId);
    },
    of: (jobId) => entries.get(jobId)?.progress ?? null,
    list: () => [...entries.values()].map((entry) => entry.progress),
    onProgress: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
