/**
 * Puts one telemetry probe together from the host and any number of card readers, so that health sees one sample
 * whatever the machine has.
 */
import type { TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import { type CardReader, joinReadings } from "./card-readers.ts";
import { createHostSampler, type HostSamplerOptions } from "./host-sample.ts";
import { createProcessFollowers } from "./process-followers.ts";

/**
 * Measures the host and all the cards that the readers know of. Without any reader it is a machine without a card,
 * which is a legal state.
 */
export function composeProbe(options: HostSamplerOptions, readers: readonly CardReader[] = []): TelemetryProbe {
  const sampleHost = createHostSampler(options);
  const followers = createProcessFollowers(options, readers);
  return {
    measure: async (measureOptions = {}) => {
      const [host, readings] = await Promise.all([
        sampleHost(),
        Promise.all(readers.map((reader) => reader.read(measureOptions))),
      ]);
      await followers.measure(host.memoryRatio);
      return { atMs: options.clock.nowMs(), ...joinReadings(readings), host };
    },
    followProcess: followers.follow,
    stop: async () => {
      await Promise.all(readers.map((reader) => reader.stop()));
    },
  };
}
