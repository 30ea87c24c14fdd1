import { type Actor, createActor } from "xstate";
import type { Config } from "../config/schema.ts";
import { toActorClock } from "../core/clock.ts";
import { UnderstudyError } from "../core/errors.ts";
import type { JobView } from "../core/job.ts";
import { secondMs } from "../core/units.ts";
import { createGpuAdapter } from "../gpu/adapter.ts";
import { createAdmission } from "../jobs/admission.ts";
import { keepHouse } from "../jobs/housekeeping.ts";
import { createStandInDesk, type StandInDesk } from "../jobs/stand-in-desk.ts";
import { healthMonitorMachine } from "../machines/health-monitor.machine.ts";
import { modelLoaderMachine } from "../machines/model-loader.machine.ts";
import { pipelineMachine } from "../machines/pipeline.machine.ts";
import { recoveryMachine } from "../machines/recovery.machine.ts";
import { supervisorMachine } from "../machines/supervisor.machine.ts";
import { isUsable } from "../machines/supervisor-facts.ts";
import { childIds } from "../machines/supervisor-routes.ts";
import type { SubsystemLimits } from "../machines/supervisor-types.ts";
import { workerMachine } from "../machines/worker.machine.ts";
import type { StopShape } from "../machines/worker-types.ts";
import { validateLadders } from "../recovery/ladders.ts";
import type { ServerPorts, StreamFrame } from "../server/server-ports.ts";
import { createTransitionSubscriber } from "../telemetry/transitions.ts";
import { healthActors } from "./actors/health-actors.ts";
import { loaderActors } from "./actors/loader-actors.ts";
import { pipelineActors } from "./actors/pipeline-actors.ts";
import { recorderActor } from "./actors/recorder.ts";
import { recoveryActors } from "./actors/recovery-actors.ts";
import { workerActors } from "./actors/worker-actors.ts";
import { createProfileBook } from "./profile-book.ts";
import { createProgressBoard } from "./progress-board.ts";
import { createProofClip } from "./proof-clip.ts";
import { createFactHub, createRecoveryDesk, type FactHub } from "./recovery-desk.ts";
import { openRecoveryLedger } from "./recovery-ledger.ts";
import { readResumedFacts } from "./resume-facts.ts";
import type { ServiceParts, ServicePorts } from "./service-ports.ts";
import { attemptViewOf, type StatusParts, statusOf } from "./service-status.ts";
import { createWorkerLinks } from "./worker-links.ts";

export interface Service {
  readonly serverPorts: ServerPorts;
  readonly supervisor: Actor<typeof supervisorMachine>;
  readonly parts: ServiceParts;
  /** Adopts or starts the workers. Called once, when the service can already answer. */
  start(): void;
  /** Ends intake, writes attempts down, ends workers; resolves when the supervisor has stopped. */
  drain(shape: StopShape): Promise<void>;
  /** Stops this process's part and lets workers go on. */
  abandon(): Promise<void>;
}

const sweepEveryMs = 5 * secondMs;
const drawCount = 64;

function subsystemLimits(config: Config): SubsystemLimits {
  const { recovery, supervision } = config;
  return {
    worker: { crashLoopDeathCount: supervision.crashLoopDeathCount, crashLoopWindowMs: supervision.crashLoopWindowMs },
    breaker: { ...recovery.breaker },
    health: {
      thresholds: config.health.thresholds,
      sampleEveryMs: config.health.sampleEveryMs,
      checkEveryMs: config.health.checkEveryMs,
      overdueMs: config.health.sampleEveryMs * 4,
    },
    recovery: { climbCount: recovery.climbCount, cooldownMs: recovery.cooldownMs, lookBack: recovery.lookBack },
    budget: recovery.budget,
  };
}

function wireMachine(parts: ServiceParts, hub: FactHub) {
  const proofClip = createProofClip(parts.media, parts.artifacts);
  return supervisorMachine.provide({
    actors: {
      worker: workerMachine.provide({ actors: workerActors(parts) }),
      modelLoader: modelLoaderMachine.provide({ actors: loaderActors(parts) }),
      pipeline: pipelineMachine.provide({ actors: pipelineActors(parts) }),
      healthMonitor: healthMonitorMachine.provide({ actors: healthActors(parts) }),
      recovery: recoveryMachine.provide({ actors: recoveryActors(parts, proofClip) }),
      recorder: recorderActor(parts, hub.publish),
    },
  });
}

function laddersOf(config: Config) {
  const checked = validateLadders(config.recovery.ladders as Readonly<Record<string, readonly string[]>>);
  if (checked.kind !== "valid") throw new UnderstudyError("CONFIGURATION_INVALID", checked.problems.join(" "));
  return checked.ladders;
}

