/** Whether a fault's condition is measured no more: host and cards, from outside, with what each worker is known to hold. */
import type { Config } from "../../config/schema.ts";
import type { TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import { envelopesOf, type WorkersFacts } from "../../machines/supervisor-facts.ts";
import { isConditionOver } from "../../recovery/condition.ts";
import type { GpuExpectation } from "../../recovery/health.ts";
import type { RecoverPorts } from "./recover.ts";

export interface ConditionNeeds {
  readonly probe: Pick<TelemetryProbe, "measure">;
  readonly config: Pick<Config, "health">;
}

export const conditionCheck =
  (
    { probe, config }: ConditionNeeds,
    gpuExpectation: GpuExpectation,
    readWorkers: () => WorkersFacts,
  ): RecoverPorts["isConditionGone"] =>
  async ({ fault }) =>
    isConditionOver({
      fault,
      sample: await probe.measure({ maxAgeMs: 0 }),
      envelopes: envelopesOf(readWorkers()),
      thresholds: config.health.thresholds,
      gpuExpectation,
    });
