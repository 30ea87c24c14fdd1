/**
 * Puts one service together from the ports of its outside world; the simulation gives others and runs the same code.
 */
import { createActor } from "xstate";
import type { Config } from "../config/schema.ts";
import type { Chance } from "../core/chance.ts";
import { type Clock, toActorClock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { type ModelCatalog, offeredCatalog } from "../core/model-catalog.ts";
import type { ArtifactFiles, DiskGauge } from "../core/ports/artifact-files.ts";
import type { Store } from "../core/ports/event-log.ts";
import type { Media } from "../core/ports/media.ts";
import type { TelemetryProbe } from "../core/ports/telemetry-probe.ts";
import type { WebhookSender } from "../core/ports/webhook-sender.ts";
import type { ProcessRef, WorkerHost } from "../core/ports/worker.ts";
import { createGpuAdapter } from "../gpu/adapter.ts";
import { healthMonitorMachine } from "../machines/health-monitor.machine.ts";
import { modelLoaderMachine } from "../machines/model-loader.machine.ts";
import { pipelineMachine } from "../machines/pipeline.machine.ts";
import { recoveryMachine } from "../machines/recovery.machine.ts";
import { supervisorMachine } from "../machines/supervisor.machine.ts";
import type { Supervisor } from "../machines/supervisor-view.ts";
import { workerMachine } from "../machines/worker.machine.ts";
import type { StopShape } from "../machines/worker-types.ts";
import type { ServerPorts, ServiceStatus } from "../server/server-ports.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createMachineTracker } from "../telemetry/machine-tracker.ts";
import { createMetrics } from "../telemetry/metrics/metrics.ts";
import { createTransitionSubscriber } from "../telemetry/transitions.ts";
import { createAdmissionPort } from "./admission-port.ts";
import { behindDrills } from "./drills/blind-spots.ts";
import { createDrills } from "./drills/drill-operations.ts";
import { DrillState } from "./drills/drill-state.ts";
import { createDiskWatch } from "./health/disk-watch.ts";
import { gpuExpectationOf } from "./health/gpu-expectation.ts";
import { healthActors } from "./health/health-actors.ts";
import { createHostMemory } from "./health/host-memory.ts";
import { createSampleHistory } from "./health/sample-history.ts";
import { createTelemetryReader } from "./health/telemetry-reader.ts";
import { createAcquittal } from "./incidents/acquit.ts";
import { createFactHub, type FactHub } from "./incidents/fact-hub.ts";
import { createIncidentReader } from "./incidents/incident-reader.ts";
import { isRecordedActor, rowOfTransition } from "./incidents/incident-steps.ts";
import { createRecorder, type Recorder } from "./incidents/recorder.ts";
import { recoveryActors } from "./incidents/recovery-actors.ts";
import { openRecoveryLedger } from "./incidents/recovery-ledger.ts";
import { createRecoveryOperations } from "./incidents/recovery-operations.ts";
import { readResumedFacts } from "./incidents/resume-facts.ts";
import { createIntakeOperations } from "./intake-operations.ts";
import { LoadGate } from "./models/load-gate.ts";
import { keepProfiles } from "./models/loaded-profiles.ts";
import { loaderActors } from "./models/loader-actors.ts";
import { createMemoryLook } from "./models/look-at-memory.ts";
import { listLoras } from "./models/lora-list.ts";
import type { ModelPorts } from "./models/model-files.ts";
import { createModelOperations } from "./models/model-operations.ts";
import { ownModelOf } from "./models/own-model.ts";
import { createProfileView, createRoomLook } from "./models/richer-profile.ts";
import { largestMachine, loadedProfileOf } from "./models/serving-machine.ts";
import { createUnavailableModels } from "./models/unavailable-models.ts";
import { recordDownloadRetries } from "./record-download-retries.ts";
import { type ReadWorkers, recoverPortsOf } from "./recover-ports.ts";
import { createAttemptMemory } from "./rendering/attempt-memory.ts";
import { createCancelJob } from "./rendering/cancel-job.ts";
import { createJobOutlook } from "./rendering/job-outlook.ts";
import { createLastRenders } from "./rendering/last-renders.ts";
import { openLearned } from "./rendering/learned.ts";
import { pipelineActors } from "./rendering/pipeline-actors.ts";
import { createProgressTracker } from "./rendering/progress-tracker.ts";
import { createPromises, type Promises } from "./rendering/promises.ts";
import { createQuarantine } from "./rendering/quarantine.ts";
import { createQueueWatch } from "./rendering/queue-watch.ts";
import { removeJob } from "./rendering/remove-job.ts";
import { proveStandIn } from "./rendering/stand-in-proof.ts";
import { createStandIns } from "./rendering/stand-ins.ts";
import { createWaitingJobs } from "./rendering/waiting-jobs.ts";
import { laddersOf, subsystemLimits } from "./service-limits.ts";
import { countAndLog, requestLog, writeStop } from "./service-log.ts";
import { machineCharts } from "./status/machine-charts.ts";
import { openStatelyFeed } from "./status/open-stately-feed.ts";
import { figuresOf } from "./status/scrape.ts";
import { createHealthReader, statusOf } from "./status/service-status.ts";
import { createStreams } from "./status/streams.ts";
import { createTurnClock } from "./turn-clock.ts";
import { createUpkeep } from "./upkeep.ts";
import { waitUntilFinished, waitUntilStopped } from "./wait-for-supervisor.ts";
import { createWebhooks } from "./webhooks.ts";
import { createKillWorker } from "./workers/kill-worker.ts";
import { createLeakWatch } from "./workers/leak-watch.ts";
import { workerActors } from "./workers/worker-actors.ts";
import { createWorkerLinks } from "./workers/worker-links.ts";

export interface ServicePorts {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly catalog: ModelCatalog;
  readonly store: Store;
  readonly artifacts: ArtifactFiles;
  readonly disk: DiskGauge;
  readonly media: Media;
  readonly host: WorkerHost;
  readonly probe: TelemetryProbe;
  readonly webhooks: WebhookSender;
  readonly logger: Logger;
  /** Null where every worker is simulated: their models have no files. */
  readonly models: ModelPorts | null;
}

export interface Service {
  readonly serverPorts: ServerPorts;
  readonly supervisor: Supervisor;
  /** The configuration as it is in force now. */
  readonly config: Config;
  readonly events: Pick<Store["events"], "subscribe">;
  /** The processes of the workers that are connected. */
  processes(): readonly ProcessRef[];
  /** Adopts or starts the workers. Called once, when the service can already answer. */
  start(): void;
  /** Makes everybody who waits by a setting look at it again, because it may have changed. */
  lookAgain(): void;
  /** Ends intake and lets jobs in hand end, for so long at most; resolves when none is in hand any more, or the time is over. */
  finishJobs(withinMs: number): Promise<void>;
  /** Ends intake, writes attempts down, ends workers; resolves when the supervisor has stopped. */
  drain(shape: StopShape): Promise<void>;
  /** Stops this process's part and lets workers go on. */
  abandon(): Promise<void>;
}

const drawCount = 64;

function wireMachine(parts: Parts, recorder: Recorder, readWorkers: ReadWorkers, promises: Promises) {
  const prove = (signal: AbortSignal) => proveStandIn(parts, promises, signal);
  return supervisorMachine.provide({
    actors: {
      worker: workerMachine.provide({ actors: workerActors(parts) }),
      modelLoader: modelLoaderMachine.provide({ actors: loaderActors(parts) }),
      pipeline: pipelineMachine.provide({ actors: pipelineActors({ ...parts, noteRoom: createRoomLook(parts) }) }),
      healthMonitor: healthMonitorMachine.provide({ actors: healthActors(parts) }),
      recovery: recoveryMachine.provide({ actors: recoveryActors(recoverPortsOf(parts, readWorkers), prove) }),
      recorder: recorder.actor,
    },
  });
}

/** The outside world, and what the rooms of one service share in memory. */
async function openParts(ports: ServicePorts, config: Config, version: string) {
  const { clock, store } = ports;
  const links = createWorkerLinks();
  const drill = new DrillState();
  const { disk, probe } = behindDrills(ports, drill);
  const deviceOf = (workerId: string): string | null => links.clientOf(workerId)?.identity.device.uuid ?? null;
  const gpu = createGpuAdapter({ clock, probe, clientOf: links.clientOf, deviceOf });
  const epoch = await store.nextEpoch();
  const hostMemory = createHostMemory(probe);
  return {
    ...ports,
    disk,
    probe,
    drill,
    config,
    epoch,
    links,
    gpu,
    progress: createProgressTracker(clock),
    queue: createQueueWatch(ports),
    samples: createSampleHistory(),
    profiles: keepProfiles({ clock, config, store }),
    attempts: createAttemptMemory(),
    lastRenders: createLastRenders(),
    waitingJobs: createWaitingJobs(),
    hostMemory,
    unavailableModels: createUnavailableModels(clock, () => config.recovery.lookBack),
    loadGate: new LoadGate({ measureFreeBytes: hostMemory.measureFree }),
    metrics: createMetrics({
      version,
      startedAtMs: clock.nowMs(),
      workerIds: config.workers.map(({ id }) => id),
      models: [...new Set(config.workers.flatMap(({ models }) => models))],
    }),
    diskWatch: createDiskWatch(disk, config.disk.minFreeBytes),
    ...(await openLearned(store, clock)),
  };
}

/** Everything that there is in one service. Only this file knows it; a room says itself what it needs. */
type Parts = Awaited<ReturnType<typeof openParts>>;

async function createSupervisor(parts: Parts, recorder: Recorder) {
  const { clock, store, config, chance, logger, metrics } = parts;
  const resumed = await readResumedFacts(store, clock.nowMs());
  const turnClock = createTurnClock(clock);
  const tracker = createMachineTracker(turnClock.nowMs);
  const stately = config.inspect ? await openStatelyFeed(tracker) : null;
  const subscriber = createTransitionSubscriber({
    logger,
    nowMs: turnClock.nowMs,
    isRecorded: isRecordedActor,
    note: (frame) => {
      store.events.note(rowOfTransition(frame));
      metrics.transition(frame, turnClock.nowMs());
    },
    tracker,
    stately,
  });
  const readWorkers: ReadWorkers = () => supervisor.getSnapshot().context.workers;
  const promises = createPromises(parts, { getSnapshot: () => supervisor.getSnapshot() });
  const supervisor: Supervisor = createActor(wireMachine(parts, recorder, readWorkers, promises), {
    id: "supervisor",
    clock: toActorClock(clock),
    inspect: subscriber.inspect,
    input: {
      epoch: parts.epoch,
      workers: config.workers.map(({ id }) => ({ id, model: ownModelOf(config, id), profile: config.loadProfile })),
      lead: config.lead,
      ladders: laddersOf(config),
      clock: turnClock,
      catalog: parts.catalog,
      gpuExpectation: gpuExpectationOf(config),
      limits: subsystemLimits(config),
      resumed,
      draws: Array.from({ length: drawCount }, () => chance.next()),
    },
  });
  const machines = { charts: () => machineCharts, actors: tracker.actors, inspector: stately };
  return { supervisor, promises, machines, onStep: tracker.subscribe };
}

interface Shown extends Pick<Awaited<ReturnType<typeof createSupervisor>>, "supervisor" | "machines" | "onStep"> {
  readonly hub: FactHub;
  readonly leaks: ReturnType<typeof createLeakWatch>;
  readonly status: () => ServiceStatus;
  readonly promises: Promises;
  readonly onQueued: () => void;
}

/** The ports that answer without asking a machine. */
function ownPortsOf(parts: Parts) {
  const { clock, chance, store, artifacts, media, config, progress } = parts;
  return {
    jobs: store.jobs,
    webhooks: { listOf: store.webhooks.listOf, problemOf: parts.webhooks.problemOf },
    events: store.events,
    artifacts,
    images: media,
    clock,
    chance,
    catalog: offeredCatalog(parts.catalog, config.workers),
    progressOf: progress.of,
    telemetry: createTelemetryReader(parts),
    listLoras: () => listLoras(config.models.loraDir),
    incidents: createIncidentReader(store, clock),
    keys: store.keys,
    ...requestLog(parts),
  } satisfies Partial<ServerPorts>;
}

function serverPortsOf(
  parts: Parts,
  { supervisor, machines, onStep, hub, leaks, status, promises, onQueued }: Shown,
): ServerPorts {
  const { store, config, progress } = parts;
  const largest = () => largestMachine(parts);
  const admission = createAdmissionPort({ ...parts, largest }, supervisor, onQueued);
  const models = createModelOperations(parts, {
    largest,
    loadedProfileOf: (model) => loadedProfileOf(status().workers, model),
  });
  const outlook = createJobOutlook(parts, promises);
  const health = createHealthReader({ ...parts, leaks, promises }, () => supervisor.getSnapshot());
  const cancelJob = createCancelJob(parts, supervisor);
  const drills = createDrills({ parts, supervisor, admission, outlook, status, cancelJob });
  return {
    ...ownPortsOf(parts),
    models,
    admission,
    status,
    quarantine: createQuarantine(store, () => {
      supervisor.send({ type: "jobs.becameAvailable" });
      onQueued();
    }),
    outlook,
    recovery: createRecoveryOperations({ ...parts, health }, supervisor, hub),
    control: {
      cancelJob,
      removeJob: (jobId, by) => removeJob({ ...parts, cancelJob }, jobId, by),
      killWorker: createKillWorker({ ...parts, firstWorkerId: config.workers[0]?.id ?? "" }),
    },
    drills,
    intake: createIntakeOperations(parts, supervisor, onQueued),
    machines,
    streams: createStreams({
      onFact: hub.subscribe,
      onDownload: models.onDownload,
      onSample: parts.samples.onSample,
      onProgress: progress.onProgress,
      onStep,
      onQueue: parts.queue.onChange,
      clock: parts.clock,
      status,
    }),
    metrics: async (listenerCount) =>
      parts.metrics.render(
        await figuresOf({ ...parts, leaks, profileOf: createProfileView(parts, supervisor) }, supervisor, drills),
        listenerCount,
      ),
  };
}

/** What works beside the machines: stand-ins, deliveries, cleaning, and the watch for memory that stays. */
function createHelpers(parts: Parts, supervisor: Supervisor, promises: Promises) {
  recordDownloadRetries(parts);
  const { queue } = parts;
  const standIns = createStandIns(parts, promises);
  const webhooks = createWebhooks(parts);
  const lookForWays = (): void => {
    if (promises.look()) standIns.wake();
  };
  const upkeep = createUpkeep(parts, supervisor, {
    onLook: lookForWays,
    lookAtMemory: createMemoryLook(parts, supervisor),
  });
  queue.onChange(() => standIns.wake());
  return {
    leaks: createLeakWatch(parts, supervisor),
    lookForWays,
    onQueued: () => standIns.wake(),
    begin: () => {
      queue.begin();
      webhooks.wake();
      upkeep.begin();
    },
    stop: () => {
      queue.stop();
      return Promise.all([upkeep.stop(), standIns.stop(), webhooks.stop()]);
    },
  };
}

export async function createService(ports: ServicePorts, config: Config, version: string): Promise<Service> {
  const parts = await openParts(ports, config, version);
  const { store, links } = parts;
  const stopCounting = countAndLog(parts);
  const hub = createFactHub(ports.logger);
  const ledger = await openRecoveryLedger(store);
  const recorder = createRecorder(parts, { atOnce: parts.unavailableModels.note, written: hub.publish });
  const { supervisor, promises, ...watched } = await createSupervisor(parts, recorder);
  const { leaks, ...helpers } = createHelpers(parts, supervisor, promises);
  hub.subscribe(ledger.note);
  hub.subscribe(createAcquittal(parts));
  supervisor.subscribe({
    next: helpers.lookForWays,
    error: (thrown) => ports.logger.error({ event: "supervisor.failed", message: messageOf(thrown) }),
  });
  const ofNow = { ledger, leaks, promises, profileOf: createProfileView(parts, supervisor) };
  const statusNeeds = { ...parts, ...ofNow, startedAtMs: parts.clock.nowMs(), version };
  const finish = async (doWorkersGoOn: boolean): Promise<void> => {
    leaks.stop();
    for (const link of links.list()) links.close(link.workerId);
    await recorder.settled();
    await writeStop(parts, doWorkersGoOn);
    stopCounting();
  };
  return {
    serverPorts: serverPortsOf(parts, {
      supervisor,
      ...watched,
      hub,
      leaks,
      status: () => statusOf(statusNeeds, supervisor.getSnapshot()),
      promises,
      onQueued: helpers.onQueued,
    }),
    supervisor,
    config,
    events: store.events,
    processes: () => links.list().map(({ ref }) => ref),
    start: () => {
      supervisor.start();
      helpers.begin();
    },
    lookAgain: helpers.onQueued,
    finishJobs: async (withinMs) => {
      if (withinMs > 0) supervisor.send({ type: "service.drain", shape: "quick", finishMs: withinMs });
      if (withinMs > 0) await waitUntilFinished(supervisor);
    },
    drain: async (shape) => {
      const stopped = waitUntilStopped(supervisor);
      supervisor.send({ type: "service.drain", shape, finishMs: 0 });
      await Promise.all([helpers.stop(), stopped]);
      await finish(false);
    },
    abandon: async () => {
      await helpers.stop();
      supervisor.stop();
      await finish(true);
    },
  };
}
