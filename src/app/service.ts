import { createActor } from "xstate";
import type { Config } from "../config/schema.ts";
import { toActorClock } from "../core/clock.ts";
import { messageOf, UnderstudyError } from "../core/errors.ts";
import { secondMs } from "../core/units.ts";
import { createGpuAdapter } from "../gpu/adapter.ts";
import { keepHouse } from "../jobs/housekeeping.ts";
import { StandInDesk } from "../jobs/stand-in-desk.ts";
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
import type { ServerPorts } from "../server/server-ports.ts";
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
import { createFactHub, type FactHub } from "./recovery-desk.ts";
import { openRecoveryLedger } from "./recovery-ledger.ts";
import { readResumedFacts } from "./resume-facts.ts";
import { createServerPorts } from "./server-ports-of.ts";
import type { ServiceParts, ServicePorts } from "./service-ports.ts";
import type { StatusParts, Supervisor } from "./service-status.ts";
import { createWorkerLinks } from "./worker-links.ts";

export interface Service {
  readonly serverPorts: ServerPorts;
  readonly supervisor: Supervisor;
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

/** Wakes the stand-in desk when the route changed, and keeps the moment at which it was lost. */
function createRouteWatch(parts: ServiceParts): {
  lostAtMs: () => number | null;
  look: (supervisor: Supervisor, onChange: () => void) => void;
} {
  let lostAtMs: number | null = parts.clock.nowMs();
  return {
    lostAtMs: () => lostAtMs,
    look: (supervisor, onChange) => {
      const isOpen = Object.values(supervisor.getSnapshot().context.workers).some(isUsable);
      if (isOpen === (lostAtMs === null)) return;
      lostAtMs = isOpen ? null : parts.clock.nowMs();
      onChange();
    },
  };
}

async function openParts(ports: ServicePorts, config: Config): Promise<ServiceParts> {
  const { clock, store } = ports;
  const links = createWorkerLinks();
  const deviceOf = (workerId: string): string | null => links.clientOf(workerId)?.identity.device.uuid ?? null;
  const gpu = createGpuAdapter({ clock, probe: ports.probe, clientOf: links.clientOf, deviceOf });
  const epoch = await store.nextEpoch();
  return { ...ports, config, epoch, links, gpu, progress: createProgressBoard(clock), profiles: createProfileBook(config.loadProfile) };
}

async function createSupervisor(parts: ServiceParts, hub: FactHub): Promise<Supervisor> {
  const { clock, store, config, chance, logger } = parts;
  const resumed = await readResumedFacts(store, clock.nowMs());
  const subscriber = createTransitionSubscriber({
    logger,
    note: ({ actor, from, to, event, tags }) => store.events.note({ kind: "machine.transitioned", data: { actor, from, to, event, tags } }),
  });
  return createActor(wireMachine(parts, hub), {
    id: "supervisor",
    clock: toActorClock(clock),
    inspect: subscriber.inspect,
    input: {
      epoch: parts.epoch,
      workers: config.workers.map((worker) => ({ id: worker.id, model: config.lead, profile: config.loadProfile })),
      ladders: laddersOf(config),
      clock,
      isGpuExpected: true,
      limits: subsystemLimits(config),
      resumed,
      draws: Array.from({ length: drawCount }, () => chance.next()),
    },
  });
}

/** A restarted supervisor adopts first; what it could not adopt by then goes back into the queue. */
async function releaseOlder(parts: ServiceParts, supervisor: Supervisor): Promise<void> {
  const isAdopting = ({ id }: { readonly id: string }): boolean => {
    const child = supervisor.getSnapshot().children[childIds.worker(id)]?.getSnapshot() as { value?: unknown } | undefined;
    return child?.value === "adopting";
  };
  while (parts.config.workers.some(isAdopting)) await parts.clock.sleep(50);
  const released = await parts.store.jobs.releaseOlderEpochs(parts.epoch);
  if (released.length > 0) supervisor.send({ type: "jobs.becameAvailable" });
}

/** Sweeps leases and deadlines, looks at the disk, cleans by the retention. `stop` resolves when nothing runs any more. */
function createUpkeep(
  parts: ServiceParts,
  supervisor: Supervisor,
): { begin: () => void; freeBytes: () => number; stop: () => Promise<void> } {
  const { store, disk, artifacts, logger } = parts;
  const { retention } = parts.config;
  let freeBytes = Number.POSITIVE_INFINITY;
  let isOlderReleased = false;
  const stopSweeping = repeat(parts, "sweep", sweepEveryMs, async () => {
    freeBytes = await disk.freeBytes();
    if (!isOlderReleased) return;
    await store.jobs.sweep();
    // Also those that waited for their time: a pipeline that looked by itself would write rows all day about nothing.
    if ((await store.jobs.counts()).queued > 0) supervisor.send({ type: "jobs.becameAvailable" });
  });
  const limits = { retention, eventMaxAgeMs: retention.eventMaxAgeMs, orphanMinAgeMs: retention.orphanMinAgeMs };
  const stopCleaning = repeat(parts, "housekeeping", retention.everyMs, async () => {
    await keepHouse({ jobs: store.jobs, events: store.events, artifacts }, limits);
    await disk.restoreBallast();
  });
  return {
    begin: () => {
      releaseOlder(parts, supervisor)
        .then(() => {
          isOlderReleased = true;
        })
        .catch((thrown: unknown) => logger.error({ event: "release.failed", message: messageOf(thrown) }));
    },
    freeBytes: () => freeBytes,
    stop: async () => {
      await Promise.all([stopSweeping(), stopCleaning()]);
    },
  };
}

function createStandIns(
  parts: ServiceParts,
  supervisor: Supervisor,
  routeLostAtMs: () => number | null,
  freeBytes: () => number,
): StandInDesk {
  const { clock, store, artifacts, media, config, logger } = parts;
  return new StandInDesk(
    { jobs: store.jobs, artifacts, media, clock },
    {
      routeLostAtMs,
      isHeld: () => supervisor.getSnapshot().context.areStandInsHeld || freeBytes() < config.disk.minFreeBytes,
      reason: () => "the main model is being repaired",
      afterMs: config.standIn.afterMs,
      onProblem: (message, jobId) => logger.warn({ event: "standIn.failed", jobId, message }),
    },
  );
}

/** Resolves when the supervisor has stopped, or has failed: then there is nothing left to wait for. */
function waitUntilStopped(supervisor: Supervisor): Promise<void> {
  return new Promise((resolve) => {
    if (supervisor.getSnapshot().status !== "active") resolve();
    else supervisor.subscribe({ complete: () => resolve(), error: () => resolve() });
  });
}

/** Puts one service together from the outside world's ports; the same for the real one and for the simulation. */
export async function createService(ports: ServicePorts, config: Config, version: string): Promise<Service> {
  const parts = await openParts(ports, config);
  const { clock, store, links } = parts;
  const hub = createFactHub();
  const ledger = await openRecoveryLedger(store);
  const supervisor = await createSupervisor(parts, hub);
  const route = createRouteWatch(parts);
  const upkeep = createUpkeep(parts, supervisor);
  const standIns = createStandIns(parts, supervisor, route.lostAtMs, upkeep.freeBytes);
  hub.subscribe(ledger.note);
  supervisor.subscribe({
    next: () => route.look(supervisor, () => standIns.wake()),
    error: (thrown) => ports.logger.error({ event: "supervisor.failed", message: messageOf(thrown) }),
  });
  const statusParts: StatusParts = { ...parts, ledger, startedAtMs: clock.nowMs(), version, lastFreeBytes: upkeep.freeBytes };
  const finish = async (): Promise<void> => {
    for (const link of links.list()) links.close(link.workerId);
    await store.events.flush();
  };
  return {
    serverPorts: createServerPorts(statusParts, supervisor, hub, () => standIns.wake()),
    supervisor,
    parts,
    start: () => {
      supervisor.start();
      standIns.wake();
      upkeep.begin();
    },
    drain: async (shape) => {
      const stopped = waitUntilStopped(supervisor);
      supervisor.send({ type: "service.drain", shape });
      await Promise.all([upkeep.stop(), standIns.stop(), stopped]);
      await finish();
    },
    abandon: async () => {
      await Promise.all([upkeep.stop(), standIns.stop()]);
      supervisor.stop();
      await finish();
    },
  };
}
