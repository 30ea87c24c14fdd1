/**
 * Opens the real outside world of a service: store, files, processes, card, media and hub. It is the counterpart of
 * what the simulation brings.
 */
import { join, resolve } from "node:path";
import { readHubEnvironment } from "../config/hub-environment.ts";
import type { Config } from "../config/schema.ts";
import { type Chance, createSystemChance } from "../core/chance.ts";
import type { SystemClock } from "../core/clock.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { WebhookSender } from "../core/ports/webhook-sender.ts";
import { createSystemProbe } from "../gpu/telemetry/system-probe.ts";
import { createMediaClient } from "../media/media-client.ts";
import { createArtifactFiles } from "../store/artifact-files.ts";
import { createDiskGauge } from "../store/disk-gauge.ts";
import { openStore } from "../store/open-store.ts";
import { createLogger } from "../telemetry/logger.ts";
import { createWebhookSender } from "../webhooks/webhook-sender.ts";
import { diffusersCommand } from "../workers/diffusers-command.ts";
import { ownCommand } from "../workers/own-command.ts";
import { createProcessRegistry, type ProcessRegistry } from "../workers/process-registry.ts";
import { simulatorCommand } from "../workers/simulator-command.ts";
import { createWorkerHost, type SystemWorkerHost } from "../workers/worker-host.ts";
import type { WorkerCommand } from "../workers/worker-process.ts";
import { openModels } from "./models/open-models.ts";
import type { ServicePorts } from "./service.ts";
import { createWorkerModels, type WorkerModels } from "./workers/worker-models.ts";

export interface SystemPorts extends ServicePorts {
  readonly host: SystemWorkerHost;
  readonly registry: ProcessRegistry;
  /** Ends the helpers and closes the store; workers are not touched. */
  close(): Promise<void>;
}

export interface Means {
  readonly clock: SystemClock;
  readonly catalog: ModelCatalog;
}

/** How a worker is started, by its kind. */
function commandFor(
  { workers, models, supervision }: Config,
  workerId: string,
  deviceDir: string,
  files: WorkerModels | null,
): WorkerCommand {
  const worker = workers.find(({ id }) => id === workerId);
  const loraDir = models.loraDir === null ? undefined : resolve(models.loraDir);
  if (worker?.kind === "own")
    return ownCommand({ program: worker.command, checkpointMs: supervision.checkpointMs, loraDir });
  if (worker === undefined || worker.kind === "simulator" || files === null)
    return simulatorCommand({ gpu: worker?.gpu, speed: worker?.speed, faults: worker?.fault, deviceDir });
  const { python, device, cardNumber } = worker;
  const command = diffusersCommand({
    python: python ?? undefined,
    modelsDir: files.modelsDir,
    registry: files.listPath,
    loraDir,
    device: device === "auto" ? undefined : device,
    checkpointMs: supervision.checkpointMs,
  });
  return cardNumber === null
    ? command
    : { ...command, env: { ...command.env, CUDA_VISIBLE_DEVICES: String(cardNumber) } };
}

/** Models on the disk, which diffusers workers alone read; a worker of one's own has its own. */
function openFiles(config: Config, means: Means & { readonly chance: Chance }) {
  if (!config.workers.some(({ kind }) => kind === "diffusers")) return { files: null, cache: null };
  const files = createWorkerModels(config.stateDir, means.catalog);
  return { files, cache: openModels(config, readHubEnvironment(process.env), means) };
}

function openWebhookSender(config: Config, clock: SystemClock): WebhookSender {
  return createWebhookSender({
    clock,
    secret: config.webhook.secret,
    get allow() {
      return config.webhook.allow;
    },
    get answerMs() {
      return config.webhook.answerMs;
    },
  });
}

/** The real outside world of one state directory, which the caller has locked. */
export function openPorts(config: Config, { clock, catalog }: Means): SystemPorts {
  const { stateDir, queue } = config;
  const chance = createSystemChance();
  const registry = createProcessRegistry();
  const deviceDir = join(stateDir, "device");
  const disk = createDiskGauge({ stateDir, ballastBytes: config.disk.ballastBytes });
  const store = openStore({
    path: join(stateDir, "understudy.db"),
    clock,
    makeRoom: disk.releaseBallast,
    get maxQueuedJobs() {
      return config.queue.maxJobCount;
    },
    get maxQueuedJobsPerKey() {
      return config.queue.maxJobsPerKeyCount;
    },
    quarantineDeaths: queue.quarantineDeathCount,
    maxAttempts: queue.attemptCount,
  });
  const artifacts = createArtifactFiles({ stateDir, clock });
  const media = createMediaClient({ clock, onSpawn: (pid) => registry.register({ pid }), onExit: registry.unregister });
  const hasRealWorker = config.workers.some(({ kind }) => kind !== "simulator");
  const { files, cache } = openFiles(config, { clock, chance, catalog });
  const commandOf = (workerId: string): WorkerCommand => commandFor(config, workerId, deviceDir, files);
  const host = createWorkerHost({ stateDir, clock, chance, commandOf, registry });
  const probe = createSystemProbe({
    clock,
    stateDir,
    deviceDir: config.workers.some(({ kind }) => kind === "simulator") ? deviceDir : null,
    hasRealWorker,
    health: config.health,
    onSpawn: (pid) => registry.register({ pid }),
    onExit: registry.unregister,
  });
  const logger = createLogger({ level: config.logLevel, nowMs: clock.nowMs });
  return {
    clock,
    chance,
    catalog,
    store,
    artifacts,
    disk,
    media,
    host,
    probe,
    webhooks: openWebhookSender(config, clock),
    logger,
    registry,
    models: cache === null || files === null ? null : { cache, place: files.place },
    close: async () => {
      host.close();
      await cache?.close();
      await media.stop();
      await probe.stop();
      await store.close();
    },
  };
}
