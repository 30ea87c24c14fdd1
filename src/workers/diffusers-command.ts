/** Builds the command that starts the diffusers worker, from settings of the service. */
import { fileURLToPath } from "node:url";
import { workerEnvironment } from "../contract/worker-protocol.ts";
import { packageRoot } from "../core/package-root.ts";
import type { LoadProfile } from "../core/words.ts";
import { variablesOf, type WorkerCommand } from "./worker-process.ts";

export interface DiffusersSettings {
  /** The interpreter with the worker's packages; without one it is that of `npm run worker:install`. */
  readonly python?: string | undefined;
  /**
   * The absolute folder below which the models' diffusers folders lie, as far as the list names them by relative paths.
   */
  readonly modelsDir: string;
  /** The absolute path of the list of models, in the worker's form. */
  readonly registry: string;
  /** The absolute folder of LoRAs; without it jobs with a LoRA are refused. */
  readonly loraDir?: string | undefined;
  /**
   * Without a device the worker takes `cuda` where PyTorch finds a card, else `cpu`. The command's environment chooses
   * the card itself.
   */
  readonly device?: "cuda" | "cpu" | undefined;
  /** The folder that the supervisor's telemetry reads for simulated cards; a real card is read by its own tools. */
  readonly deviceDir?: string | undefined;
  /** At most this much of a render's work is lost with the process; without it, 30 s. */
  readonly checkpointMs?: number | undefined;
}

/**
 * The memory modes that the worker offers, for the time before it runs and can say so
 * (worker/understudy_worker/pipelines/placement.py).
 */
export const diffusersProfiles: Readonly<Record<"card" | "processor", readonly LoadProfile[]>> = {
  card: ["full", "model-offload", "tiling", "group-offload"],
  processor: ["full", "tiling"],
};

const beside = (path: string): string => fileURLToPath(new URL(path, packageRoot));

/** The folder of the worker's Python package: beside `src` in the clone, beside `dist` in the package. */
export const workerPackageDir = beside("worker");
/** The interpreter that `npm run worker:install` makes. */
export const installedPython = beside(".venv/bin/python");

/** Starts the interpreter itself, so that exit codes and signals are the worker's own. */
export function diffusersCommand(settings: DiffusersSettings): WorkerCommand {
  const { python = installedPython, modelsDir, registry, loraDir, device, deviceDir, checkpointMs } = settings;
  const given = {
    UNDERSTUDY_MODELS_DIR: modelsDir,
    UNDERSTUDY_MODELS: registry,
    UNDERSTUDY_LORA_DIR: loraDir,
    UNDERSTUDY_DEVICE: device,
    UNDERSTUDY_CHECKPOINT_MS: checkpointMs?.toString(),
    [workerEnvironment.deviceDir]: deviceDir,
  };
  return {
    file: python,
    // With these flags nothing is imported from the working directory, and no compiled file is written beside the
    // package.
    args: ["-B", "-m", "understudy_worker"],
    env: { PYTHONPATH: workerPackageDir, PYTHONUNBUFFERED: "1", PYTHONSAFEPATH: "1", ...variablesOf(given) },
    remedy: "`npm run worker:install` makes the worker's interpreter; another one is named by the setting python.",
  };
}
