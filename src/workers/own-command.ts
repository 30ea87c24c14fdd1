import { workerPackageDir } from "./diffusers-command.ts";
import type { WorkerCommand } from "./worker-process.ts";

export interface OwnWorkerSettings {
  /** Program and arguments; not empty. */
  readonly program: readonly string[];
  readonly checkpointMs: number;
  readonly loraDir?: string | undefined;
}

/** How a person's own worker is started: as it was written down, with this clone's `understudy_worker` in reach of a Python. */
export function ownCommand({ program, checkpointMs, loraDir }: OwnWorkerSettings): WorkerCommand {
  const [file = "", ...args] = program;
  const env = { PYTHONPATH: workerPackageDir, PYTHONUNBUFFERED: "1", UNDERSTUDY_CHECKPOINT_MS: String(checkpointMs) };
  return { file, args, env: loraDir === undefined ? env : { ...env, UNDERSTUDY_LORA_DIR: loraDir } };
}
