/**
 * Notices the end of a worker process, once for every listener. A process that an earlier supervisor started is no
 * child, so it must be watched by looking.
 */
import type { ChildProcess } from "node:child_process";
import type { Clock, TimerHandle } from "../core/clock.ts";
import type { ProcessExit } from "../core/ports/worker.ts";

/** An adopted process is nobody's child here, so the kernel sends no exit: the process table is read this often. */
const pollEveryMs = 500;

type Listener = (exit: ProcessExit) => void;

/** The end of one process, told to every listener once, also to one that comes late. */
export interface ExitWatch {
  onExit(listener: Listener): () => void;
  stop(): void;
}

type Ending = Pick<ProcessExit, "code" | "signal">;

/** Reads the last words and clears up; called once, before the first listener hears. */
type Conclude = (ending: Ending) => ProcessExit;

function createExitFan(conclude: Conclude): {
  readonly tell: (ending: Ending) => void;
  readonly onExit: ExitWatch["onExit"];
} {
  const listeners = new Set<Listener>();
  let known: ProcessExit | null = null;
  return {
    tell: (ending) => {
      if (known !== null) return;
      const concluded = conclude(ending);
      known = concluded;
      for (const listener of [...listeners]) listener(concluded);
      listeners.clear();
    },
    onExit: (listener) => {
      listeners.add(listener);
      if (known !== null) {
        const concluded = known;
        queueMicrotask(() => listeners.delete(listener) && listener(concluded));
      }
      return () => listeners.delete(listener);
    },
  };
}

/** Watches a process that this supervisor started. */
export function watchChild(child: ChildProcess, conclude: Conclude): ExitWatch {
  const fan = createExitFan(conclude);
  child.once("exit", (code, signal) => fan.tell({ code, signal }));
  return { onExit: fan.onExit, stop: () => undefined };
}

/** Watches a process that an earlier supervisor started. How it ended cannot be known: code and signal are null. */
export function watchAdopted(clock: Clock, isGone: () => boolean, conclude: Conclude): ExitWatch {
  const fan = createExitFan(conclude);
  let timer: TimerHandle | undefined;
  const look = (): void => {
    if (isGone()) fan.tell({ code: null, signal: null });
    else timer = clock.setTimer(look, pollEveryMs);
  };
  look();
  return { onExit: fan.onExit, stop: () => clock.clearTimer(timer) };
}
