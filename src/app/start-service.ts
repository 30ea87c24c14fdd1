import type { Config } from "../config/schema.ts";
import { createSystemClock } from "../core/clock.ts";
import { createApp } from "../server/create-app.ts";
import { isLoopback, listen } from "../server/listen.ts";
import { lockStateDir, removeSupervisorFile, writeSupervisorFile } from "../store/state-lock.ts";
import { knowConfiguredModels } from "./known-models.ts";
import { openPorts } from "./open-ports.ts";
import { createService, type Service } from "./service.ts";

export interface RunningSupervisor {
  readonly address: string;
  readonly service: Service;
  /** Ends intake and streams, writes attempts down, ends workers with a last checkpoint. Idempotent. */
  stop(): Promise<void>;
  /** The same, but renders go on for the next start to take up. */
  leave(): Promise<void>;
  /** At once: every process that was started here. */
  killAll(): void;
}

const streamsEndMs = 2_000;

/**
 * Locks the state directory, opens everything, listens, and only then writes its address. What fails is undone: nothing is
 * left half-started. Throws UnderstudyError with one sentence.
 */
export async function startService(config: Config, version: string): Promise<RunningSupervisor> {
  knowConfiguredModels(config);
  const clock = createSystemClock();
  const lock = lockStateDir(config.stateDir);
  const undo: (() => Promise<void> | void)[] = [() => clock.stop(), lock.release];
  try {
    const ports = await openPorts(config, clock);
    undo.unshift(ports.close);
    const service = await createService(ports, config, version);
    undo.unshift(() => service.abandon());
    const app = createApp(service.serverPorts, {
      apiKey: config.apiKey,
      allowedHosts: [config.host, ...config.allowedHosts],
      allowedOrigins: config.allowedOrigins,
      isExposed: !isLoopback(config.host),
      isInsecure: config.isInsecure,
      rateLimit: config.rateLimit,
      consent: config.consent,
    });
    const listening = await listen(app, { host: config.host, port: config.port, clock, isInsecure: config.isInsecure });
    writeSupervisorFile(config.stateDir, { pid: process.pid, address: listening.address });
    service.start();
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
      stop: () => (ended ??= end(() => service.drain("quick"))),
      leave: () =>
        (ended ??= end(async () => {
          for (const link of service.parts.links.list()) ports.registry.disown(link.ref.pid);
          await service.abandon();
        })),
      killAll: ports.registry.killAll,
    };
  } catch (thrown) {
    for (const step of undo) await step();
    throw thrown;
  }
}
