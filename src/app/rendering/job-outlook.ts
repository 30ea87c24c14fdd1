/**
 * Tells the sender of a job its place in the queue and when its video may be expected. Where nothing is known, nothing is
 * said: a number without a basis would be a promise.
 */
import type { Clock } from "../../core/clock.ts";
import type { JobProgress } from "../../core/job.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { JobOutlook, OutlookPort } from "../../server/server-ports.ts";
import type { Promises } from "./promises.ts";

export interface OutlookNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly store: { readonly jobs: Pick<Store["jobs"], "standingOf"> };
  readonly progress: { of(jobId: string): JobProgress | null };
}

/** Where jobs stand in the queue, and when they may be expected: by what the last renders of this service really took. */
export function createJobOutlook(
  { clock, store, progress }: OutlookNeeds,
  promises: Pick<Promises, "ofJob" | "sentenceOf">,
): OutlookPort {
  return {
    of: async (job): Promise<JobOutlook> => {
      const standing = await store.jobs.standingOf(job.id);
      const aheadCount = standing?.aheadCount ?? null;
      const incidentId = standing?.incidentId ?? null;
      const runningEtaMs = job.state === "running" ? (progress.of(job.id)?.etaMs ?? null) : null;
      if (aheadCount === null) return { queuePosition: null, etaMs: runningEtaMs, incidentId, promised: null };
      const promise = promises.ofJob(job);
      const { kind, expectedAtMs } = promise;
      const etaMs = expectedAtMs === null ? null : Math.max(0, expectedAtMs - clock.nowMs());
      const promised = { kind, sentence: promises.sentenceOf(promise, "This video") };
      return { queuePosition: aheadCount + 1, etaMs, incidentId, promised };
    },
  };
}
