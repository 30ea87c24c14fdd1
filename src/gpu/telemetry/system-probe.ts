/**
 * Chooses what this service measures: only the cards that its configuration gives it, and none where every worker is
 * simulated.
 */
import type { Config } from "../../config/schema.ts";
import type { TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import { minuteMs, secondMs } from "../../core/units.ts";
import type { ProbeOptions } from "../probe/probe-protocol.ts";
import { createRealCards } from "./card-readers.ts";
import { composeProbe } from "./compose-probe.ts";
import { GpuProbeClient } from "./gpu-probe-client.ts";
import type { HostSamplerOptions } from "./host-sample.ts";
import { createSimulatedCards } from "./simulated-probe.ts";

export interface SystemProbeOptions extends HostSamplerOptions {
  /** The folder where simulated cards are written; null without simulated workers. */
  readonly deviceDir: string | null;
  readonly hasRealWorker: boolean;
  readonly health: Pick<Config["health"], "cards" | "nvidiaSmi" | "sampleEveryMs">;
  readonly onSpawn: (pid: number) => void;
  readonly onExit: (pid: number) => void;
}

/** A call that takes longer is a symptom: a healthy tool needs 22 ms, and 1.5 s without persistence mode. */
const answerWithinMs = 10 * secondMs;

/** Null where no real card is to be measured: a simulated service judges no neighbour's card. */
function realCardOptions({ health, hasRealWorker }: SystemProbeOptions): ProbeOptions | null {
  const { cards, nvidiaSmi, sampleEveryMs } = health;
  if (cards === "none" || (cards === "auto" && !hasRealWorker)) return null;
  return {
    nvidiaSmi: cards === "amd" ? null : nvidiaSmi,
    sysfs: cards === "nvidia" ? null : "/sys",
    kernelLog: "/dev/kmsg",
    everyMs: sampleEveryMs,
    answerWithinMs,
    backOffFirstMs: secondMs,
    backOffLongestMs: minuteMs,
  };
}

/**
 * Makes the telemetry of everything that this machine has: host, simulated cards, real cards by way of the telemetry
 * child.
 */
export function createSystemProbe(options: SystemProbeOptions): TelemetryProbe {
  const { clock, deviceDir, health, onSpawn, onExit } = options;
  const probe = realCardOptions(options);
  return composeProbe(options, [
    ...(deviceDir === null ? [] : [createSimulatedCards({ clock, deviceDir })]),
    ...(probe === null
      ? []
      : [
          createRealCards(new GpuProbeClient({ clock, probe, onSpawn, onExit }), {
            nowMs: clock.nowMs,
            sampleEveryMs: health.sampleEveryMs,
          }),
        ]),
  ]);
}
