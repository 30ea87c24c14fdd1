/**
 * Starts, finds and connects workers as processes. A worker must outlive a supervisor that crashes, so everything that
 * its successor needs lies on the disk.
 */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { protocolVersion, workerEnvironment } from "../contract/worker-protocol.ts";
import type { Chance } from "../core/chance.ts";
import type { Clock } from "../core/clock.ts";
import { WorkerError } from "../core/errors.ts";
import type { ProcessRef, WorkerClient, WorkerHost } from "../core/ports/worker.ts";
import { present } from "../core/present.ts";
import { createProcessLives } from "./process-lives.ts";
import type { ProcessRegistry } from "./process-registry.ts";
import { createProcessTable, type ProcessTable } from "./process-table.ts";
import { createProgramWatch } from "./program-watch.ts";
import { type CallDeadlines, createWorkerClient } from "./worker-client.ts";
import { startFailure, startProcess, type WorkerCommand } from "./worker-process.ts";
import { createWorkerRecords, type WorkerRecord, type WorkerRecords } from "./worker-record.ts";
import { openConnection, releaseSocketPath, reserveSocketPath } from "./worker-socket.ts";

export interface WorkerHostOptions {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly chance: Chance;
  /** How each worker is started: workers may differ in kind and card. */
  readonly commandOf: (workerId: string) => WorkerCommand;
  readonly registry: ProcessRegistry;
  readonly table?: ProcessTable;
  readonly deadlines?: CallDeadlines;
}

export interface SystemWorkerHost extends WorkerHost {
  /** Stops every timer and touches no process: workers go on (`--keep-workers`). */
  close(): void;
}

/** The wait between two tries to reach a worker that does not listen yet. */
const connectEveryMs = 50;
/** A handshake that failed for one of these may succeed with the next connection. */
const passingFailures: ReadonlySet<string> = new Set(["WORKER_EXITED", "WORKER_SILENT"]);

function assertFileName(workerId: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(workerId)) {
    throw new WorkerError(
      "CONFIGURATION_INVALID",
      "a worker's id may hold letters, digits, dots, dashes and underscores, 64 at most",
    );
  }
}

/** The paths under which one host keeps its things. */
function createPlaces(stateDir: string): {
  readonly runDir: string;
  readonly records: WorkerRecords;
  readonly logOf: (workerId: string) => string;
} {
  const runDir = join(resolve(stateDir), "run");
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  return { runDir, records: createWorkerRecords(runDir), logOf: (workerId) => join(runDir, `${workerId}.log`) };
}

/** Tries until the worker has shaken hands, has ended or refuses, or the signal aborts. */
async function reach(
  options: WorkerHostOptions,
  table: ProcessTable,
  ref: ProcessRef,
  signal: AbortSignal,
): Promise<WorkerClient> {
  const { clock, deadlines } = options;
  for (;;) {
    signal.throwIfAborted();
    if (table.presenceOf(ref) !== "alive")
      throw new WorkerError("WORKER_EXITED", "the worker process has ended", { retryable: true });
    const stream = await openConnection(ref.socketPath, signal);
    if (stream !== null) {
      try {
        const client = await createWorkerClient({
          stream,
          token: ref.token,
          clock,
          signal,
          ...present({ deadlines }),
        });
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

function recordOf(
  ref: Pick<ProcessRef, "token" | "socketPath" | "bootId">,
  process: Pick<WorkerRecord, "pid" | "startTicks">,
): WorkerRecord {
  return {
    ...process,
    bootId: ref.bootId,
    token: ref.token,
    protocol: protocolVersion,
    socket: ref.socketPath,
    job: null,
    fence: null,
  };
}

/** The process that a record names; null when it has ended. */
function refOfRecord(table: ProcessTable, workerId: string, record: WorkerRecord): ProcessRef | null {
  const pid = record.pid ?? table.findByVariable(workerEnvironment.socket, record.socket);
  if (pid === null) return null;
  const startTicks = record.pid === null ? (table.stat(pid)?.startTicks ?? null) : record.startTicks;
  const ref: ProcessRef = {
    workerId,
    pid,
    startTicks,
    bootId: record.bootId,
    socketPath: record.socket,
    token: record.token,
  };
  return table.presenceOf(ref) === "alive" ? ref : null;
}

/** What is known of workers on the disk: whom a record names, and how one is forgotten. */
function createRecorded(table: ProcessTable, { runDir, records }: ReturnType<typeof createPlaces>) {
  const find = (workerId: string): ProcessRef | null => {
    assertFileName(workerId);
    const record = records.read(workerId);
    const ref = record === null ? null : refOfRecord(table, workerId, record);
    if (record?.pid === null && ref !== null) records.write(workerId, recordOf(ref, ref));
    return ref;
  };
  const forget = (workerId: string): void => {
    assertFileName(workerId);
    const record = records.read(workerId);
    if (record !== null) releaseSocketPath(runDir, record.socket);
    records.remove(workerId);
  };
  return { find, forget };
}

/**
 * The operating system's side of workers. A worker outlives its supervisor: it leads its own group, writes to a file and
 * is named in `run/<worker>.json`, by which the next supervisor finds it.
 */
export function createWorkerHost(options: WorkerHostOptions): SystemWorkerHost {
  const { clock, chance, commandOf, registry, table = createProcessTable() } = options;
  const places = createPlaces(options.stateDir);
  const { runDir, records, logOf } = places;
  const lives = createProcessLives({ clock, table, registry, logOf });
  const recorded = createRecorded(table, places);
  const programs = createProgramWatch(commandOf);
  const forget = (workerId: string): void => {
    recorded.forget(workerId);
    lives.drop(workerId);
  };
  const spawn = async (workerId: string): Promise<ProcessRef> => {
    const former = recorded.find(workerId);
    if (former !== null)
      throw new WorkerError("WORKER_ERROR", `worker ${workerId} is alive already, as process ${former.pid}`);
    await lives.settled(workerId);
    forget(workerId);
    const place = {
      workerId,
      socketPath: reserveSocketPath(runDir, workerId),
      token: chance.token(),
      bootId: table.bootId(),
    };
    // The intent comes first: a supervisor killed right after the start leaves enough to find the process by.
    records.write(workerId, recordOf(place, { pid: null, startTicks: null }));
    const started = { ...place, command: commandOf(workerId), logPath: logOf(workerId) };
    programs.note(workerId);
    const { child, pid } = startProcess(started);
    if (pid === undefined) {
      forget(workerId);
      throw await startFailure(child, started.command);
    }
    // The start time is read in the same turn, when the child cannot have been reaped.
    const ref: ProcessRef = { ...place, pid, startTicks: table.stat(pid)?.startTicks ?? null };
    records.write(workerId, recordOf(ref, ref));
    lives.beginChild(ref, child);
    return ref;
  };

  return {
    spawn,
    connect: (ref, signal) => reach(options, table, ref, signal),
    findRecorded: async (workerId) => {
      const ref = recorded.find(workerId);
      if (ref !== null) lives.exitOf(ref);
      return ref;
    },
    recordJob: async (workerId, job) => {
      const record = records.read(workerId);
      if (record !== null) records.write(workerId, { ...record, job: job?.jobId ?? null, fence: job?.fence ?? null });
    },
    onExit: (ref, listener) => lives.exitOf(ref).onExit(listener),
    signal: lives.signal,
    isGone: lives.isGone,
    stateLetter: (ref) => (table.presenceOf(ref) === "foreign" ? null : (table.stat(ref.pid)?.state ?? null)),
    hasProgramChanged: programs.hasChanged,
    forget: async (workerId) => forget(workerId),
    close: lives.close,
  };
}
