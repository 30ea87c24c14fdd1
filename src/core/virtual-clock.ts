/** The clock of tests and of the simulation. Hours pass in moments, and in the same order every time. */
import { assertDelay, type Clock, sleepOn, type TimerHandle } from "./clock.ts";
import { popTimer, pushTimer } from "./timer-heap.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Until two turns in a row have armed nothing. */
async function drain(armedCount: () => number): Promise<void> {
  let emptyTurns = 0;
  while (emptyTurns < 2) {
    const seen = armedCount();
    await turn();
    emptyTurns = seen === armedCount() ? emptyTurns + 1 : 0;
  }
}

interface Due extends TimerHandle {
  readonly atMs: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

export interface VirtualClock extends Clock {
  /** Moves from due time to due time up to now + `spanMs`, draining promises after each timer. */
  advance(spanMs: number): Promise<void>;
  /** Moves until `isDone` holds; false when `limitMs` passed first. */
  advanceUntil(isDone: () => boolean, limitMs: number): Promise<boolean>;
  /** Drains promises until two empty turns of the event loop have passed. */
  settle(): Promise<void>;
  readonly pendingCount: number;
}

/**
 * A clock that jumps. Timers that are armed while a span is advanced fire within it at their own due time, which
 * xstate's SimulatedClock does not do.
 */
export function createVirtualClock(startMs = 1_760_000_000_000): VirtualClock {
  let nowMs = startMs;
  let order = 0;
  let armedCount = 0;
  const heap: Due[] = [];

  const dropCleared = (): void => {
    while (heap[0] !== undefined && heap[0].callback === undefined) popTimer(heap);
  };
  const settle = (): Promise<void> => drain(() => armedCount);
  const advanceTo = async (untilMs: number, isDone: () => boolean): Promise<boolean> => {
    await settle();
    while (!isDone()) {
      dropCleared();
      const next = heap[0];
      if (next === undefined || next.atMs > untilMs) {
        nowMs = Math.max(nowMs, untilMs);
        return isDone();
      }
      popTimer(heap);
      nowMs = Math.max(nowMs, next.atMs);
      const { callback } = next;
      next.callback = undefined;
      armedCount += 1;
      callback?.();
      await settle();
    }
    return true;
  };

  const clock: VirtualClock = {
    nowMs: () => nowMs,
    setTimer: (callback, delayMs) => {
      assertDelay(delayMs);
      order += 1;
      armedCount += 1;
      const due: Due = { atMs: nowMs + Math.ceil(Math.max(0, delayMs)), order, callback };
      pushTimer(heap, due);
      return due;
    },
    clearTimer: (handle) => {
      if (handle !== undefined) (handle as Due).callback = undefined;
    },
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
    turn: () => {
      armedCount += 1;
      return turn();
    },
    advance: async (spanMs) => {
      await advanceTo(nowMs + spanMs, () => false);
    },
    advanceUntil: (isDone, limitMs) => advanceTo(nowMs + limitMs, isDone),
    settle,
    get pendingCount() {
      return heap.filter((due) => due.callback !== undefined).length;
    },
  };
  return clock;
}
