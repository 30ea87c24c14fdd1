/**
 * Limits how fast one caller may ask, with a bounded number of callers in memory. A client in a loop must not slow the
 * others.
 */
import type { Clock } from "../../core/clock.ts";

export interface RateLimit {
  readonly perSecond: number;
  /** Requests that may come at once after a quiet time. */
  readonly burstCount: number;
}

export interface RateLimiter {
  /** Takes one request of this caller; how long to wait where there is none left, else 0. */
  takeMs(caller: string): number;
}

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/**
 * So many callers are remembered; the one that was idle longest is forgotten first, and begins with a full bucket
 * again.
 */
const mostBuckets = 4_096;

/** Keeps one token bucket a caller. */
export function createRateLimiter({ perSecond, burstCount }: RateLimit, clock: Pick<Clock, "nowMs">): RateLimiter {
  const buckets = new Map<string, Bucket>();
  const bucketOf = (caller: string, nowMs: number): Bucket => {
    const known = buckets.get(caller) ?? { tokens: burstCount, filledAtMs: nowMs };
    // The map keeps the order of insertion: whoever asked last stands last.
    buckets.delete(caller);
    buckets.set(caller, known);
    const oldest = buckets.size > mostBuckets ? buckets.keys().next().value : undefined;
    if (oldest !== undefined) buckets.delete(oldest);
    return known;
  };
  return {
    takeMs: (caller) => {
      const nowMs = clock.nowMs();
      const bucket = bucketOf(caller, nowMs);
      bucket.tokens = Math.min(
        burstCount,
        bucket.tokens + (Math.max(0, nowMs - bucket.filledAtMs) * perSecond) / 1_000,
      );
      bucket.filledAtMs = nowMs;
      if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) * 1_000) / perSecond);
      bucket.tokens -= 1;
      return 0;
    },
  };
}
