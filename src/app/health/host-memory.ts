/** The host's memory as loads need to know it, and the machine as one worker sees it. */
import type { TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import type { WorkerIdentity } from "../../core/ports/worker.ts";
import type { DeviceFacts, MachineFacts } from "../../recovery/placement.ts";

/** How much memory the host has, or the control group of this service. */
export interface HostMemory {
  /** The total as last measured; null before the first measurement. */
  known(): number | null;
  measure(): Promise<number | null>;
  /** Measures what nobody uses now; null when nobody can say. */
  measureFree(): Promise<number | null>;
}

export function createHostMemory(probe: TelemetryProbe): HostMemory {
  let knownBytes: number | null = null;
  return {
    known: () => knownBytes,
    measure: () =>
      probe.measure().then(
        ({ host }) => {
          knownBytes = host.memoryTotalBytes;
          return knownBytes;
        },
        () => knownBytes,
      ),
    measureFree: () =>
      probe.measure().then(
        ({ host }) => host.memoryTotalBytes - host.memoryUsedBytes,
        () => null,
      ),
  };
}

function deviceOf({ device, isSimulated }: WorkerIdentity): DeviceFacts {
  // How the Python worker names a processor: the host's memory is then all that it has.
  if (device.uuid.startsWith("CPU-")) return { kind: "processor", uuid: device.uuid };
  return { kind: "card", ...device, isSimulated };
}

/** The machine as one worker sees it; a simulated worker's weights take nothing of the host. */
export const machineOf = (identity: WorkerIdentity, hostBytes: number | null): MachineFacts => ({
  device: deviceOf(identity),
  hostBytes: identity.isSimulated ? Number.POSITIVE_INFINITY : hostBytes,
});
