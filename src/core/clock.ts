/**
 * Time as a port. Nothing else in the program reads a wall clock or arms a timer: the lint allows these globals here,
 * in virtual-clock.ts and in chance.ts only.
 */
export type TimerHandle = object;

export interface Clock {
  /** Epoch milliseconds at start plus monotonic time since: a step of the wall clock moves no lease. */
  nowMs(): number;
  /** Calls `callback` after `delayMs` (finite, ≥ 0; longer than 2^31 ms is sliced). */
  setTimer(callback: () => void, delayMs: number): TimerHandle;
  clearTimer(handle: TimerHandle | undefined): void;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
  /** Resolves after one full turn of the event loop. */
  turn(): Promise<void>;
}

const longestTimerMs = 2_147_483_647;
/** A tick this late means that the process or the host was stopped (SIGSTOP, suspend). */
const lateTickMs = 2_000;

interface Timer {
  id: ReturnType<typeof setTimeout> | undefined;
}

export function assertDelay(delayMs: number): void {
  if (!Number.isFinite(delayMs)) throw new RangeError(`a timer's delay must be finite, not ${delayMs}`);
}

export function sleepOn(
  clock: Pick<Clock, "setTimer" | "clearTimer">,
  delayMs: number,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      clock.clearTimer(handle);
      reject(signal?.reason);
    };
    const handle = clock.setTimer(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, delayMs);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export interface SystemClock extends Clock {
  /** Listeners hear by how many ms this process was stopped, after one I/O turn and before the next timer fires. */
  onStandstill(listener: (gapMs: number) => void): () => void;
  stop(): void;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function disarm(handle: TimerHandle | undefined): void {
  if (handle === undefined) return;
  const timer = handle as Timer;
  clearTimeout(timer.id);
  timer.id = undefined;
}

/**
 * The real clock. It watches its own tick: when that comes more than 2 s late, the process was stopped, and timers that
 * fell due meanwhile wait for one full I/O turn, so that waiting heartbeats are read before a silence is judged.
 */
export function createSystemClock(): SystemClock {
  const startedAtMs = Date.now();
  const startedAt = performance.now();
  const elapsedMs = (): number => performance.now() - startedAt;
  const listeners = new Set<(gapMs: number) => void>();
  let lastTickMs = elapsedMs();
  let standstill: Promise<void> | undefined;

  const noteTick = (): void => {
    const gapMs = elapsedMs() - lastTickMs - 500;
    lastTickMs = elapsedMs();
    if (gapMs <= lateTickMs || standstill !== undefined) return;
    standstill = turn()
      .then(turn)
      .then(() => {
        standstill = undefined;
        for (const listener of listeners) listener(gapMs);
      });
  };
  const ticker = setInterval(noteTick, 500);
  ticker.unref();

  const fire = (callback: () => void): void => {
    noteTick();
    if (standstill === undefined) callback();
    else void standstill.then(callback);
  };
  const arm = (timer: Timer, callback: () => void, delayMs: number): void => {
    const sliceMs = Math.min(delayMs, longestTimerMs);
    timer.id = setTimeout(() => {
      if (delayMs > sliceMs) arm(timer, callback, delayMs - sliceMs);
      else
        fire(() => {
          if (timer.id !== undefined) callback();
        });
    }, sliceMs);
  };
  const clock: SystemClock = {
    nowMs: () => Math.round(startedAtMs + elapsedMs()),
    setTimer: (callback, delayMs) => {
      assertDelay(delayMs);
      const timer: Timer = { id: undefined };
      arm(timer, callback, Math.max(0, delayMs));
      return timer;
    },
    clearTimer: disarm,
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
    turn,
    onStandstill: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: () => clearInterval(ticker),
  };
  return clock;
}

/** The shape that XState's `createActor(machine, { clock })` takes. Children inherit it. */
export interface ActorClock {
  setTimeout(callback: (...args: unknown[]) => void, delayMs: number): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}

export function toActorClock(clock: Clock): ActorClock {
  return {
    setTimeout: (callback, delayMs) => clock.setTimer(callback, delayMs),
    clearTimeout: (handle) => clock.clearTimer(handle),
  };
}

/** ISO 8601 in UTC with `Z`. */
export function isoOf(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
