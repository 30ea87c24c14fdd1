/**
 * Cancels a job, queued or running. A crash between the wish and its execution loses nothing: the renewal of the lease
 * brings the wish to the pipeline as well.
 */
import type { Store } from "../../core/ports/event-log.ts";
import type { Supervisor } from "../../machines/supervisor-view.ts";
import type { ControlPort } from "../../server/server-ports.ts";

interface CancelNeeds {
  readonly store: { readonly jobs: Pick<Store["jobs"], "cancel" | "get"> };
}

/** The wish is durable first; then the worker that renders the job hears of it at once. */
export const createCancelJob =
  ({ store }: CancelNeeds, supervisor: Pick<Supervisor, "send">): ControlPort["cancelJob"] =>
  async (jobId, by) => {
    const outcome = await store.jobs.cancel(jobId, by);
    const view = outcome === "requested" ? await store.jobs.get(jobId) : null;
    if (view?.workerId != null) supervisor.send({ type: "job.cancel", workerId: view.workerId, jobId });
    return outcome;
  };
