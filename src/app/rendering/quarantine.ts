/**
 * An operator's two answers to a job that has ended its worker more than once: back into the queue, or gone for good.
 */
import type { Store } from "../../core/ports/event-log.ts";
import type { QuarantinePort } from "../../server/server-ports.ts";

/** @param onAvailable a job may be claimed again */
export const createQuarantine = ({ jobs }: Pick<Store, "jobs">, onAvailable: () => void): QuarantinePort => ({
  release: async (jobId, by) => {
    const outcome = await jobs.requeue(jobId, by);
    if (outcome === "ok") onAvailable();
    return outcome;
  },
  drop: (jobId, by) => jobs.drop(jobId, by),
});
