import { endedJobStates } from "../../src/core/words.ts";
import type { Simulation } from "./simulation.ts";

interface SeedJob {
  readonly status: string;
  readonly is_mock?: boolean;
}

/** What must hold at the end, whatever happened: nothing lost, nothing twice, no lie, nothing owed without an end. */
export async function checkWorld(simulation: Simulation): Promise<string[]> {
  const problems: string[] = [];
  for (const id of simulation.acknowledged) {
    const job = await simulation.store.jobs.get(id);
    if (job === null) {
      problems.push(`job ${id} was acknowledged and is lost`);
      continue;
    }
    if (!endedJobStates.includes(job.state)) problems.push(`job ${id} is still ${job.state} long after the last fault`);
    if (job.state === "failed" || job.state === "quarantined")
      problems.push(`job ${id} is ${job.state}: ${job.errorCode} ${job.errorMessage}`);
    if (job.state === "cancelled" && !simulation.cancelled.has(id)) problems.push(`job ${id} is cancelled, and nobody asked for it`);
    const result = job.artifacts.find((artifact) => artifact.kind === "result");
    if (job.state === "succeeded") {
      if (result === undefined) problems.push(`job ${id} succeeded without a result`);
      else if (simulation.disk.published.get(result.name)?.plays !== true) problems.push(`the result of job ${id} does not play`);
      if (result !== undefined && result.servedBy?.kind !== "real") problems.push(`the result of job ${id} is not the real thing`);
    }
    const seen = await simulation.current?.app.request(`/api/v1/generate/${id}`, { headers: { host: "localhost" } });
    const shown = seen?.status === 200 ? ((await seen.json()) as SeedJob) : null;
    if (shown?.status === "completed" && shown.is_mock === false && result === undefined)
      problems.push(`job ${id} shows a stand-in as the real video`);
  }
  for (const [id, count] of simulation.commits) if (count > 1) problems.push(`job ${id} was committed ${count} times`);
  if (simulation.current === null) problems.push("no supervisor runs at the end");
  else if (simulation.clock.pendingCount === 0) problems.push("nothing is armed: a wait has no deadline");
  return problems;
}
