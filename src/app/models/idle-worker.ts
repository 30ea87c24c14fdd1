/** Which workers may be asked for something that no job needs. */
import type { Supervisor } from "../../machines/supervisor-view.ts";

/** It could render, nobody works on it, and nobody wants it for something else. */
export function isIdle(supervisor: Pick<Supervisor, "getSnapshot">, workerId: string): boolean {
  const { workers, incidents, pause, isDrilling, mode } = supervisor.getSnapshot().context;
  const worker = workers[workerId];
  return (
    worker?.process === "connected" &&
    worker.isProven &&
    worker.jobId === null &&
    worker.rest === "none" &&
    !worker.isRecycling &&
    !Object.values(incidents).some((incident) => incident.workerId === workerId) &&
    pause === null &&
    !isDrilling &&
    mode !== "draining"
  );
}
