/**
 * Keeps track of each worker process until it has ended, its group is gone and its last words are read. A successor is
 * started only after that, because a leftover could still hold the card.
 */
import type { ChildProcess } from "node:child_process";
import type { Clock } from "../core/clock.ts";
import type { ProcessExit, ProcessRef, WorkerHost } from "../core/ports/worker.ts";
import { type ExitWatch, watchAdopted, watchChild } from "./exit-watch.ts";
import type { ProcessRegistry } from "./process-registry.ts";
import { type ProcessTable, sendToGroup } from "./process-table.ts";
import { createLogRotation, readLogTail } from "./worker-log.ts";

/** The processes that one host started or adopted, until each has ended and been cleared up after. */
export interface ProcessLives {
  beginChild(ref: ProcessRef, child: ChildProcess): void;
  /** The end of a known process, or of one that is taken up with this call. */
  exitOf(ref: ProcessRef): ExitWatch;
  /** Resolves once an earlier, ended process of this worker has been cleared up after. */
  settled(workerId: string): Promise<void>;
  signal: WorkerHost["signal"];
  isGone: WorkerHost["isGone"];
  drop(workerId: string): void;
  close(): void;
}

export interface ProcessLivesOptions {
  readonly clock: Clock;
  readonly table: ProcessTable;
  readonly registry: ProcessRegistry;
  readonly logOf: (workerId: string) => string;
}

interface Life {
  readonly ref: ProcessRef;
  readonly exit: ExitWatch;
}

const isSameProcess = (one: ProcessRef, other: ProcessRef): boolean =>
  one.pid === other.pid && one.startTicks === other.startTicks;

function createSignaller(table: ProcessTable): WorkerHost["signal"] {
  return (ref, name) => {
    const presence = table.presenceOf(ref);
    if (presence === "foreign") return false;
    // After the leader's end its group may still hold the device: the signal goes to what is left of it as well.
    const hasReceiver = sendToGroup(ref.pid, name);
    return hasReceiver && presence === "alive";
  };
}

export function createProcessLives({ clock, table, registry, logOf }: ProcessLivesOptions): ProcessLives {
  const logs = createLogRotation(clock);
  const lives = new Map<string, Life>();
  const isGone = (ref: ProcessRef): boolean => table.presenceOf(ref) !== "alive";
  const signal = createSignaller(table);
  /** Clears up after the end of a process, however it was noticed. */
  const concludeFor =
    (ref: ProcessRef) =>
    (exit: Pick<ProcessExit, "code" | "signal">): ProcessExit => {
      signal(ref, "SIGKILL");
      registry.unregister(ref.pid);
      logs.release(logOf(ref.workerId));
      return { ...exit, logTail: readLogTail(logOf(ref.workerId)) };
    };
  const begin = (ref: ProcessRef, exit: ExitWatch): ExitWatch => {
    lives.get(ref.workerId)?.exit.stop();
    lives.set(ref.workerId, { ref, exit });
    return exit;
  };
  const takeUp = (ref: ProcessRef): void => {
    registry.register(ref);
    logs.keep(logOf(ref.workerId));
  };
  return {
    beginChild: (ref, child) => {
      takeUp(ref);
      begin(ref, watchChild(child, concludeFor(ref)));
    },
    exitOf: (ref) => {
      const life = lives.get(ref.workerId);
      if (life !== undefined && isSameProcess(life.ref, ref)) return life.exit;
      takeUp(ref);
      return begin(
        ref,
        watchAdopted(clock, () => isGone(ref), concludeFor(ref)),
      );
    },
    settled: async (workerId) => {
      const life = lives.get(workerId);
      if (life !== undefined) await new Promise<void>((resolve) => life.exit.onExit(() => resolve()));
    },
    signal,
    isGone,
    drop: (workerId) => {
      lives.get(workerId)?.exit.stop();
      lives.delete(workerId);
      logs.release(logOf(workerId));
    },
    close: () => {
      for (const { exit } of lives.values()) exit.stop();
      lives.clear();
      logs.stop();
    },
  };
}
