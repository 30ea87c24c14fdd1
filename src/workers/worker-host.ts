import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { protocolVersion, workerEnvironment } from "../contract/worker-protocol.ts";
import type { Chance } from "../core/chance.ts";
import type { Clock } from "../core/clock.ts";
import { WorkerError } from "../core/errors.ts";
import type { ProcessExit, ProcessRef, WorkerClient, WorkerHost } from "../core/ports/worker.ts";
import { type ExitWatch, watchAdopted, watchChild } from "./exit-watch.ts";
import type { ProcessRegistry } from "./process-registry.ts";
import { createProcessTable, type ProcessTable, sendToGroup } from "./process-table.ts";
import { type CallDeadlines, createWorkerClient } from "./worker-client.ts";
import { createLogKeeper, readLogTail } from "./worker-log.ts";
import { startFailure, startProcess, type WorkerCommand } from "./worker-process.ts";
import { createWorkerRecords, type WorkerRecord, type WorkerRecords } from "./worker-record.ts";
import { openConnection, releaseSocketPath, reserveSocketPath } from "./worker-socket.ts";

export interface WorkerHostOptions {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly command: WorkerCommand;
  readonly registry: ProcessRegistry;
  readonly table?: ProcessTable;
  readonly deadlines?: CallDeadlines;
}

export interface SystemWorkerHost extends WorkerHost {
  /** Stops every timer and touches no process: workers go on (`--keep-workers`). */
  close(): void;
}

/** Between two tries to reach a worker that does not listen yet. */
const connectEveryMs = 50;
/** A handshake that failed for one of these may succeed with the next connection. */
const passingFailures: ReadonlySet<string> = new Set(["WORKER_EXITED", "WORKER_SILENT"]);

/** One process that this host knows, with its exit. */
interface Life {
  readonly ref: ProcessRef;
  readonly exit: ExitWatch;
}

const isSameProcess = (one: ProcessRef, other: ProcessRef): boolean => one.pid === other.pid && one.startTicks === other.startTicks;

function assertFileName(workerId: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(workerId)) {
    throw new WorkerError("CONFIGURATION_INVALID", "a worker's id may hold letters, digits, dots, dashes and underscores, 64 at most");
  }
}

/** Where one host keeps its things. */
function createPlaces(stateDir: string): { readonly runDir: string; readonly records: WorkerRecords; readonly logOf: (workerId: string) => string } {
  const runDir = join(resolve(stateDir), "run");
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  return { runDir, records: createWorkerRecords(runDir), logOf: (workerId) => join(runDir, `${workerId}.log`) };
}

/** Tries until the worker has shaken hands, has ended or refuses, or the signal aborts. */
async function reach(options: WorkerHostOptions, table: ProcessTable, ref: ProcessRef, signal: AbortSignal): Promise<WorkerClient> {
  const { clock, deadlines } = options;
  for (;;) {
    signal.throwIfAborted();
    if (table.presenceOf(ref) !== "alive") throw new WorkerError("WORKER_EXITED", "the worker process has ended", { retryable: true });
    const stream = await openConnection(ref.socketPath, signal);
    if (stream !== null) {
      try {
        const client = await createWorkerClient({ stream, token: ref.token, clock, signal, ...(deadlines === undefined ? {} : { deadlines }) });
        return assertIsProcess(client, table, ref);
      } catch (thrown) {
        if (!(thrown instanceof WorkerError && passingFailures.has(thrown.code))) throw thrown;
      }
    }
    await clock.sleep(connectEveryMs, signal);
  }
}

/** Whoever answers must be the process that was started, or one of its group: an orphan may hold the socket. */
function assertIsProcess(client: WorkerClient, table: ProcessTable, ref: ProcessRef): WorkerClient {
  const { pid } = client.identity;
  if (pid === ref.pid || table.stat(pid)?.groupId === ref.pid) return client;
  client.close();
  throw new WorkerError("WORKER_PROTOCOL_MISMATCH", `process ${pid} answers at the socket of process ${ref.pid}`);
}

function recordOf(ref: Pick<ProcessRef, "token" | "socketPath" | "bootId">, process: Pick<WorkerRecord, "pid" | "startTicks">): WorkerRecord {
  return { ...process, bootId: ref.bootId, token: ref.token, protocol: protocolVersion, socket: ref.socketPath, job: null, fence: null };
}

