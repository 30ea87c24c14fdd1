/**
 * Tells the tries of a pull. Its connections fail together when the network does: what several of them would tell is
 * told once.
 */
import type { Clock } from "../core/clock.ts";
import type { ModelError } from "../core/errors.ts";
import type { PullRetry } from "../core/ports/model-cache.ts";
import type { Retry } from "./retrying.ts";

export interface RetryTeller {
  note(error: ModelError, retry: Retry): void;
  /** Bytes came: the tries are counted anew. */
  noteProgress(): void;
}

export function createRetryTeller(
  tryCount: number,
  clock: Pick<Clock, "nowMs">,
  tell: (retry: PullRetry) => void,
): RetryTeller {
  let toldNumber = 0;
  return {
    note: (error, { tryNumber, waitMs }) => {
      if (tryNumber <= toldNumber) return;
      toldNumber = tryNumber;
      tell({ tryNumber, tryCount, atMs: clock.nowMs() + waitMs, code: error.code, message: error.message });
    },
    noteProgress: () => {
      toldNumber = 0;
    },
  };
}