/** Repeats `work` on the injected clock until stopped; a failure is logged and does not end the repetition. */
function repeat(parts: ServiceParts, name: string, everyMs: number, work: () => Promise<void>): () => Promise<void> {
  const stop = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await parts.clock.sleep(everyMs, stop.signal);
      await work().catch((thrown: unknown) =>
        parts.logger.error({ event: `${name}.failed`, message: thrown instanceof Error ? thrown.message : String(thrown) }),
      );
    }
  };
  const running = loop().catch((thrown: unknown) => {
    if (!stop.signal.aborted) throw thrown;
  });
  return () => {
    stop.abort();
    return running;
  };
}

interface Watched {
  readonly supervisor: Actor<typeof supervisorMachine>;
  readonly standIns: StandInDesk;
}

/** Wakes the stand-in desk when the route changed, and keeps the moment at which it was lost. */
function createRouteWatch(parts: ServiceParts): { lostAtMs: () => number | null; look: (watched: Watched) => void } {
  let lostAtMs: number | null = parts.clock.nowMs();
  return {
    lostAtMs: () => lostAtMs,
    look: ({ supervisor, standIns }) => {
      const isOpen = Object.values(supervisor.getSnapshot().context.workers).some(isUsable);
      if (isOpen === (lostAtMs === null)) return;
      lostAtMs = isOpen ? null : parts.clock.nowMs();
      standIns.wake();
    },
  };
}

