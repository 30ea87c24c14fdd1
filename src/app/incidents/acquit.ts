/**
 * Jobs whose failure was their worker's, or a matter of their size, are told so to the store: they are suspects no longer,
 * and lose no attempt by it.
 */
import { messageOf } from "../../core/errors.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { SupervisorFact } from "../../machines/supervisor-types.ts";
import type { Logger } from "../../telemetry/logger.ts";

export interface AcquitNeeds {
  readonly store: { readonly jobs: Pick<JobStore, "acquit"> };
  readonly logger: Pick<Logger, "warn">;
}

/** A store that cannot write now leaves them suspects: they are tried again all the same, only behind others. */
export const createAcquittal =
  ({ store, logger }: AcquitNeeds) =>
  (fact: SupervisorFact): void => {
    if (fact.type !== "blame.settled" || fact.data.blame === "job") return;
    // A worker that is to blame is repaired; a size that did not fit is no smaller by that.
    store.jobs
      .acquit(fact.data.job_ids, fact.data.blame === "route" ? "atOnce" : "inItsTime")
      .catch((thrown: unknown) => logger.warn({ event: "jobs.notAcquitted", message: messageOf(thrown) }));
  };
