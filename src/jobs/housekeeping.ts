/**
 * Deletes what nobody may need any more: ended jobs past their retention, files without a row, old events. The service
 * calls it on a timer.
 */
import type { ArtifactFiles } from "../core/ports/artifact-files.ts";
import type { EventLog } from "../core/ports/event-log.ts";
import type { JobStore, Retention } from "../core/ports/job-store.ts";

export interface HousekeepingPorts {
  readonly jobs: JobStore;
  readonly events: EventLog;
  readonly artifacts: ArtifactFiles;
}

export interface HousekeepingLimits {
  readonly retention: Retention;
  readonly eventMaxAgeMs: number;
  readonly orphanMinAgeMs: number;
}

export interface HousekeepingReport {
  readonly jobCount: number;
  readonly fileCount: number;
  readonly eventCount: number;
}

/** Applies the retention and deletes files that no row names. Rows go first: a crash leaves garbage, never a dangling row. */
export async function keepHouse(ports: HousekeepingPorts, limits: HousekeepingLimits): Promise<HousekeepingReport> {
  const pruned = await ports.jobs.prune(limits.retention);
  for (const name of pruned.artifactNames) await ports.artifacts.remove(name);
  const orphanCount = await ports.artifacts.sweepOrphans(await ports.jobs.listArtifactNames(), limits.orphanMinAgeMs);
  const eventCount = await ports.events.prune(limits.eventMaxAgeMs);
  return { jobCount: pruned.jobCount, fileCount: pruned.artifactNames.length + orphanCount, eventCount };
}
