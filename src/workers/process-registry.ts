/**
 * The list by which this program kills whatever it started when everything else has failed, even from an exit handler.
 */
import { createProcessTable, type ProcessName, type ProcessTable, sendToGroup } from "./process-table.ts";

/** Every process that this program has started or adopted: workers and helpers alike. */
export interface ProcessRegistry {
  /** Adds a process. Without a start time the present one is read, so call it while the process is known to live. */
  register(process: {
    readonly pid: number;
    readonly startTicks?: number | null;
    readonly bootId?: string | null;
  }): void;
  /** Removes a process that has ended. */
  unregister(pid: number): void;
  /** Leaves a process alive on purpose (`--keep-workers`): `killAll` spares it. */
  disown(pid: number): void;
  list(): readonly ProcessName[];
  /** Kills every registered group at once and synchronously; usable in a `process.on("exit")` handler. */
  killAll(): void;
}

/**
 * The last resort behind the machines: it works when no machine does any more. A pid whose start time has changed is
 * somebody else's process and is spared.
 */
export function createProcessRegistry(table: ProcessTable = createProcessTable()): ProcessRegistry {
  const known = new Map<number, ProcessName>();
  const remove = (pid: number): void => {
    known.delete(pid);
  };
  return {
    register: ({ pid, startTicks, bootId }) => {
      known.set(pid, {
        pid,
        startTicks: startTicks ?? table.stat(pid)?.startTicks ?? null,
        bootId: bootId ?? table.bootId(),
      });
    },
    unregister: remove,
    disown: remove,
    list: () => [...known.values()],
    killAll: () => {
      for (const name of known.values()) if (table.presenceOf(name) !== "foreign") sendToGroup(name.pid, "SIGKILL");
      known.clear();
    },
  };
}
