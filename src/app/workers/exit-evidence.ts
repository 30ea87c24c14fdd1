/**
 * Asks kernel and card why a worker's process ended. The answer tells an out-of-memory kill of the host from a crash
 * of the worker.
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Evidence } from "../../core/fault.ts";
import type { MachineEvidence, ProcessFollower, TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import type { ProcessRef } from "../../core/ports/worker.ts";
import { hourMs, secondMs } from "../../core/units.ts";
import { outsideEndOf } from "../../recovery/outside-end.ts";
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

const outsideWindowMs = hourMs;

/** Counts the ends of workers that came from outside, by worker: again and again is no accident. */
export interface OutsideEnds {
  /** The evidence of an end, with the count where it came from outside. */
  count(workerId: string, evidence: Evidence): Evidence;
}

export function createOutsideEnds({ clock }: Pick<EvidenceNeeds, "clock">): OutsideEnds {
  const ends = new Map<string, readonly number[]>();
  return {
    count: (workerId, evidence) => {
      if (evidence.isOnRequest === true || outsideEndOf(evidence) === null) return evidence;
      const nowMs = clock.nowMs();
      const recent = [...(ends.get(workerId) ?? []), nowMs].filter((atMs) => nowMs - atMs < outsideWindowMs);
      ends.set(workerId, recent);
      return { ...evidence, outsideEndCount: recent.length };
    },
  };
}
