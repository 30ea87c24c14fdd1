/**
 * The operating system's side of simulated workers: processes that live on when their supervisor dies, and connections
 * that end with it.
 */
import type { Chance } from "../../src/core/chance.ts";
import { drawInteger } from "../../src/core/chance.ts";
import { WorkerError } from "../../src/core/errors.ts";
import type {
  ProcessRef,
  WorkerClient,
  WorkerHost,
  WorkerIdentity,
  WorkerNotice,
} from "../../src/core/ports/worker.ts";
import { loadProfiles, modelIds, phases, recoveryActions } from "../../src/core/words.ts";
import { SimWorker } from "./sim-worker.ts";
import { deviceTotalBytes, type SimWorkerWorld, type WorkerEnd } from "./sim-worker-types.ts";

/** One card a worker. */
export const deviceOf = (workerId: string): string => `SIM-${workerId}`;

export interface SimHost extends WorkerHost {
  readonly workers: Map<string, SimWorker>;
  /** The supervisor died: nobody listens any more, the workers live on. */
  abandon(): void;
}

function identityOf(worker: SimWorker): WorkerIdentity {
  return {
    pid: worker.pid,
    kind: "simulator",
    isSimulated: true,
    device: { uuid: worker.deviceUuid, name: "Simulated 80 GiB", totalBytes: deviceTotalBytes },
    models: modelIds,
    profiles: loadProfiles,
    actions: recoveryActions,
    phases,
  };
}

function createClient(worker: SimWorker): WorkerClient {
  const noticeListeners = new Set<(notice: WorkerNotice) => void>();
  const closeListeners = new Set<() => void>();
  let isOpen = true;
  const listener = (notice: WorkerNotice): void => {
    for (const heard of noticeListeners) heard(notice);
  };
  const shut = (): void => {
    if (!isOpen) return;
    isOpen = false;
    worker.detachListener(listener);
    for (const heard of closeListeners) heard();
  };
  worker.attachListener(listener, shut);
  const gone = (): WorkerError =>
    new WorkerError("WORKER_EXITED", "the connection to the worker ended", { retryable: true });
  const call = <Answer>(work: () => Promise<Answer> | Answer, signal?: AbortSignal): Promise<Answer> =>
    new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      if (!isOpen || !worker.isAlive) {
        reject(gone());
        return;
      }
      closeListeners.add(() => reject(gone()));
      Promise.resolve().then(work).then(resolve, reject);
    });
  return {
    identity: identityOf(worker),
    loadModel: (order, signal) => call(() => worker.load(order.model, order.profile), signal),
    unloadModel: () =>
      call(() => {
        worker.model = null;
        return { memory: worker.memory() };
      }),
    generate: (order) => call(() => worker.generate(order)),
    attach: (signal) => call(() => worker.attach(), signal),
    acknowledge: (jobId, fence) => call(() => worker.acknowledge(jobId, fence)),
    cancel: (jobId, fence, signal) => call(() => worker.cancel(jobId, fence), signal),
    runAction: (order) =>
      call(() => {
        const before = worker.memory();
        if (order.profile !== undefined) worker.profile = order.profile;
        if (order.action === "clear_gpu_cache") worker.cachedBytes = 0;
        return { applied: [order.action], before, after: worker.memory() };
      }),
    probe: (order, signal) => call(() => worker.probe(order), signal),
    stats: () =>
      call(() => ({
        memory: worker.memory(),
        residentModel: worker.model,
        profile: worker.profile,
        jobsDone: worker.jobsDone,
      })),
    shutdown: () => call(() => worker.shutdown()),
    injectFault: () => Promise.reject(new WorkerError("FEATURE_UNSUPPORTED", "arm the worker directly")),
    onNotice: (heard) => {
      noticeListeners.add(heard);
      return () => noticeListeners.delete(heard);
    },
    onClose: (heard) => {
      closeListeners.add(heard);
      return () => closeListeners.delete(heard);
    },
    close: shut,
  };
}

/** The operating system's side of workers, in one process and on the virtual clock. */
export function createSimHost(
  world: SimWorkerWorld,
  workers: Map<string, SimWorker>,
  chance: Chance,
  wrapClient: (client: WorkerClient) => WorkerClient,
): SimHost {
  let isAbandoned = false;
  const clients = new Set<WorkerClient>();
  const workerOf = (ref: ProcessRef): SimWorker | undefined => {
    const worker = workers.get(ref.workerId);
    return worker?.pid === ref.pid ? worker : undefined;
  };
  const refOf = (workerId: string, worker: SimWorker): ProcessRef => ({
    workerId,
    pid: worker.pid,
    startTicks: worker.startTicks,
    bootId: "sim",
    socketPath: `sim:${workerId}`,
    token: worker.token,
  });
  return {
    workers,
    hasProgramChanged: () => false,
    abandon: () => {
      isAbandoned = true;
      for (const client of clients) client.close();
      for (const worker of workers.values()) worker.exitListeners.clear();
    },
    spawn: async (workerId) => {
      const former = workers.get(workerId);
      if (former?.isAlive === true) throw new WorkerError("WORKER_ERROR", `worker ${workerId} is alive already`);
      const worker = new SimWorker(world, drawInteger(chance, 1_000, 4_000_000), deviceOf(workerId));
      workers.set(workerId, worker);
      return refOf(workerId, worker);
    },
    connect: async (ref, signal) => {
      for (;;) {
        signal.throwIfAborted();
        const worker = workerOf(ref);
        if (worker === undefined || !worker.isAlive) throw new WorkerError("WORKER_EXITED", "the worker is gone");
        if (worker.isConnectable && !isAbandoned) {
          const client = createClient(worker);
          clients.add(client);
          client.onClose(() => clients.delete(client));
          return wrapClient(client);
        }
        await world.clock.sleep(100, signal);
      }
    },
    findRecorded: async (workerId) => {
      const worker = workers.get(workerId);
      return worker?.isAlive === true ? refOf(workerId, worker) : null;
    },
    recordJob: async () => undefined,
    onExit: (ref, listener) => {
      const worker = workerOf(ref);
      let isDone = false;
      const tell = (exit: WorkerEnd): void => {
        if (isDone || isAbandoned) return;
        isDone = true;
        listener({ logTail: "", ...exit });
      };
      if (worker === undefined || !worker.isAlive) {
        const timer = world.clock.setTimer(() => tell({ code: null, signal: "SIGKILL" }), 1);
        return () => world.clock.clearTimer(timer);
      }
      worker.exitListeners.add(tell);
      return () => worker.exitListeners.delete(tell);
    },
    signal: (ref, signal) => {
      const worker = workerOf(ref);
      if (isAbandoned) return false;
      if (worker?.isAlive !== true) return false;
      if (signal === "SIGKILL") worker.die({ code: null, signal });
      else if (signal === "SIGTERM") worker.terminate();
      else if (signal === "SIGCONT") worker.resume();
      return true;
    },
    isGone: (ref) => workerOf(ref)?.isAlive !== true,
    stateLetter: (ref) => {
      const worker = workerOf(ref);
      if (worker?.isAlive !== true) return null;
      return worker.isStopped ? "T" : "S";
    },
    forget: async () => undefined,
  };
}
