import { assertDelay, type Clock, sleepOn, type TimerHandle } from "./clock.ts";

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

  const isBefore = (a: Due, b: Due): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
  const push = (due: Due): void => {
    let index = heap.push(due) - 1;
    while (index > 0) {
      const up = (index - 1) >> 1;
      const parent = heap[up] as Due;
      if (!isBefore(due, parent)) break;
      heap[index] = parent;
      index = up;
    }
    heap[index] = due;
  };
  const pop = (): Due | undefined => {
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child += 1;
      if (!isBefore(heap[child] as Due, last)) break;
      heap[index] = heap[child] as Due;
      index = child;
    }
    heap[index] = last;
    return top;
  };
  const dropCleared = (): void => {
    while (heap[0] !== undefined && heap[0].callback === undefined) pop();
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const settle = async (): Promise<void> => {
    let seen: number;
    let emptyTurns = 0;
    while (emptyTurns < 2) {
      seen = armedCount;
      await turn();
      emptyTurns = seen === armedCount ? emptyTurns + 1 : 0;
    }
  };
  const advanceTo = async (untilMs: number, isDone: () => boolean): Promise<boolean> => {
    await settle();
    while (!isDone()) {
      dropCleared();
      const next = heap[0];
      if (next === undefined || next.atMs > untilMs) {
        nowMs = Math.max(nowMs, untilMs);
        return isDone();
      }
      pop();
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
      push(due);
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
