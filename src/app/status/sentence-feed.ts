/**
 * Tells those who listen when what a video can count on changes with the queue: a mode stays what it is while forty jobs come
 * in. A burst of changes is looked at once.
 */
import type { Clock, TimerHandle } from "../../core/clock.ts";
import type { Mode } from "../../core/words.ts";

interface Said {
  readonly mode: Mode;
  readonly sentence: string;
}

export interface SentenceFeed {
  /** The queue is another one. */
  queueChanged(): void;
  /** What everybody who listens was told by another way; null when somebody came who may have been told something else. */
  note(told: Said | null): void;
  /** Nobody listens any more. */
  stop(): void;
}

/** So often at the most. */
const everyMs = 500;

export function createSentenceFeed(
  clock: Pick<Clock, "setTimer" | "clearTimer">,
  read: () => Said,
  tell: (said: Said) => void,
): SentenceFeed {
  let timer: TimerHandle | undefined;
  let last: Said | null = null;
  const look = (): void => {
    timer = undefined;
    const { mode, sentence } = read();
    if (last?.mode === mode && last.sentence === sentence) return;
    last = { mode, sentence };
    tell(last);
  };
  return {
    queueChanged: () => {
      timer ??= clock.setTimer(look, everyMs);
    },
    note: (told) => {
      last = told;
    },
    stop: () => {
      clock.clearTimer(timer);
      timer = undefined;
    },
  };
}
