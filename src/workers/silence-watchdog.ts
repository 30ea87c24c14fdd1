/**
 * Notices when a worker says nothing any more. It judges only time in which this process could listen, so a paused host
 * blames no worker.
 */
import type { Clock, SystemClock, TimerHandle } from "../core/clock.ts";

export interface SilenceWatchdogOptions {
  /** The system clock tells of its own standstills: after one, the deadline starts anew. */
  readonly clock: Clock & Partial<Pick<SystemClock, "onStandstill">>;
  readonly limitMs: number;
  readonly onSilent: (silentForMs: number) => void;
  /** The watchdog calls it when something was heard again after a silence. */
  readonly onHeard: () => void;
}

/** Hears every notice of one worker, outside the machines: they are told of changes only, not of heartbeats. */
export interface SilenceWatchdog {
  hear(): void;
  /** The new limit also applies to the time since the last notice. */
  setLimit(limitMs: number): void;
  /** Judges only what comes after now, because this process could not listen meanwhile. */
  restart(): void;
  stop(): void;
}

export function createSilenceWatchdog({
  clock,
  limitMs: firstLimitMs,
  onSilent,
  onHeard,
}: SilenceWatchdogOptions): SilenceWatchdog {
  let limitMs = firstLimitMs;
  let lastHeardAtMs = clock.nowMs();
  let isSilent = false;
  let isStopped = false;
  let timer: TimerHandle | undefined;

  // One timer serves many notices: when it fires early, it is set again for what is left.
  const judge = (): void => {
    timer = undefined;
    const silentForMs = clock.nowMs() - lastHeardAtMs;
    if (silentForMs < limitMs) {
      timer = clock.setTimer(judge, limitMs - silentForMs);
      return;
    }
    isSilent = true;
    onSilent(silentForMs);
  };
  const rearm = (): void => {
    clock.clearTimer(timer);
    timer = undefined;
    if (!isStopped && !isSilent) timer = clock.setTimer(judge, Math.max(0, lastHeardAtMs + limitMs - clock.nowMs()));
  };
  const restart = (): void => {
    lastHeardAtMs = clock.nowMs();
    rearm();
  };
  const stopListening = clock.onStandstill?.(restart);
  rearm();
  return {
    hear: () => {
      lastHeardAtMs = clock.nowMs();
      if (!isSilent || isStopped) return;
      isSilent = false;
      rearm();
      onHeard();
    },
    setLimit: (nextMs) => {
      limitMs = nextMs;
      rearm();
    },
    restart,
    stop: () => {
      isStopped = true;
      stopListening?.();
      rearm();
    },
  };
}
