/**
 * Asks kernel and card why a worker's process ended. The answer tells an out-of-memory kill of the host from a crash
 * of the worker.
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { MachineEvidence, ProcessFollower, TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import type { ProcessRef } from "../../core/ports/worker.ts";
import { secondMs } from "../../core/units.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { WorkerLinks } from "./worker-links.ts";

export interface EvidenceNeeds {
  readonly clock: Clock;
  readonly probe: Pick<TelemetryProbe, "followProcess">;
  readonly links: Pick<WorkerLinks, "get">;
  readonly logger: Pick<Logger, "warn">;
}

/** A card whose tool hangs does not hold a restart up. */
const evidenceLimitMs = 2 * secondMs;

/** What kernel and card say about a worker's end; null where the machine tells nothing. The end is reported without it, if need be. */
export function followMachine(
  { probe, clock, links, logger }: EvidenceNeeds,
  { workerId, pid }: ProcessRef,
): ProcessFollower | null {
  if (probe.followProcess === undefined) return null;
  const giveUp = (thrown: unknown): null => {
    logger.warn({ event: "machine.untold", actor: workerId, pid, message: messageOf(thrown) });
    return null;
  };
  const follower = probe.followProcess(pid, links.get(workerId)?.client.identity.device.uuid).catch(giveUp);
  return {
    evidence: async (): Promise<MachineEvidence> => {
      const over = new AbortController();
      const late = clock.sleep(evidenceLimitMs, over.signal).then(() => null);
      const told = follower.then((followed) => followed?.evidence() ?? null).catch(giveUp);
      const evidence = await Promise.race([told, late]);
      over.abort();
      late.catch(() => undefined);
      return evidence ?? {};
    },
    end: () => void follower.then((followed) => followed?.end()),
  };
}
