/**
 * Tries a network call again with growing waits. Progress gives all tries back: a download of hours is not given up for
 * a few breaks.
 */
import { type Chance, jitter } from "../core/chance.ts";
import type { Clock } from "../core/clock.ts";
import { ModelError } from "../core/errors.ts";
import { askedWaitMs } from "./hub-refusals.ts";

export interface RetryPolicy {
  readonly retryCount: number;
  readonly firstMs: number;
  readonly factor: number;
  readonly longestMs: number;
  readonly jitterRatio: number;
  /** A hub that asks for a longer wait is asked again after this. */
  readonly longestAskedMs: number;
}

export interface Retrying {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal;
  readonly onRetry?: (error: ModelError, waitMs: number) => void;
}

/** The wait before the `retry`-th retry, from 1; a wait that the hub asks for is never cut short below its longest. */
function waitMsOf(error: ModelError, retry: number, { policy, chance }: Retrying): number {
  const { firstMs, factor, longestMs, jitterRatio, longestAskedMs } = policy;
  const ownMs = Math.min(jitter(chance, Math.min(firstMs * factor ** (retry - 1), longestMs), jitterRatio), longestMs);
  return Math.max(ownMs, Math.min(askedWaitMs(error) ?? 0, longestAskedMs));
}

/** Tries again while errors are retryable and tries remain; `noteProgress` gives all tries back. */
export async function retrying<Value>(
  options: Retrying,
  attempt: (noteProgress: () => void) => Promise<Value>,
): Promise<Value> {
  const { clock, policy, signal, onRetry } = options;
  let usedCount = 0;
  for (;;) {
    try {
      return await attempt(() => {
        usedCount = 0;
      });
    } catch (thrown) {
      signal.throwIfAborted();
      if (!(thrown instanceof ModelError) || !thrown.retryable || usedCount >= policy.retryCount) throw thrown;
      usedCount += 1;
      const waitMs = waitMsOf(thrown, usedCount, options);
      onRetry?.(thrown, waitMs);
      await clock.sleep(waitMs, signal);
    }
  }
}
