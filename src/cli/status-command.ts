/** `understudy status`: what the running service is doing, for people or as JSON. Scripts read the exit code. */
import type { Config } from "../config/schema.ts";
import { type StatusWire, statusSchema } from "../contract/status-wire.ts";
import { jobStates } from "../core/words.ts";
import { exitCodes } from "./exit-codes.ts";
import { askService, refusalOf } from "./running-service.ts";
import { say } from "./say.ts";

function workerLine({ id, kind, state, pid }: StatusWire["workers"][number]): string {
  // The innermost state says enough of where the worker is.
  return `  ${id.padEnd(12)} ${kind.padEnd(10)} ${state.split(".").at(-1) ?? state}${pid === undefined ? "" : `, pid ${pid}`}`;
}

/** The status as lines for a terminal. */
export function statusLines(address: string, status: StatusWire): string[] {
  const counts = jobStates
    .filter((state) => (status.jobs[state] ?? 0) > 0)
    .map((state) => `${status.jobs[state]} ${state}`);
  return [
    `${address}  ${status.mode}${status.simulated ? " (simulated)" : ""}${status.paused ? ", paused" : ""}${status.drained ? ", drained" : ""}`,
    status.sentence,
    ...(status.unready_reason === undefined ? [] : [`Nothing is accepted: ${status.unready_reason}`]),
    "Workers",
    ...status.workers.map(workerLine),
    `Jobs\n  ${counts.length === 0 ? "none" : counts.join(", ")}`,
    `Open incidents${status.open_incidents.length === 0 ? "\n  none" : ""}`,
    ...status.open_incidents.map(
      ({ id, failure_type, worker_id, sentence }) =>
        `  ${id}  ${failure_type}${worker_id === undefined ? "" : ` on ${worker_id}`}: ${sentence}`,
    ),
    ...status.issues.map((issue) => `Health: ${issue}`),
  ];
}

const isWell = (status: StatusWire): boolean => status.mode === "ready" && status.ready && !status.paused;

/**
 * Prints what the running service is doing: 0 when the next job would be rendered at once by the main model, else 4.
 */
export async function showStatus(config: Config, isJson: boolean): Promise<number> {
  const answer = await askService(config, "GET", "/api/v1/status");
  if (!answer.isOk) {
    say(refusalOf(answer));
    return exitCodes.failed;
  }
  const status = statusSchema.parse(answer.body);
  say(isJson ? JSON.stringify(status, null, 2) : statusLines(answer.address, status).join("\n"));
  return isWell(status) ? exitCodes.ok : exitCodes.degraded;
}
