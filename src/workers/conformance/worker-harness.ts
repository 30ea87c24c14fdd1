/**
 * Starts and connects workers for the conformance checks, with real processes and real sockets. Everything that it
 * started ends with it.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createMessageConnection,
  type MessageConnection,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";
import type { Provocation } from "../../contract/worker-promises.ts";
import { protocolVersion, workerEnvironment } from "../../contract/worker-protocol.ts";
import { createSystemChance } from "../../core/chance.ts";
import type { SystemClock } from "../../core/clock.ts";
import { WorkerError } from "../../core/errors.ts";
import type { RenderRequest } from "../../core/job.ts";
import type { GenerateOrder, ProcessExit, ProcessRef, WorkerClient, WorkerNotice } from "../../core/ports/worker.ts";
import { createProcessRegistry } from "../process-registry.ts";
import { createWorkerHost, type SystemWorkerHost } from "../worker-host.ts";
import type { WorkerSubject } from "./subject.ts";

/** What the wire said to one request. */
type WireAnswer =
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "error"; readonly code: number; readonly message: string; readonly data: unknown };

/** A connection without the client's own checks, for what a well-behaved client never sends. */
export interface RawConnection {
  readonly socket: Socket;
  readonly token: string;
  ask(method: string, params: unknown): Promise<WireAnswer>;
  handshake(): Promise<WireAnswer>;
}

export interface SpawnedWorker {
  readonly ref: ProcessRef;
  readonly exited: Promise<ProcessExit>;
}

export interface StartedWorker extends SpawnedWorker {
  /** The client of the latest connection. */
  readonly client: WorkerClient;
  /** Everything that any connection of this worker has heard, in order. */
  readonly notices: readonly WorkerNotice[];
  /** Shakes hands once more: this connection replaces the former one. */
  connect(): Promise<WorkerClient>;
  openRaw(): Promise<RawConnection>;
  signal(signal: NodeJS.Signals): void;
  /** How many bytes others see as used on the worker's device, and when it said so. */
  deviceFile(): { readonly usedBytes: number; readonly atMs: number } | null;
}

export interface WorkerHarness {
  readonly subject: WorkerSubject;
  readonly clock: SystemClock;
  readonly directory: string;
  /** Starts a process and does not connect to it. */
  spawn(env?: Readonly<Record<string, string>>): Promise<SpawnedWorker>;
  /** Starts a process of its own, connected, without a model. */
  start(provocation?: Provocation | Readonly<Record<string, string>>): Promise<StartedWorker>;
  /** The process that all checks share which leave it as they found it. It is connected anew, with the model loaded. */
  common(): Promise<StartedWorker>;
  load(worker: StartedWorker): Promise<void>;
  /** Makes a new job with an output file and a checkpoint directory of its own. */
  order(request: RenderRequest, provocation?: Provocation): GenerateOrder;
  /** Polls `look` until it finds something; fails with `what` at the deadline. */
  until<Found>(what: string, look: () => Promise<Found | null> | Found | null, limitMs: number): Promise<Found>;
  /** Ends the processes that were started since the last call, but for the shared one. */
  endOwn(): void;
  end(): void;
}

const callLimitMs = 10_000;
/** So many lines of a worker's log are quoted where it ended before it could be reached. */
const lastLines = 12;

function openSocket(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket));
    socket.on("error", reject);
  });
}

/** A pending call ends by its answer, by its deadline, or with its connection. */
async function askRaw(
  clock: SystemClock,
  connection: MessageConnection,
  method: string,
  params: unknown,
): Promise<WireAnswer> {
  const late = new AbortController();
  const ended = new Promise<never>((_, reject) =>
    connection.onClose(() => reject(new Error(`the connection ended before ${method} was answered`))),
  );
  const tooLate = clock
    .sleep(callLimitMs, late.signal)
    .then(() => Promise.reject(new Error(`${method} was not answered within ${callLimitMs} ms`)));
  try {
    return { kind: "result", result: await Promise.race([connection.sendRequest(method, params), ended, tooLate]) };
  } catch (thrown) {
    if (!(thrown instanceof ResponseError)) throw thrown;
    return { kind: "error", code: thrown.code, message: thrown.message, data: thrown.data };
  } finally {
    ended.catch(() => undefined);
    tooLate.catch(() => undefined);
    late.abort();
  }
}

async function openRaw(clock: SystemClock, ref: ProcessRef): Promise<RawConnection> {
  const socket = await openSocket(ref.socketPath);
  socket.on("error", () => socket.destroy());
  const connection = createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket));
  connection.onError(() => socket.destroy());
  connection.listen();
  const ask = (method: string, params: unknown): Promise<WireAnswer> => askRaw(clock, connection, method, params);
  return {
    socket,
    token: ref.token,
    ask,
    handshake: () => ask("initialize", { protocol: protocolVersion, token: ref.token }),
  };
}

const isProvocation = (given: object): given is Provocation => "by" in given;

/** The environment of a start: that of a provocation, or variables as they are given. */
function environmentOf(
  given: Provocation | Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  if (given === undefined) return {};
  if (!isProvocation(given)) return given;
  return given.by === "environment" ? given.env : {};
}

class Worker implements StartedWorker {
  readonly notices: WorkerNotice[] = [];
  readonly ref: ProcessRef;
  readonly exited: Promise<ProcessExit>;
  readonly #host: SystemWorkerHost;
  readonly #clock: SystemClock;
  readonly #limitMs: number;
  readonly #devicePath: string;
  #client: WorkerClient | null = null;

