/**
 * Tries a network call again with growing waits. Progress gives all tries back: a download of hours is not given up for
 * a few breaks.
 */
import { type Chance, jitter } from "../core/chance.ts";
import type { Clock } from "../core/clock.ts";
import { ModelError } from "../core/errors.ts";
import { askedWaitMs } from "./hub-refusals.ts";

export interface RetryPolicy {
  /** Tries in all, the first one included. */
  readonly tryCount: number;
  readonly firstMs: number;
  readonly factor: number;
  readonly longestMs: number;
  readonly jitterRatio: number;
  /** A hub that asks for a longer wait is asked again after this. */
  readonly longestAskedMs: number;
}

/** The try that comes next, from 2. */
export interface Retry {
  readonly tryNumber: number;
  readonly waitMs: number;
}

export interface Retrying {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal;
  readonly onRetry?: (error: ModelError, retry: Retry) => void;
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
  let failedCount = 0;
  for (;;) {
    try {
      return await attempt(() => {
        failedCount = 0;
      });
    } catch (thrown) {
      signal.throwIfAborted();
      failedCount += 1;
      if (!(thrown instanceof ModelError) || !thrown.retryable || failedCount >= policy.tryCount) throw thrown;
      const waitMs = waitMsOf(thrown, failedCount, options);
      onRetry?.(thrown, { tryNumber: failedCount + 1, waitMs });
      await clock.sleep(waitMs, signal);
    }
  }
}
