import { createActor } from "xstate";
import type { Config } from "../config/schema.ts";
import { toActorClock } from "../core/clock.ts";
import { messageOf, StoreError, UnderstudyError } from "../core/errors.ts";
import { isRowOf } from "../core/events.ts";
import type { TelemetryProbe } from "../core/ports/telemetry-probe.ts";
import { toldKinds } from "../core/webhook.ts";
import { createGpuAdapter } from "../gpu/adapter.ts";
import { StandInDesk } from "../jobs/stand-in-desk.ts";
import { WebhookDesk } from "../jobs/webhook-desk.ts";
import { healthMonitorMachine } from "../machines/health-monitor.machine.ts";
import { modelLoaderMachine } from "../machines/model-loader.machine.ts";
import { pipelineMachine } from "../machines/pipeline.machine.ts";
import { recoveryMachine } from "../machines/recovery.machine.ts";
import { supervisorMachine } from "../machines/supervisor.machine.ts";
import type { SubsystemLimits } from "../machines/supervisor-types.ts";
import type { Supervisor } from "../machines/supervisor-view.ts";
import { workerMachine } from "../machines/worker.machine.ts";
import { defaultWorkerLimits, type StopShape } from "../machines/worker-types.ts";
import { validateLadders } from "../recovery/ladders.ts";
import type { ServerPorts } from "../server/server-ports.ts";
import { createMachineBook, type MachineBook } from "../telemetry/machine-book.ts";
import { createMetrics } from "../telemetry/metrics/metrics.ts";
import { logRows } from "../telemetry/row-log.ts";
import type { StatelyFeed } from "../telemetry/stately-feed.ts";
import { createTransitionSubscriber } from "../telemetry/transitions.ts";
import { DrillState } from "./drills/drill-state.ts";
import { createDiskWatch } from "./health/disk-watch.ts";
import { gpuExpectationOf } from "./health/gpu-expectation.ts";
import { healthActors } from "./health/health-actors.ts";
import { createHostMemory } from "./health/host-memory.ts";
import { createSampleBoard } from "./health/sample-history.ts";
import { isRecordedActor, rowOfTransition } from "./incidents/incident-steps.ts";
import { createRecorder, type Recorder } from "./incidents/recorder.ts";
import { recoveryActors } from "./incidents/recovery-actors.ts";
import { openRecoveryLedger } from "./incidents/recovery-ledger.ts";
import { createFactHub } from "./incidents/recovery-operations.ts";
import { readResumedFacts } from "./incidents/resume-facts.ts";
import { LoadGate } from "./models/load-gate.ts";
import { createProfileBook } from "./models/loaded-profiles.ts";
import { loaderActors } from "./models/loader-actors.ts";
import { ownModelOf } from "./models/own-model.ts";
import { createAsideModels } from "./models/unavailable-models.ts";
import { openLearnedBooks } from "./rendering/learned.ts";
import { pipelineActors } from "./rendering/pipeline-actors.ts";
import { createProgressBoard } from "./rendering/progress-tracker.ts";
import { createProofClip } from "./rendering/proof-clip.ts";
import { createRouteWatch } from "./rendering/route-watch.ts";
import { createServerPorts } from "./server-ports-of.ts";
import type { ServiceParts, ServicePorts } from "./service-ports.ts";
import { machineCharts } from "./status/machine-charts.ts";
import type { StatusParts } from "./status/service-status.ts";
import { createTurnClock } from "./turn-clock.ts";
import { createUpkeep } from "./upkeep.ts";
import { createLeakWatch } from "./workers/leak-watch.ts";
import { workerActors } from "./workers/worker-actors.ts";
import { createWorkerLinks } from "./workers/worker-links.ts";

export interface Service {
  readonly serverPorts: ServerPorts;
  readonly supervisor: Supervisor;
  readonly parts: ServiceParts;
  /** Adopts or starts the workers. Called once, when the service can already answer. */
  start(): void;
  /** What waits by a setting looks at it again, because it may have changed. */
  lookAgain(): void;
  /** Ends intake and lets jobs in hand end, for so long at most; resolves when none is in hand any more, or the time is over. */
  finishJobs(withinMs: number): Promise<void>;
  /** Ends intake, writes attempts down, ends workers; resolves when the supervisor has stopped. */
  drain(shape: StopShape): Promise<void>;
  /** Stops this process's part and lets workers go on. */
  abandon(): Promise<void>;
}

