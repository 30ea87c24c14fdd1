/** Deletes jobs with their files, as the compatible clients ask for it. */
import { shownArtifact } from "../contract/job-truth.ts";
import { withoutNulls } from "../core/present.ts";
import type { ServerPorts } from "./server-ports.ts";

/** `active`: nothing is shown and the job has not ended. `stopping`: it was cancelled, and its render still has the card. */
export type Removal = "removed" | "absent" | "active" | "stopping";

type Ports = Pick<ServerPorts, "jobs" | "control">;

/**
 * Deletes what compatible clients may delete: a job that ended, and a stand-in whose real video is owed, which ends
 * first.
 */
export async function removeJob(ports: Ports, id: string, by: string): Promise<Removal> {
  const job = await ports.jobs.get(id);
  if (job === null) return "absent";
  const isActive = (job.state === "queued" || job.state === "running") && shownArtifact(job) === undefined;
  return isActive ? "active" : ports.control.removeJob(id, by);
}

const pageCount = 500;

/**
 * Deletes every ended job but those that were set aside, whose evidence an operator releases or drops. Returns how many
 * went.
 */
export async function clearEnded(ports: Ports, by: string): Promise<number> {
  let count = 0;
  let cursor: string | null | undefined;
  do {
    const page: Awaited<ReturnType<Ports["jobs"]["list"]>> = await ports.jobs.list({
      states: ["succeeded", "failed", "cancelled"],
      limit: pageCount,
      ...withoutNulls({ cursor }),
    });
    for (const { id } of page.jobs) if ((await ports.control.removeJob(id, by)) === "removed") count += 1;
    cursor = page.cursor;
  } while (cursor !== null);
  return count;
}
