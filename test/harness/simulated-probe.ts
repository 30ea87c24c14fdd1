import type { TelemetryProbe } from "../../src/core/ports/telemetry-probe.ts";
import { composeProbe } from "../../src/gpu/telemetry/compose-probe.ts";
import type { HostSamplerOptions } from "../../src/gpu/telemetry/host-sample.ts";
import { createSimulatedCards, type SimulatedCardsOptions } from "../../src/gpu/telemetry/simulated-probe.ts";

/** Measures the cards that simulators write down, and no real one that the machine may have. */
export const createSimulatedProbe = (options: SimulatedCardsOptions & HostSamplerOptions): TelemetryProbe =>
  composeProbe(options, [createSimulatedCards(options)]);