/** The process that a record names; null when it has ended. */
function refOfRecord(table: ProcessTable, workerId: string, record: WorkerRecord): ProcessRef | null {
  const pid = record.pid ?? table.findByVariable(workerEnvironment.socket, record.socket);
  if (pid === null) return null;
  const startTicks = record.pid === null ? (table.stat(pid)?.startTicks ?? null) : record.startTicks;
  const ref: ProcessRef = { workerId, pid, startTicks, bootId: record.bootId, socketPath: record.socket, token: record.token };
  return table.presenceOf(ref) === "alive" ? ref : null;
}

/**
 * The operating system's side of workers. A worker outlives its supervisor: it leads its own group, writes to a file and
 * is named in `run/<worker>.json`, by which the next supervisor finds it.
 */
export function createWorkerHost(options: WorkerHostOptions): SystemWorkerHost {
  const { clock, chance, command, registry, table = createProcessTable() } = options;
  const { runDir, records, logOf } = createPlaces(options.stateDir);
  const logs = createLogKeeper(clock);
  const lives = new Map<string, Life>();

  const isGone = (ref: ProcessRef): boolean => table.presenceOf(ref) !== "alive";
  const signal: WorkerHost["signal"] = (ref, name) => {
    const presence = table.presenceOf(ref);
    if (presence === "foreign") return false;
    // After the leader's end the group may still hold the device, so the signal is sent to what is left of it as well.
    const hasReceiver = sendToGroup(ref.pid, name);
    return hasReceiver && presence === "alive";
  };
  /** What follows the end of a process, however it was noticed. */
  const conclude = (ref: ProcessRef) => (exit: Pick<ProcessExit, "code" | "signal">): ProcessExit => {
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
  const exitOf = (ref: ProcessRef): ExitWatch => {
    const life = lives.get(ref.workerId);
    if (life !== undefined && isSameProcess(life.ref, ref)) return life.exit;
    return begin(ref, watchAdopted(clock, () => isGone(ref), { conclude: conclude(ref) }));
  };
  const recorded = (workerId: string): ProcessRef | null => {
    assertFileName(workerId);
    const record = records.read(workerId);
    return record === null ? null : refOfRecord(table, workerId, record);
  };
  const forget = (workerId: string): void => {
    const record = records.read(workerId);
    if (record !== null) releaseSocketPath(runDir, record.socket);
    records.remove(workerId);
    lives.get(workerId)?.exit.stop();
    lives.delete(workerId);
    logs.release(logOf(workerId));
  };

  return {
    spawn: async (workerId) => {
      const former = recorded(workerId);
      if (former !== null) throw new WorkerError("WORKER_ERROR", `worker ${workerId} is alive already, as process ${former.pid}`);
      forget(workerId);
      const place = { workerId, socketPath: reserveSocketPath(runDir, workerId), token: chance.token(), bootId: table.bootId() };
      // The intent comes first: a supervisor killed right after the start leaves enough to find the process by.
      records.write(workerId, recordOf(place, { pid: null, startTicks: null }));
      const { child, pid } = startProcess({ ...place, command, logPath: logOf(workerId) });
      if (pid === undefined) {
        forget(workerId);
        throw await startFailure(child, command);
      }
      // Read in the same turn, when the child cannot have been reaped.
      const ref: ProcessRef = { ...place, pid, startTicks: table.stat(pid)?.startTicks ?? null };
      records.write(workerId, recordOf(ref, ref));
      registry.register(ref);
      logs.keep(logOf(workerId));
      begin(ref, watchChild(child, { conclude: conclude(ref) }));
      return ref;
    },
    connect: (ref, abort) => reach(options, table, ref, abort),
    findRecorded: async (workerId) => {
      const ref = recorded(workerId);
      if (ref === null) return null;
      registry.register(ref);
      logs.keep(logOf(workerId));
      exitOf(ref);
      return ref;
    },
    recordJob: async (workerId, job) => {
      const record = records.read(workerId);
      if (record !== null) records.write(workerId, { ...record, job: job?.jobId ?? null, fence: job?.fence ?? null });
    },
    onExit: (ref, listener) => exitOf(ref).onExit(listener),
    signal,
    isGone,
    stateLetter: (ref) => (table.presenceOf(ref) === "foreign" ? null : (table.stat(ref.pid)?.state ?? null)),
    forget: async (workerId) => forget(workerId),
    close: () => {
      for (const { exit } of lives.values()) exit.stop();
      lives.clear();
      logs.stop();
    },
  };
}
