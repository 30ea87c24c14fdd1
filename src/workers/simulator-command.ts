/** Builds the command that starts the simulator. */
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { workerEnvironment } from "../contract/worker-protocol.ts";
import { ifKnown, present } from "../core/present.ts";
import type { WorkerCommand } from "./worker-process.ts";

export interface SimulatorSettings {
  /** The preset of a real card, for instance `rtx4090`; without one the device has 80 GiB. */
  readonly gpu?: string | undefined;
  /** At speed 1 a step takes a fiftieth of a real H100's time. */
  readonly speed?: number | undefined;
  /** Test cards without brackets, separated by commas, for instance `oom@denoise:12`. */
  readonly faults?: string | undefined;
  /** The folder where the simulated device's memory is written, for telemetry. */
  readonly deviceDir: string;
}

/**
 * Starts the simulator, a program of its own. It is found beside this module and in this module's own form (TypeScript
 * in the clone, JavaScript in the package); nothing of the service imports it.
 */
export function simulatorCommand({ gpu, speed, faults, deviceDir }: SimulatorSettings): WorkerCommand {
  const program = new URL(`./simulator/main${extname(import.meta.url)}`, import.meta.url);
  return {
    file: process.execPath,
    args: [fileURLToPath(program)],
    env: {
      [workerEnvironment.deviceDir]: deviceDir,
      ...present({
        UNDERSTUDY_SIM_GPU: gpu,
        UNDERSTUDY_SIM_SPEED: ifKnown(speed, String),
        UNDERSTUDY_SIM_FAULT: faults,
      }),
    },
  };
}
