import type { TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import { composeProbe } from "./compose-probe.ts";
import type { HostSamplerOptions } from "./host-sample.ts";

/** Telemetry of a machine without a card: a legal state, in which the host is measured all the same. */
export const createAbsentProbe = (options: HostSamplerOptions): TelemetryProbe => composeProbe(options);
