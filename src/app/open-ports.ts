import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import { createSystemChance } from "../core/chance.ts";
import type { SystemClock } from "../core/clock.ts";
import { createSystemProbe } from "../gpu/telemetry/system-probe.ts";
import { createMediaClient } from "../media/media-client.ts";
import { createArtifactFiles } from "../store/artifact-files.ts";
import { createDiskGauge } from "../store/disk-gauge.ts";
import { openStore } from "../store/open-store.ts";
import { createLogger } from "../telemetry/logger.ts";
import { createProcessRegistry, type ProcessRegistry } from "../workers/process-registry.ts";
import { simulatorCommand } from "../workers/simulator-command.ts";
import { createWorkerHost, type SystemWorkerHost } from "../workers/worker-host.ts";
import type { WorkerCommand } from "../workers/worker-process.ts";
import type { ServicePorts } from "./service-ports.ts";

export interface SystemPorts extends ServicePorts {
  readonly host: SystemWorkerHost;
  readonly registry: ProcessRegistry;
  /** Ends the helpers and closes the store; workers are not touched. */
  close(): Promise<void>;
}

/** The real outside world of one state directory, which the caller has locked. */
export async function openPorts(config: Config, clock: SystemClock): Promise<SystemPorts> {
  const { stateDir, queue } = config;
  const chance = createSystemChance();
  const registry = createProcessRegistry();
  const deviceDir = join(stateDir, "device");
  const disk = createDiskGauge({ stateDir, ballastBytes: config.disk.ballastBytes });
  await disk.restoreBallast();
  const store = openStore({
    path: join(stateDir, "understudy.db"),
    clock,
    makeRoom: disk.releaseBallast,
    maxQueuedJobs: queue.maxJobCount,
    quarantineDeaths: queue.quarantineDeathCount,
    hostLossLimit: queue.hostLossCount,
    maxAttempts: queue.attemptCount,
  });
  const artifacts = createArtifactFiles({ stateDir, clock });
  const media = createMediaClient({ clock, onSpawn: (pid) => registry.register({ pid }), onExit: registry.unregister });
  const commandOf = (workerId: string): WorkerCommand => {
    const worker = config.workers.find(({ id }) => id === workerId);
    return simulatorCommand({ gpu: worker?.gpu, speed: worker?.speed, faults: worker?.fault, deviceDir });
  };
  const host = createWorkerHost({ stateDir, clock, chance, commandOf, registry });
  const probe = createSystemProbe({
    clock,
    stateDir,
    deviceDir: config.workers.some(({ kind }) => kind === "simulator") ? deviceDir : null,
    hasRealWorker: config.workers.some(({ kind }) => kind !== "simulator"),
    health: config.health,
    onSpawn: (pid) => registry.register({ pid }),
    onExit: registry.unregister,
  });
  const logger = createLogger({ level: config.logLevel, nowMs: clock.nowMs });
  return {
    clock,
    chance,
    store,
    artifacts,
    disk,
    media,
    host,
    probe,
    logger,
    registry,
    close: async () => {
      host.close();
      await media.stop();
      await probe.stop();
      await store.close();
    },
  };
}
