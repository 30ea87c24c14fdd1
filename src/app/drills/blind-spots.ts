/**
 * Lets a drill take the service's senses away. The service gets these ports always; without a drill they pass
 * everything on.
 */
import { UnderstudyError } from "../../core/errors.ts";
import type { DiskGauge } from "../../core/ports/artifact-files.ts";
import type { TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import type { DrillState } from "./drill-state.ts";

export interface Measuring {
  readonly disk: DiskGauge;
  readonly probe: TelemetryProbe;
}

/** Disk and telemetry, but for what a drill hides from the service. */
export function behindDrills({ disk, probe }: Measuring, drill: Pick<DrillState, "hides">): Measuring {
  const lost = (): Promise<never> =>
    Promise.reject(new UnderstudyError("SYSTEM_RESOURCE", "nothing can be measured during this drill"));
  return {
    disk: { ...disk, freeBytes: async () => (drill.hides("disk") ? 0 : disk.freeBytes()) },
    probe: { ...probe, measure: (options) => (drill.hides("telemetry") ? lost() : probe.measure(options)) },
  };
}
