/**
 * Times one render for the learned step times. A phase that was met halfway, after an adoption, teaches nothing of its
 * whole length.
 */
import type { Clock } from "../../core/clock.ts";
import { effectiveRequest, type Lease } from "../../core/job.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { LoadProfile, Phase } from "../../core/words.ts";
import { envelopeOf } from "../../recovery/envelopes.ts";
import type { StepLimits, StepPlace } from "../../recovery/step-history.ts";
import type { LearnedStepTimes } from "./learned.ts";

export interface Reached {
  readonly phase: Phase;
  readonly step: number;
  readonly of: number;
  readonly longPhaseMs?: number;
}

export interface RenderTimes {
  /** Also answers what is left by earlier renders, and the limits of a phase that begins here. */
  note(reached: Reached): { readonly leftMs: number | null; readonly begun: StepLimits | null };
  /** Ends the last phase, whose time nothing else tells. */
  end(): void;
}

/** What one render's times teach: of its steps, and of each phase that was seen from its beginning to its end. */
export function createRenderTimes(
  { clock, catalog, steps }: { clock: Clock; catalog: ModelCatalog; steps: LearnedStepTimes },
  lease: Lease,
  profile: LoadProfile,
): RenderTimes {
  const request = effectiveRequest(lease);
  const envelope = envelopeOf(catalog, request);
  const placeOf = (phase: StepPlace["phase"]): StepPlace => ({ phase, profile, envelope });
  let phase: Phase | null = null;
  let lastAtMs: number | null = null;
  let beganAtMs: number | null = null;
  const notePhase = (nowMs: number): void => {
    if (phase !== null && beganAtMs !== null) steps.note(placeOf(`whole ${phase}`), nowMs - beganAtMs);
  };
  return {
    note: ({ phase: at, step, of }) => {
      const nowMs = clock.nowMs();
      const isBegun = at !== phase;
      if (isBegun) {
        notePhase(nowMs);
        beganAtMs = step === 0 ? nowMs : null;
      } else if (lastAtMs !== null) steps.note(placeOf(at), nowMs - lastAtMs);
      phase = at;
      lastAtMs = nowMs;
      const inPhaseMs = nowMs - (beganAtMs ?? nowMs);
      const leftMs = steps.expectedMs({
        phase: at,
        step,
        of,
        profile,
        envelope,
        denoiseSteps: request.steps,
        inPhaseMs,
      });
      return { leftMs, begun: isBegun ? steps.limitsOf(placeOf(at)) : null };
    },
    end: () => notePhase(clock.nowMs()),
  };
}
