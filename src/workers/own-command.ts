/** Builds the command that starts a worker of the operator's own, as the configuration names it. */
import { delimiter } from "node:path";
import { workerPackageDir } from "./diffusers-command.ts";
import { variablesOf, type WorkerCommand } from "./worker-process.ts";

export interface OwnWorkerSettings {
  /** The program and its arguments; not empty. */
  readonly program: readonly string[];
  /** At most this much of a render's work is lost with the process; without it the worker chooses. */
  readonly checkpointMs?: number | undefined;
  readonly loraDir?: string | undefined;
}

/**
 * Starts a person's own worker as it was written down, with this clone's `understudy_worker` in reach of a Python,
 * after whatever the person has put on its path.
 */
export function ownCommand({ program, checkpointMs, loraDir }: OwnWorkerSettings): WorkerCommand {
  const [file = "", ...args] = program;
  const path = [process.env["PYTHONPATH"], workerPackageDir].filter((folder) => folder !== undefined && folder !== "");
  const given = { UNDERSTUDY_CHECKPOINT_MS: checkpointMs?.toString(), UNDERSTUDY_LORA_DIR: loraDir };
  return { file, args, env: { PYTHONPATH: path.join(delimiter), PYTHONUNBUFFERED: "1", ...variablesOf(given) } };
}