const drawCount = 64;

function subsystemLimits(config: Config): SubsystemLimits {
  const { recovery, supervision } = config;
  return {
    worker: {
      crashLoopDeathCount: supervision.crashLoopDeathCount,
      crashLoopWindowMs: supervision.crashLoopWindowMs,
      handshakeMs: supervision.handshakeMs,
      backoffMs: defaultWorkerLimits.backoffMs.map((ms) => Math.min(ms, supervision.backoffLongestMs)),
    },
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

function wireMachine(parts: ServiceParts, recorder: Recorder) {
  const proofClip = createProofClip(parts.media, parts.artifacts);
  return supervisorMachine.provide({
    actors: {
      worker: workerMachine.provide({ actors: workerActors(parts) }),
      modelLoader: modelLoaderMachine.provide({ actors: loaderActors(parts) }),
      pipeline: pipelineMachine.provide({ actors: pipelineActors(parts) }),
      healthMonitor: healthMonitorMachine.provide({ actors: healthActors(parts) }),
      recovery: recoveryMachine.provide({ actors: recoveryActors(parts, proofClip) }),
      recorder: recorder.actor,
    },
  });
}

function laddersOf(config: Config) {
  const checked = validateLadders(config.recovery.ladders as Readonly<Record<string, readonly string[]>>);
  if (checked.kind !== "valid") throw new UnderstudyError("CONFIGURATION_INVALID", checked.problems.join(" "));
  return checked.ladders;
}

/** The outside world, but for what a drill hides from the service. */
function behindDrills(ports: ServicePorts, drill: DrillState): Pick<ServicePorts, "disk" | "probe"> {
  const { disk, probe } = ports;
  const lost = (): Promise<never> =>
    Promise.reject(new UnderstudyError("SYSTEM_RESOURCE", "nothing can be measured during this drill"));
  return {
    disk: { ...disk, freeBytes: async () => (drill.hides("disk") ? 0 : disk.freeBytes()) },
    probe: { ...probe, measure: (options) => (drill.hides("telemetry") ? lost() : probe.measure(options)) },
  };
}

/** Null when nobody can say. */
const measureFreeHostBytes = (probe: TelemetryProbe): Promise<number | null> =>
  probe.measure().then(
    ({ host }) => host.memoryTotalBytes - host.memoryUsedBytes,
    () => null,
  );

async function openParts(ports: ServicePorts, config: Config, version: string): Promise<ServiceParts> {
  const { clock, store } = ports;
  const links = createWorkerLinks();
  const drill = new DrillState();
  const { disk, probe } = behindDrills(ports, drill);
  const deviceOf = (workerId: string): string | null => links.clientOf(workerId)?.identity.device.uuid ?? null;
  const gpu = createGpuAdapter({ clock, probe, clientOf: links.clientOf, deviceOf });
  const epoch = await store.nextEpoch();
  return {
    ...ports,
    disk,
    probe,
    drill,
    config,
    epoch,
    links,
    gpu,
    progress: createProgressBoard(clock),
    samples: createSampleBoard(),
    profiles: createProfileBook(config.loadProfile),
    hostMemory: createHostMemory(probe),
    asides: createAsideModels(clock, config.workers, () => config.recovery.lookBack),
    loadGate: new LoadGate({ measureFreeBytes: () => measureFreeHostBytes(probe) }),
    metrics: createMetrics({
      version,
      startedAtMs: clock.nowMs(),
      workerIds: config.workers.map(({ id }) => id),
      models: [...new Set(config.workers.flatMap(({ models }) => models))],
    }),
    diskWatch: createDiskWatch(disk, config.disk.minFreeBytes),
    ...(await openLearnedBooks(store, clock)),
  };
}

interface Watched {
  readonly supervisor: Supervisor;
  readonly book: MachineBook;
  readonly stately: StatelyFeed | null;
}

/** Loaded only where it was asked for: the inspector's package brings a dozen others. */
async function openStatelyFeed(book: MachineBook): Promise<StatelyFeed> {
  const { createStatelyFeed } = await import("../telemetry/stately-feed.ts");
  return createStatelyFeed(book.refs);
}

async function createSupervisor(parts: ServiceParts, recorder: Recorder): Promise<Watched> {
  const { clock, store, config, chance, logger, metrics } = parts;
  const resumed = await readResumedFacts(store, clock.nowMs());
  const turnClock = createTurnClock(clock);
  const book = createMachineBook(turnClock.nowMs);
  const stately = config.inspect ? await openStatelyFeed(book) : null;
  const subscriber = createTransitionSubscriber({
    logger,
    nowMs: turnClock.nowMs,
    isRecorded: isRecordedActor,
    note: (frame) => {
      store.events.note(rowOfTransition(frame));
      metrics.transition(frame, turnClock.nowMs());
    },
    book,
    stately,
  });
  const supervisor = createActor(wireMachine(parts, recorder), {
    id: "supervisor",
    clock: toActorClock(clock),
    inspect: subscriber.inspect,
    input: {
      epoch: parts.epoch,
      workers: config.workers.map(({ id }) => ({ id, model: ownModelOf(config, id), profile: config.loadProfile })),
      ladders: laddersOf(config),
      clock: turnClock,
      gpuExpectation: gpuExpectationOf(config),
      limits: subsystemLimits(config),
      resumed,
      draws: Array.from({ length: drawCount }, () => chance.next()),
    },
  });
  return { supervisor, book, stately };
}

function createStandIns(parts: ServiceParts, supervisor: Supervisor, routeLostAtMs: () => number | null): StandInDesk {
  const { clock, store, artifacts, media, config, logger, diskWatch, asides } = parts;
  return new StandInDesk(
    { jobs: store.jobs, artifacts, media, clock },
    {
      routeLostAtMs,
      lostModels: asides.lost,
      isHeld: () => {
        const { areStandInsHeld, pause } = supervisor.getSnapshot().context;
        return areStandInsHeld || pause !== null;
      },
      isDiskShort: diskWatch.isShort,
      reason: (model) => {
        if (routeLostAtMs() === null) return `${model} could not be loaded`;
        if (diskWatch.isShort()) return "the disk is full";
        return supervisor.getSnapshot().context.mode === "loading"
          ? "the main model is loading"
          : "the main model is being repaired";
      },
      get afterMs() {
        return config.standIn.afterMs;
      },
      onProblem: (message, jobId) => logger.warn({ event: "standIn.failed", jobId, message }),
    },
  );
}

function createWebhooks({ clock, chance, store, webhooks, config, logger }: ServiceParts): WebhookDesk {
  const desk = new WebhookDesk(
    { outbox: store.webhooks, sender: webhooks, clock, chance },
    {
      get tryCount() {
        return config.webhook.tryCount;
      },
      get retryFirstMs() {
        return config.webhook.retryFirstMs;
      },
      get retryLongestMs() {
        return config.webhook.retryLongestMs;
      },
      onProblem: (message) => logger.warn({ event: "webhook.notNoted", message }),
    },
  );
  store.events.subscribe((rows) => {
    if (rows.some((row) => isRowOf(row, ...toldKinds))) desk.wake();
  });
  return desk;
}

/** Resolves when the supervisor has stopped, or has failed: then there is nothing left to wait for. */
function waitUntilStopped(supervisor: Supervisor): Promise<void> {
  return new Promise((resolve) => {
    if (supervisor.getSnapshot().status !== "active") resolve();
    else supervisor.subscribe({ complete: () => resolve(), error: () => resolve() });
  });
}

/** Resolves when the supervisor no longer waits for jobs in hand. */
function waitUntilFinished(supervisor: Supervisor): Promise<void> {
  const isFinishing = (): boolean => {
    const snapshot = supervisor.getSnapshot();
    return snapshot.status === "active" && snapshot.matches({ draining: "finishing" });
  };
  return new Promise((resolve) => {
    if (!isFinishing()) return resolve();
    const subscription = supervisor.subscribe({
      next: () => {
        if (isFinishing()) return;
        subscription.unsubscribe();
        resolve();
      },
      complete: () => resolve(),
      error: () => resolve(),
    });
  });
}

/** Metrics and log lines of what is not a transition. Returns the end of it. */
function countAndLog({ store, progress, metrics, logger, models }: ServiceParts): () => void {
  const ends = [
    store.events.subscribe((rows) => {
      metrics.rows(rows);
      logRows(logger, rows);
    }),
    progress.onProgress(metrics.progress),
    models?.desk.onProgress(metrics.pulled),
  ];
  return () => {
    for (const end of ends) end?.();
  };
}

/** The last row of an orderly end; a store that cannot write does not hold the end up. */
async function writeStop({ store, logger }: ServiceParts, doWorkersGoOn: boolean): Promise<void> {
  try {
    await store.events.append([{ kind: "service.stopped", data: { workers_go_on: doWorkersGoOn } }]);
  } catch (thrown) {
    if (!(thrown instanceof StoreError)) throw thrown;
    logger.warn({ event: "stop.notRecorded", message: messageOf(thrown) });
  }
}

/** Puts one service together from the outside world's ports; the same for the real one and for the simulation. */
export async function createService(ports: ServicePorts, config: Config, version: string): Promise<Service> {
  const parts = await openParts(ports, config, version);
  const { clock, store, links } = parts;
  const stopCounting = countAndLog(parts);
  const hub = createFactHub(ports.logger);
  const ledger = await openRecoveryLedger(store);
  const recorder = createRecorder(parts, { atOnce: parts.asides.note, written: hub.publish });
  const { supervisor, book, stately } = await createSupervisor(parts, recorder);
  const machines = { charts: () => machineCharts, actors: book.actors, subscribe: book.subscribe, inspector: stately };
  const route = createRouteWatch(parts, supervisor);
  const standIns = createStandIns(parts, supervisor, route.lostAtMs);
  const webhooks = createWebhooks(parts);
  const lookAtRoute = (): void => {
    if (route.hasChanged()) standIns.wake();
  };
  const upkeep = createUpkeep(parts, supervisor, lookAtRoute);
  const leaks = createLeakWatch(parts, supervisor);
  hub.subscribe(ledger.note);
  supervisor.subscribe({
    next: lookAtRoute,
    error: (thrown) => ports.logger.error({ event: "supervisor.failed", message: messageOf(thrown) }),
  });
  const statusParts: StatusParts = { ...parts, ledger, leaks, startedAtMs: clock.nowMs(), version };
  const finish = async (doWorkersGoOn: boolean): Promise<void> => {
    leaks.stop();
    for (const link of links.list()) links.close(link.workerId);
    await recorder.settled();
    await writeStop(parts, doWorkersGoOn);
    stopCounting();
  };
  return {
    serverPorts: createServerPorts(statusParts, supervisor, { hub, machines }, () => standIns.wake()),
    supervisor,
    parts,
    start: () => {
      supervisor.start();
      standIns.wake();
      webhooks.wake();
      upkeep.begin();
    },
    lookAgain: () => standIns.wake(),
    finishJobs: async (withinMs) => {
      if (withinMs === 0) return;
      supervisor.send({ type: "service.drain", shape: "quick", finishMs: withinMs });
      await waitUntilFinished(supervisor);
    },
    drain: async (shape) => {
      const stopped = waitUntilStopped(supervisor);
      supervisor.send({ type: "service.drain", shape, finishMs: 0 });
      await Promise.all([upkeep.stop(), standIns.stop(), webhooks.stop(), stopped]);
      await finish(false);
    },
    abandon: async () => {
      await Promise.all([upkeep.stop(), standIns.stop(), webhooks.stop()]);
      supervisor.stop();
      await finish(true);
    },
  };
}
