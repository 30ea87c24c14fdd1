/** Builds the command that starts the diffusers worker, from settings of the service. */
import { fileURLToPath } from "node:url";
import { workerEnvironment } from "../contract/worker-protocol.ts";
import { packageRoot } from "../core/package-root.ts";
import type { LoadProfile } from "../core/words.ts";
import { variablesOf, type WorkerCommand } from "./worker-process.ts";

export interface DiffusersSettings {
  /** The interpreter with the worker's packages; what `npm run worker:install` made, without one. */
  readonly python?: string | undefined;
  /** Below it lie the models' diffusers folders, as far as the list names them by relative paths. Absolute. */
  readonly modelsDir: string;
  /** The list of models, in the worker's form. Absolute. */
  readonly registry: string;
  /** Without it jobs with a LoRA are refused. Absolute. */
  readonly loraDir?: string | undefined;
  /** `cuda` where PyTorch finds a card, else `cpu`, without one. The command's environment chooses the card itself. */
  readonly device?: "cuda" | "cpu" | undefined;
  /** What the supervisor's telemetry reads for simulated cards; a real card is read by its own tools. */
  readonly deviceDir?: string | undefined;
  /** At most so much of a render's work is lost with the process; 30 s without one. */
  readonly checkpointMs?: number | undefined;
}

/** Memory modes that the worker offers, before it runs and can say so (worker/understudy_worker/pipelines/placement.py). */
export const diffusersProfiles: Readonly<Record<"card" | "processor", readonly LoadProfile[]>> = {
  card: ["full", "model-offload", "tiling", "group-offload"],
  processor: ["full", "tiling"],
};

const beside = (path: string): string => fileURLToPath(new URL(path, packageRoot));

/** Where the worker's Python package lies: beside `src` in the clone, beside `dist` in the package. */
export const workerPackageDir = beside("worker");
/** The interpreter that `npm run worker:install` makes. */
export const installedPython = beside(".venv/bin/python");

/** How the diffusers worker is started: the interpreter itself, so that exit codes and signals are the worker's own. */
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
    // Nothing is imported from the working directory, and no compiled file is written beside the package.
    args: ["-B", "-m", "understudy_worker"],
    env: { PYTHONPATH: workerPackageDir, PYTHONUNBUFFERED: "1", PYTHONSAFEPATH: "1", ...variablesOf(given) },
  };
}
