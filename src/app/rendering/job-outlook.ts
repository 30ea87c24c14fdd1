/**
 * Tells the sender of a job its place in the queue and when its video may be expected. Where nothing is known, nothing
 * is said: a number without a basis would be a promise.
 */
import type { EventRow } from "../../core/events.ts";
import type { JobProgress, JobView } from "../../core/job.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { JobOutlook, OutlookPort } from "../../server/server-ports.ts";

export interface OutlookFacts {
  readonly progressOf: (jobId: string) => JobProgress | null;
  readonly running: () => readonly JobProgress[];
  readonly usableWorkerCount: () => number;
}

const keptCount = 16;

/** Null for a job that ended with its stand-in. */
const renderMsOf = ({ data: { render_ms: tookMs = 0 } }: EventRow<"job.succeeded">): number | null =>
  tookMs > 0 ? tookMs : null;

export interface WaitQuestion {
  /** Jobs that go before it. */
  readonly aheadCount: number;
  readonly workerCount: number;
  /** What is left of the renders in hand; null where one has not said yet. */
  readonly remainingMs: readonly (number | null)[];
  /** What the last renders took. */
  readonly tookMs: readonly number[];
}

/**
 * Estimates when a waiting job has its result: after the renders before it, and its own. Null where nothing can be
 * said.
 */
export function estimateWaitMs({ aheadCount, workerCount, remainingMs, tookMs }: WaitQuestion): number | null {
  if (workerCount === 0 || tookMs.length === 0) return null;
  const typicalMs = tookMs.reduce((sum, ms) => sum + ms, 0) / tookMs.length;
  const inHandMs = remainingMs.map((ms) => ms ?? typicalMs);
  const isFree = inHandMs.length < workerCount;
  const untilFreeMs = isFree ? 0 : Math.min(...inHandMs);
  return Math.round(untilFreeMs + Math.floor(aheadCount / workerCount) * typicalMs + typicalMs);
}

/** Where jobs stand in the queue, and when they may be expected: by what the last renders of this service really took. */
export function createJobOutlook({ jobs, events }: Pick<Store, "jobs" | "events">, facts: OutlookFacts): OutlookPort {
  let took: Promise<readonly number[]> | undefined;
  const read = async (): Promise<readonly number[]> => {
    const rows = await events.findKinds({ of: { kinds: ["job.succeeded"] }, limit: keptCount, isNewestFirst: true });
    return rows.map(renderMsOf).filter((ms) => ms !== null);
  };
  events.subscribe((rows) => {
    if (rows.some(({ kind }) => kind === "job.succeeded")) took = undefined;
  });
  const etaOf = async (job: JobView, aheadCount: number | null): Promise<number | null> => {
    if (job.state === "running") return facts.progressOf(job.id)?.etaMs ?? null;
    if (aheadCount === null) return null;
    took ??= read();
    return estimateWaitMs({
      aheadCount,
      workerCount: facts.usableWorkerCount(),
      remainingMs: facts.running().map(({ etaMs }) => etaMs),
      tookMs: await took,
    });
  };
  return {
    of: async (job): Promise<JobOutlook> => {
      const standing = await jobs.standingOf(job.id);
      const aheadCount = standing?.aheadCount ?? null;
      return {
        queuePosition: aheadCount === null ? null : aheadCount + 1,
        etaMs: await etaOf(job, aheadCount),
        incidentId: standing?.incidentId ?? null,
      };
    },
  };
}
