/**
 * Deletes a job with its files, as `DELETE` asks for it. A job that renders is cancelled first: its worker would
 * otherwise write into what has been deleted.
 */
import type { Clock } from "../../core/clock.ts";
import type { ArtifactFiles } from "../../core/ports/artifact-files.ts";
import type { Store } from "../../core/ports/event-log.ts";
import { secondMs } from "../../core/units.ts";
import { endedJobStates } from "../../core/words.ts";
import type { ControlPort } from "../../server/server-ports.ts";

export interface RemovalParts {
  readonly store: Pick<Store, "jobs" | "events">;
  readonly artifacts: Pick<ArtifactFiles, "remove" | "removeCheckpoints">;
  readonly clock: Clock;
  readonly cancelJob: ControlPort["cancelJob"];
}

/** As long as a client may be kept waiting until a render has let its card go. */
const longestWaitMs = 10 * secondMs;

/** Resolves when the job has ended, or after the longest wait. */
async function waitForEnd({ store, clock }: RemovalParts, jobId: string): Promise<void> {
  const over = new AbortController();
  const look = async (): Promise<void> => {
    const job = await store.jobs.get(jobId);
    if (job === null || endedJobStates.includes(job.state)) over.abort();
  };
  const unsubscribe = store.events.subscribe((rows) => {
    if (rows.some((row) => row.jobId === jobId)) void look();
  });
  try {
    await look();
    await clock.sleep(longestWaitMs, over.signal).catch((thrown: unknown) => {
      if (!over.signal.aborted) throw thrown;
    });
  } finally {
    unsubscribe();
  }
}

/** The row goes first: a crash leaves files that nobody names, which are swept, and never a row without its files. */
export async function removeJob(
  parts: RemovalParts,
  jobId: string,
  by: string,
): Promise<"removed" | "stopping" | "absent"> {
  const { store, artifacts } = parts;
  const cancelled = await parts.cancelJob(jobId, by);
  if (cancelled === "absent") return "absent";
  if (cancelled === "requested") await waitForEnd(parts, jobId);
  const outcome = await store.jobs.remove(jobId, by);
  if (outcome.kind !== "removed") return outcome.kind === "absent" ? "absent" : "stopping";
  for (const { name } of outcome.artifacts) await artifacts.remove(name);
  await artifacts.removeCheckpoints(jobId);
  return "removed";
}
