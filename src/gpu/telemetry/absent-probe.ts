import type { TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import { createHostSampler, type HostSamplerOptions } from "./host-sample.ts";

/** Telemetry of a machine without a card: a legal state, in which the host is measured all the same. */
export function createAbsentProbe(options: HostSamplerOptions): TelemetryProbe {
  const sampleHost = createHostSampler(options);
  return {
    measure: async () => {
      const host = await sampleHost();
      return { atMs: options.clock.nowMs(), gpuKind: "absent", gpus: [], host };
    },
    stop: async () => undefined,
  };
}
