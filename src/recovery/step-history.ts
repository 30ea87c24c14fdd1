/**
 * Learns how long steps take here, and derives from it when a render has stalled. A fixed limit would end slow cards'
 * renders, or miss the stalls of fast ones.
 */
import { tokenCount } from "../core/model-figures.ts";
import { minuteMs, secondMs } from "../core/units.ts";
import { type LoadProfile, type Phase, phases } from "../core/words.ts";
import type { Envelope } from "./envelopes.ts";

/** How long this machine's own steps took, newest last, by phase and envelope. Plain data; every change makes a new one. */
export type StepHistory = Readonly<Record<string, readonly number[]>>;

export const emptyHistory: StepHistory = {};

const keptSampleCount = 64;
const keptEnvelopeCount = 64;
/** Fewer samples say nothing: the generous limits hold until then, so that no first render is ended by a guess. */
const trustedSampleCount = 5;
export const unknownLimits = { stallMs: 15 * minuteMs, cancelMs: 5 * minuteMs } as const;
const leastLimits = { stallMs: minuteMs, cancelMs: 10 * secondMs } as const;

export interface StepPlace {
  /** `whole` beside it: all of the phase, not one step. */
  readonly phase: Phase | `whole ${Phase}`;
  readonly profile: LoadProfile;
  readonly envelope: Envelope;
}

const keyOf = ({ phase, profile, envelope }: StepPlace): string =>
  [phase, envelope.model.id, profile, tokenCount(envelope.model, envelope)].join("|");

/** A step of this phase took so long. */
export function noteStep(history: StepHistory, place: StepPlace, tookMs: number): StepHistory {
  const key = keyOf(place);
  const { [key]: known = [], ...others } = history;
  const kept = Object.entries(others).slice(-(keptEnvelopeCount - 1));
  return { ...Object.fromEntries(kept), [key]: [...known, Math.max(0, Math.round(tookMs))].slice(-keptSampleCount) };
}

/** The smallest value that at least this share of the samples does not exceed; null without samples. */
export function quantile(samples: readonly number[], share: number): number | null {
  const sorted = [...samples].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null;
}

/** 95 of 100 such steps were at least as fast; null until enough of them were seen. */
export function stepP95Ms(history: StepHistory, place: StepPlace): number | null {
  const samples = history[keyOf(place)] ?? [];
  return samples.length < trustedSampleCount ? null : quantile(samples, 0.95);
}

export interface StepLimits {
  /** Without progress for so long the render has stalled. */
  readonly stallMs: number;
  /** A cancelled render may take so long to let the device go. */
  readonly cancelMs: number;
}

/** Limits by this machine's own history: 4 × p95 for a stall, 2 × p95 for a cancel, never below a minute and ten seconds. */
export function limitsOf(history: StepHistory, place: StepPlace): StepLimits {
  const p95Ms = stepP95Ms(history, place);
  if (p95Ms === null) return unknownLimits;
  return { stallMs: Math.max(leastLimits.stallMs, 4 * p95Ms), cancelMs: Math.max(leastLimits.cancelMs, 2 * p95Ms) };
}

export interface Reached {
  readonly profile: LoadProfile;
  readonly envelope: Envelope;
  readonly phase: Phase;
  readonly step: number;
  readonly of: number;
  /** Steps of the denoising. */
  readonly denoiseSteps: number;
  readonly inPhaseMs: number;
}

/** What is left of a render, by the middle of what this machine's own renders took; null while it has not seen all that is left. */
export function expectedMs(history: StepHistory, reached: Reached): number | null {
  const middle = (phase: StepPlace["phase"]): number | null =>
    quantile(history[keyOf({ ...reached, phase })] ?? [], 0.5);
  const denoiseMs = (steps: number): number | null => {
    const stepMs = middle("denoise");
    return stepMs === null ? null : stepMs * steps;
  };
  const leftOf = (phase: Phase): number | null => {
    if (phase === "denoise")
      return denoiseMs(phase === reached.phase ? reached.of - reached.step : reached.denoiseSteps);
    const wholeMs = middle(`whole ${phase}`);
    return wholeMs === null ? null : Math.max(0, wholeMs - (phase === reached.phase ? reached.inPhaseMs : 0));
  };
  const left = phases.slice(phases.indexOf(reached.phase)).map(leftOf);
  return left.some((ms) => ms === null) ? null : left.reduce<number>((sum, ms) => sum + (ms ?? 0), 0);
}