/** Puts one service together from the outside world's ports; the same for the real one and for the simulation. */
export async function createService(ports: ServicePorts, config: Config, version: string): Promise<Service> {
  const { clock, store, chance } = ports;
  const epoch = await store.nextEpoch();
  const links = createWorkerLinks();
  const gpu = createGpuAdapter({
    clock,
    probe: ports.probe,
    clientOf: links.clientOf,
    deviceOf: (workerId) => links.clientOf(workerId)?.identity.device.uuid ?? null,
  });
  const parts: ServiceParts = {
    ...ports,
    config,
    epoch,
    links,
    gpu,
    progress: createProgressBoard(clock),
    profiles: createProfileBook(config.loadProfile),
  };
  const hub = createFactHub();
  const ledger = await openRecoveryLedger(store);
  const resumed = await readResumedFacts(store, clock.nowMs());
  const subscriber = createTransitionSubscriber({
    logger: ports.logger,
    note: ({ actor, from, to, event, tags }) => store.events.note({ kind: "machine.transitioned", data: { actor, from, to, event, tags } }),
  });
  const supervisor = createActor(wireMachine(parts, hub), {
    clock: toActorClock(clock),
    inspect: subscriber.inspect,
    input: {
      epoch,
      workers: config.workers.map((worker) => ({ id: worker.id, model: config.lead, profile: config.loadProfile })),
      ladders: laddersOf(config),
      clock,
      isGpuExpected: true,
      limits: subsystemLimits(config),
      resumed,
      draws: Array.from({ length: drawCount }, () => chance.next()),
    },
  });
  let freeBytes = Number.POSITIVE_INFINITY;
  const statusParts: StatusParts = { ...parts, ledger, startedAtMs: clock.nowMs(), version, lastFreeBytes: () => freeBytes };
  const route = createRouteWatch(parts);
  const standIns = createStandInDesk(
    { jobs: store.jobs, artifacts: ports.artifacts, media: ports.media, clock },
    {
      routeLostAtMs: route.lostAtMs,
      isHeld: () => supervisor.getSnapshot().context.areStandInsHeld || freeBytes < config.disk.minFreeBytes,
      reason: () => "the main model is being repaired",
      afterMs: config.standIn.afterMs,
      onAttached: () => undefined,
      onProblem: (message, jobId) => ports.logger.warn({ event: "standIn.failed", jobId, message }),
    },
  );
  hub.subscribe(ledger.note);
  supervisor.subscribe({
    next: () => route.look({ supervisor, standIns }),
    error: (thrown) =>
      ports.logger.error({ event: "supervisor.failed", message: thrown instanceof Error ? thrown.message : String(thrown) }),
  });
  // A restarted supervisor adopts first; what it could not adopt by then goes back into the queue.
  const isAdopting = (): boolean =>
    config.workers.some(
      ({ id }) =>
        (supervisor.getSnapshot().children[childIds.worker(id)]?.getSnapshot() as { value?: unknown } | undefined)?.value === "adopting",
    );
  let isOlderReleased = false;
  const releaseOlder = async (): Promise<void> => {
    while (isAdopting()) await clock.sleep(50);
    const released = await store.jobs.releaseOlderEpochs(epoch);
    isOlderReleased = true;
    if (released.length > 0) supervisor.send({ type: "jobs.becameAvailable" });
  };
  const stopSweeping = repeat(parts, "sweep", sweepEveryMs, async () => {
    if (!isOlderReleased) return;
    freeBytes = await ports.disk.freeBytes();
    const { requeued } = await store.jobs.sweep();
    if (requeued.length > 0) supervisor.send({ type: "jobs.becameAvailable" });
  });
  const { retention } = config;
  const stopHousekeeping = repeat(parts, "housekeeping", retention.everyMs, async () => {
    await keepHouse(
      { jobs: store.jobs, events: store.events, artifacts: ports.artifacts },
      { retention, eventMaxAgeMs: retention.eventMaxAgeMs, orphanMinAgeMs: retention.orphanMinAgeMs },
    );
    await ports.disk.restoreBallast();
  });

  const admission = createAdmission(
    {
      jobs: store.jobs,
      disk: ports.disk,
      clock,
      chance,
      deviceTotalBytes: () =>
        links.list().reduce<number | null>((largest, link) => Math.max(largest ?? 0, link.client.identity.device.totalBytes), null),
      isDraining: () => supervisor.getSnapshot().context.mode === "draining",
      isSimulated: () => config.workers.every((worker) => worker.kind === "simulator"),
      onAvailable: () => {
        supervisor.send({ type: "jobs.becameAvailable" });
        standIns.wake();
      },
    },
    {
      minFreeBytes: config.disk.minFreeBytes,
      deadlineMs: config.queue.deadlineMs,
      preferredProfile: config.loadProfile,
      alternative: config.alternative,
    },
  );
  const status = () => statusOf(statusParts, supervisor.getSnapshot());
  const frames = new Set<(frame: StreamFrame) => void>();
  const publish = (frame: StreamFrame): void => {
    for (const listener of frames) listener(frame);
  };
  parts.progress.onProgress((progress) => publish({ kind: "progress", progress }));
  hub.subscribe((fact) => {
    if (fact.type === "mode.changed") publish({ kind: "mode", mode: fact.to, sentence: status().sentence });
    if (fact.type === "health.checked" || fact.type === "health.changed") {
      const { health } = status();
      if (health !== null) publish({ kind: "health", health });
    }
    if (fact.type === "rung.ended" && fact.result.outcome !== "skipped") {
      publish({
        kind: "recoveryAttempt",
        attempt: attemptViewOf({ failureType: fact.failureType, workerId: fact.workerId, incidentId: fact.id, result: fact.result }),
      });
    }
  });
  const stopTimers = async (): Promise<void> => {
    await Promise.all([stopSweeping(), stopHousekeeping(), standIns.stop()]);
  };
  const serverPorts: ServerPorts = {
    jobs: store.jobs,
    events: store.events,
    artifacts: ports.artifacts,
    clock,
    chance,
    admission,
    status,
    progressOf: parts.progress.of,
    recovery: createRecoveryDesk(statusParts, supervisor, hub),
    control: {
      cancelJob: async (jobId, by) => {
        const outcome = await store.jobs.cancel(jobId, by);
        const view: JobView | null = outcome === "requested" ? await store.jobs.get(jobId) : null;
        const workerId = view?.workerId;
        if (workerId != null) supervisor.getSnapshot().children[childIds.pipeline(workerId)]?.send({ type: "job.cancel", jobId } as never);
        return outcome;
      },
      killWorker: async (workerId, by) => {
        const id = workerId ?? config.workers[0]?.id ?? "";
        const link = links.get(id);
        if (link === null) return { kind: "absent", message: `Worker ${id} has no process right now.` };
        if (!link.client.identity.isSimulated) return { kind: "notSimulated", message: `Worker ${id} is not a simulator.` };
        await store.events.append([{ kind: "worker.killed", actor: by, workerId: id, data: { pid: link.ref.pid } }]);
        ports.host.signal(link.ref, "SIGKILL");
        return { kind: "killed", workerId: id, pid: link.ref.pid };
      },
    },
    streams: {
      subscribe: (listener) => {
        frames.add(listener);
        return () => frames.delete(listener);
      },
    },
    onDefect: (thrown, request) =>
      ports.logger.error({
        event: "request.defect",
        ...request,
        message: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
      }),
  };
  return {
    serverPorts,
    supervisor,
    parts,
    start: () => {
      supervisor.start();
      standIns.wake();
      void releaseOlder().catch((thrown: unknown) =>
        ports.logger.error({ event: "release.failed", message: thrown instanceof Error ? thrown.message : String(thrown) }),
      );
    },
    drain: async (shape) => {
      const stopped = new Promise<void>((resolve) => {
        if (supervisor.getSnapshot().status !== "active") resolve();
        else supervisor.subscribe({ complete: () => resolve(), error: () => resolve() });
      });
      supervisor.send({ type: "service.drain", shape });
      await stopTimers();
      await stopped;
      for (const link of links.list()) links.close(link.workerId);
      await store.events.flush();
    },
    abandon: async () => {
      await stopTimers();
      supervisor.stop();
      for (const link of links.list()) links.close(link.workerId);
      await store.events.flush();
    },
  };
}
