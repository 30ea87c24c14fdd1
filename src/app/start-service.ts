/**
 * From an accepted configuration to a service that listens, and back. The lock comes first, and the address is written
 * only when the server listens, so that whoever reads it can connect.
 */
import type { AcceptedConfig, ConfigAnswer } from "../config/parse-config.ts";
import type { Config } from "../config/schema.ts";
import { createSystemClock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { createApp } from "../server/create-app.ts";
import type { AppOptions } from "../server/http-types.ts";
import { isLoopback, listen } from "../server/listen.ts";
import { lockStateDir, removeSupervisorFile, writeSupervisorFile } from "../store/state-lock.ts";
import { createLiveConfig, createReload } from "./live-config.ts";
import { readModelCatalog } from "./models/known-models.ts";
import { openPorts } from "./open-ports.ts";
import { createService, type Service } from "./service.ts";

export interface RunningSupervisor {
  readonly address: string;
  readonly service: Service;
  /**
   * Ends intake and streams, writes attempts down, ends workers with a last checkpoint. Jobs in hand may end first, for so
   * long; answers and streams go on meanwhile. Idempotent.
   */
  stop(finishMs: number): Promise<void>;
  /** Stops in the same way, but renders go on for the next start to take up. */
  leave(): Promise<void>;
  /**
   * Puts what was read again in force: live settings take effect, and what is not acceptable changes nothing. Both are
   * logged.
   */
  reload(answer: ConfigAnswer): Promise<void>;
  /** Kills every process that was started here, at once and without a checkpoint. */
  killAll(): void;
}

const streamsEndMs = 2_000;
const ballastAfterMs = 500;

/** Settings that may change while the service runs are read when they are asked for. */
function appOptionsOf(config: Config): AppOptions {
  return {
    apiKey: config.apiKey,
    allowedHosts: [config.host, ...config.allowedHosts],
    allowedOrigins: config.allowedOrigins,
    isExposed: !isLoopback(config.host),
    isInsecure: config.isInsecure,
    rateLimit: config.rateLimit,
    get consent() {
      return config.consent;
    },
    get ownConsent() {
      return config.ownConsent;
    },
    get resultMaxAgeMs() {
      return config.retention.resultMaxAgeMs;
    },
  };
}

/**
 * Locks the state directory, opens everything, listens, and only then writes its address. What fails is undone: nothing is
 * left half-started. Throws UnderstudyError with one sentence.
 */
export async function startService(accepted: AcceptedConfig, version: string): Promise<RunningSupervisor> {
  const live = createLiveConfig(accepted.config);
  const { config } = live;
  const catalog = readModelCatalog(config);
  const clock = createSystemClock();
  const lock = lockStateDir(config.stateDir);
  const undo: (() => Promise<void> | void)[] = [() => clock.stop(), lock.release];
  try {
    const ports = openPorts(config, { clock, catalog });
    undo.unshift(ports.close);
    const service = await createService(ports, config, version);
    undo.unshift(() => service.abandon());
    const app = createApp(service.serverPorts, appOptionsOf(config));
    const listening = await listen(app, { host: config.host, port: config.port, clock, isInsecure: config.isInsecure });
    writeSupervisorFile(config.stateDir, { pid: process.pid, address: listening.address });
    service.start();
    // Many megabytes, which a slow disk takes long to write: nobody waits for them, nor behind them.
    clock.setTimer(() => {
      ports.disk.restoreBallast().catch((thrown: unknown) => {
        ports.logger.error({ event: "ballast.failed", message: messageOf(thrown) });
      });
    }, ballastAfterMs);
    process.on("exit", ports.registry.killAll);
    let ended: Promise<void> | undefined;
    const end = async (finish: () => Promise<void>): Promise<void> => {
      await Promise.all([listening.stop(streamsEndMs), finish()]);
      removeSupervisorFile(config.stateDir);
      await ports.close();
      lock.release();
      clock.stop();
    };
    return {
      address: listening.address,
      service,
      stop: (finishMs) => (ended ??= service.finishJobs(finishMs).then(() => end(() => service.drain("quick")))),
      leave: () =>
        (ended ??= end(async () => {
          for (const { pid } of service.processes()) ports.registry.disown(pid);
          await service.abandon();
        })),
      reload: createReload(accepted, live, ports, () => {
        service.lookAgain();
        service.supervisor.send({ type: "workers.startAgain" });
      }),
      killAll: ports.registry.killAll,
    };
  } catch (thrown) {
    for (const step of undo) await step();
    throw thrown;
  }
}
