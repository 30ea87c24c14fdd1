/** Metrics of phases and steps of renders, as workers report them. */
import type { JobProgress } from "../../core/job.ts";
import { secondMs } from "../../core/units.ts";
import type { Phase } from "../../core/words.ts";
import { type Families, renderSeconds, stepSeconds } from "./families.ts";

interface Reached {
  readonly phase: Phase;
  readonly step: number;
  /** When the phase began; null where that was not seen, as after an adoption. */
  readonly phaseBeganAtMs: number | null;
  readonly stepAtMs: number;
}

export interface PhaseMetrics {
  progress(progress: JobProgress): void;
  /** The last phase of the render has ended. */
  completed(jobId: string, atMs: number): void;
  /** The attempt has ended; the phase that it was in was not seen to its end. */
  forget(jobId: string): void;
}

export function createPhaseMetrics(families: Families): PhaseMetrics {
  const phases = families.histogram("job_phase_seconds", "Time that a render spends in each phase.", renderSeconds, [
    "phase",
  ]);
  const steps = families.histogram(
    "attempt_step_seconds",
    "Time from one reported step of a phase to the next.",
    stepSeconds,
    ["phase"],
  );
  const reached = new Map<string, Reached>();

  const leave = (jobId: string, atMs: number): void => {
    const last = reached.get(jobId);
    if (last?.phaseBeganAtMs != null) phases.observe({ phase: last.phase }, (atMs - last.phaseBeganAtMs) / secondMs);
    reached.delete(jobId);
  };
  const enter = ({ jobId, phase, step, atMs }: JobProgress): void => {
    const isSeenFromItsBeginning = reached.has(jobId) || step === 0;
    leave(jobId, atMs);
    reached.set(jobId, { phase, step, phaseBeganAtMs: isSeenFromItsBeginning ? atMs : null, stepAtMs: atMs });
  };
  return {
    progress: (progress) => {
      const { jobId, phase, step, atMs } = progress;
      const last = reached.get(jobId);
      if (last?.phase !== phase) return enter(progress);
      if (step <= last.step) return;
      steps.observe({ phase }, (atMs - last.stepAtMs) / secondMs / (step - last.step));
      reached.set(jobId, { ...last, step, stepAtMs: atMs });
    },
    completed: leave,
    forget: (jobId) => void reached.delete(jobId),
  };
}
