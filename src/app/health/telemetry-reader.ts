import type { Sample } from "../../core/ports/telemetry-probe.ts";
import type { TelemetryPort } from "../../server/server-ports.ts";
import type { ServiceParts } from "../service-ports.ts";

/** The monitor's newest sample while it is fresh; where the monitor rests or is late, a measurement made now. */
export function createTelemetryDesk({ probe, samples, clock, config }: ServiceParts): TelemetryPort {
  const fresh = (): Sample | null => {
    const latest = samples.latest();
    return latest !== null && clock.nowMs() - latest.atMs <= 2 * config.health.sampleEveryMs ? latest : null;
  };
  return { measure: async () => fresh() ?? probe.measure(), since: samples.since };
}