  constructor(
    spawned: SpawnedWorker,
    place: { host: SystemWorkerHost; clock: SystemClock; deviceDir: string; limitMs: number },
  ) {
    this.ref = spawned.ref;
    this.exited = spawned.exited;
    this.#host = place.host;
    this.#clock = place.clock;
    this.#limitMs = place.limitMs;
    this.#devicePath = join(place.deviceDir, `${spawned.ref.pid}.json`);
  }

  get client(): WorkerClient {
    if (this.#client === null) throw new Error("the worker was not connected to");
    return this.#client;
  }

  async connect(): Promise<WorkerClient> {
    const giveUp = new AbortController();
    const timer = this.#clock.setTimer(
      () => giveUp.abort(new Error(`no handshake within ${this.#limitMs} ms`)),
      this.#limitMs,
    );
    try {
      const client = await this.#host.connect(this.ref, giveUp.signal);
      client.onNotice((notice) => this.notices.push(notice));
      this.#client = client;
      return client;
    } catch (thrown) {
      if (!(thrown instanceof WorkerError && thrown.code === "WORKER_EXITED")) throw thrown;
      const { logTail } = await this.exited;
      const lastWords = logTail.trim().split("\n").slice(-lastLines).join("\n");
      const said = lastWords === "" ? "It wrote nothing." : `The last that it wrote:\n${lastWords}`;
      throw new WorkerError(thrown.code, `${thrown.message}. ${said}`, { cause: thrown });
    } finally {
      this.#clock.clearTimer(timer);
    }
  }

  openRaw(): Promise<RawConnection> {
    return openRaw(this.#clock, this.ref);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.ref.pid, signal);
  }

  deviceFile(): { readonly usedBytes: number; readonly atMs: number } | null {
    return existsSync(this.#devicePath)
      ? (JSON.parse(readFileSync(this.#devicePath, "utf8")) as { usedBytes: number; atMs: number })
      : null;
  }
}

/** Starts and ends the processes of one harness. */
function createProcesses(subject: WorkerSubject, clock: SystemClock, directory: string) {
  const deviceDir = join(directory, "device");
  const registry = createProcessRegistry();
  const hosts: SystemWorkerHost[] = [];
  const own: { host: SystemWorkerHost; ref: ProcessRef }[] = [];
  const spawn = async (env: Readonly<Record<string, string>>): Promise<SpawnedWorker & { host: SystemWorkerHost }> => {
    const command = {
      ...subject.command,
      env: { ...subject.command.env, [workerEnvironment.deviceDir]: deviceDir, ...env },
    };
    const host = createWorkerHost({
      stateDir: directory,
      clock,
      chance: createSystemChance(),
      commandOf: () => command,
      registry,
    });
    hosts.push(host);
    const ref = await host.spawn(`worker-${hosts.length}`);
    own.push({ host, ref });
    return { host, ref, exited: new Promise((resolve) => host.onExit(ref, resolve)) };
  };
  const start = async (provocation: Provocation | Readonly<Record<string, string>> = {}): Promise<StartedWorker> => {
    const { host, ...spawned } = await spawn(environmentOf(provocation));
    const worker = new Worker(spawned, { host, clock, deviceDir, limitMs: subject.timeoutsMs.start });
    await worker.connect();
    if (isProvocation(provocation) && provocation.by === "card") await worker.client.injectFault(provocation.card);
    return worker;
  };
  return {
    spawn,
    start,
    keep: (worker: StartedWorker) => own.splice(0, own.length, ...own.filter(({ ref }) => ref !== worker.ref)),
    endOwn: () => {
      for (const { host, ref } of own.splice(0)) if (!host.isGone(ref)) host.signal(ref, "SIGKILL");
    },
    end: () => {
      registry.killAll();
      for (const host of hosts) host.close();
    },
  };
}

/** Opens a directory with workers of one kind, all of which end with it. */
export function createWorkerBench(subject: WorkerSubject, clock: SystemClock): WorkerHarness {
  const directory = mkdtempSync(join(tmpdir(), "understudy-conformance-"));
  const processes = createProcesses(subject, clock, directory);
  const { shortRequest, profile } = subject;
  let shared: Promise<StartedWorker> | null = null;
  let orderCount = 0;
  const load = async (worker: StartedWorker): Promise<void> => {
    await worker.client.loadModel({ model: shortRequest.model, profile });
  };
  const startShared = async (): Promise<StartedWorker> => {
    const worker = await processes.start();
    processes.keep(worker);
    return worker;
  };
  return {
    subject,
    clock,
    directory,
    load,
    spawn: (env = {}) => processes.spawn(env),
    start: processes.start,
    common: async () => {
      const isFirst = shared === null;
      shared ??= startShared();
      const worker = await shared;
      if (!isFirst) await worker.connect();
      const { residentModel, profile: placed } = await worker.client.attach();
      if (residentModel !== shortRequest.model || placed !== profile) await load(worker);
      return worker;
    },
    order: (request, provocation) => {
      orderCount += 1;
      const place = join(directory, `job-${orderCount}`);
      mkdirSync(place, { recursive: true });
      const words = provocation?.by === "prompt" ? ` ${provocation.words}` : "";
      return {
        jobId: `job-${orderCount}`,
        fence: 1,
        request: { ...request, prompt: `${request.prompt}${words}` },
        workflow: null,
        outputPath: join(place, "result.mp4"),
        checkpointDir: join(place, "checkpoints"),
      };
    },
    until: async (what, look, limitMs) => {
      const deadlineMs = clock.nowMs() + limitMs;
      for (;;) {
        const found = await look();
        if (found !== null) return found;
        if (clock.nowMs() > deadlineMs) throw new Error(`not within ${limitMs} ms: ${what}`);
        await clock.sleep(10);
      }
    },
    endOwn: processes.endOwn,
    end: () => {
      processes.end();
      rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    },
  };
}
