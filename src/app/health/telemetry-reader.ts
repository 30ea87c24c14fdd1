/**
 * Measurements for the API. Many clients that ask at once share the monitor's sample, because each measurement of a
 * card costs time on it.
 */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { Sample, TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import type { TelemetryPort } from "../../server/server-ports.ts";
import type { SampleHistory } from "./sample-history.ts";

export interface TelemetryNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly probe: Pick<TelemetryProbe, "measure">;
  readonly samples: Pick<SampleHistory, "latest" | "since">;
  readonly config: Pick<Config, "health">;
}

/** The monitor's newest sample while it is fresh; where the monitor rests or is late, a measurement made now. */
export function createTelemetryReader({ probe, samples, clock, config }: TelemetryNeeds): TelemetryPort {
  const fresh = (): Sample | null => {
    const latest = samples.latest();
    return latest !== null && clock.nowMs() - latest.atMs <= 2 * config.health.sampleEveryMs ? latest : null;
  };
  return { measure: async () => fresh() ?? probe.measure(), since: samples.since };
}
