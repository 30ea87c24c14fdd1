/**
 * The work that nobody asks for: expired leases and deadlines, retention, free space, idle workers. Each round is
 * independent, and one that fails is tried again with the next.
 */
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { ArtifactFiles, DiskGauge } from "../core/ports/artifact-files.ts";
import type { Store } from "../core/ports/event-log.ts";
import type { Media } from "../core/ports/media.ts";
import { secondMs } from "../core/units.ts";
import { keepHouse } from "../jobs/housekeeping.ts";
import { makeGenericStandIn } from "../jobs/make-stand-in.ts";
import { isAdopting, type Supervisor } from "../machines/supervisor-view.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { DiskWatch } from "./health/disk-watch.ts";

export interface UpkeepNeeds {
  readonly clock: Clock;
  readonly store: Pick<Store, "jobs" | "events">;
  readonly config: Pick<Config, "workers" | "retention" | "supervision">;
  readonly disk: Pick<DiskGauge, "restoreBallast">;
  readonly diskWatch: DiskWatch;
  readonly artifacts: ArtifactFiles;
  readonly media: Media;
  readonly logger: Pick<Logger, "error">;
  readonly epoch: number;
}

const sweepEveryMs = 5 * secondMs;

/** Repeats `work` on the injected clock until stopped; a failure is logged and does not end the repetition. */
function repeat(
  parts: UpkeepNeeds,
  name: string,
  everyMs: number,
  work: (signal: AbortSignal) => Promise<void>,
): () => Promise<void> {
  const stop = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await parts.clock.sleep(everyMs, stop.signal);
      await work(stop.signal).catch((thrown: unknown) => {
        if (!stop.signal.aborted) parts.logger.error({ event: `${name}.failed`, message: messageOf(thrown) });
      });
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

/** A restarted supervisor adopts first; what it could not adopt by then goes back into the queue. */
async function releaseOlder(parts: UpkeepNeeds, supervisor: Supervisor): Promise<void> {
  const isAnybodyAdopting = (): boolean =>
    parts.config.workers.some(({ id }) => isAdopting(supervisor.getSnapshot(), id));
  while (isAnybodyAdopting()) await parts.clock.sleep(50);
  const released = await parts.store.jobs.releaseOlderEpochs(parts.epoch);
  if (released.length > 0) supervisor.send({ type: "jobs.becameAvailable" });
}

/** Lets the workers rest when no job was there for so long; 0 never does. */
function createIdleWatch({ clock, store, config }: UpkeepNeeds, supervisor: Supervisor): () => Promise<void> {
  let idleSinceMs: number | null = null;
  return async () => {
    const { idleUnloadMs } = config.supervision;
    if (idleUnloadMs === 0) return;
    const { queued, running } = await store.jobs.counts();
    if (queued + running > 0) idleSinceMs = null;
    else idleSinceMs ??= clock.nowMs();
    if (idleSinceMs !== null && clock.nowMs() - idleSinceMs >= idleUnloadMs)
      supervisor.send({ type: "workers.release" });
  };
}

export interface Upkeep {
  /** Called once, when the supervisor has started. */
  begin(): void;
  /** Resolves when nothing runs any more. */
  stop(): Promise<void>;
}

export interface UpkeepLooks {
  /** Called after each look at the disk. */
  readonly onLook: () => void;
  /** Lets idle workers prove and load what there may be room for. */
  readonly lookAtMemory: (signal: AbortSignal) => Promise<void>;
}

/** Sweeps leases and deadlines, looks at the disk, cleans by the retention, and keeps the generic stand-in in its place. */
export function createUpkeep(
  parts: UpkeepNeeds,
  supervisor: Supervisor,
  { onLook, lookAtMemory }: UpkeepLooks,
): Upkeep {
  const { store, disk, diskWatch, artifacts, media, logger } = parts;
  const { config } = parts;
  let isOlderReleased = false;
  const attempt = (event: string, work: Promise<void>): void => {
    work.catch((thrown: unknown) => logger.error({ event, message: messageOf(thrown) }));
  };
  const watchIdleness = createIdleWatch(parts, supervisor);
  const stopSweeping = repeat(parts, "sweep", sweepEveryMs, async () => {
    const wasShort = diskWatch.isShort();
    await diskWatch.look();
    if (diskWatch.isShort() !== wasShort) {
      store.events.note({
        kind: wasShort ? "disk.recovered" : "disk.short",
        data: { free_bytes: diskWatch.freeBytes() },
      });
      supervisor.send({ type: wasShort ? "disk.sufficed" : "disk.ranShort" });
      // While it was short no job was claimed, whatever waited.
      if (wasShort) supervisor.send({ type: "jobs.becameAvailable" });
    }
    onLook();
    if (!isOlderReleased) return;
    await store.jobs.sweep();
    // Jobs that waited for their time are told as well: a pipeline that looked by itself would write rows all day
    // about nothing.
    if ((await store.jobs.counts()).queued > 0) supervisor.send({ type: "jobs.becameAvailable" });
    await watchIdleness();
  });
  const stopLookingAtMemory = repeat(parts, "memory", sweepEveryMs, lookAtMemory);
  const stopCleaning = repeat(parts, "housekeeping", config.retention.everyMs, async () => {
    const { retention } = config;
    const limits = { retention, eventMaxAgeMs: retention.eventMaxAgeMs, orphanMinAgeMs: retention.orphanMinAgeMs };
    await keepHouse({ jobs: store.jobs, events: store.events, artifacts }, limits);
    supervisor.send({ type: "incidents.sweep" });
    await disk.restoreBallast();
    await makeGenericStandIn({ artifacts, media });
  });
  return {
    begin: () => {
      attempt(
        "release.failed",
        releaseOlder(parts, supervisor).then(() => {
          isOlderReleased = true;
        }),
      );
      attempt("genericStandIn.failed", makeGenericStandIn({ artifacts, media }));
    },
    stop: async () => {
      await Promise.all([stopSweeping(), stopLookingAtMemory(), stopCleaning()]);
    },
  };
}
