/**
 * What a bench hands to the runner: one figure, with the bound by which the runner passes or fails it; and the medians
 * and percentiles that benches share.
 */

export interface BenchOptions {
  /** How long the idle supervisor is watched. */
  readonly idleMinutes: number;
}

export interface BenchResult {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** Null for a figure that is told and not judged. */
  readonly limit: { readonly kind: "atLeast" | "atMost"; readonly value: number } | null;
  /** The figures behind the ratio. */
  readonly detail: string;
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function percentileOf(values: readonly number[], ratio: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * ratio))] ?? Number.NaN;
}
