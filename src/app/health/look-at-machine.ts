/** This machine, measured once: for those who ask before any worker runs. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { GpuSample, Sample } from "../../core/ports/telemetry-probe.ts";
import type { LoadProfile } from "../../core/words.ts";
import { createSystemProbe } from "../../gpu/telemetry/system-probe.ts";
import { profilesFrom } from "../../jobs/fit.ts";
import type { DeviceFacts, MachineFacts } from "../../recovery/placement.ts";
import { diffusersProfiles } from "../../workers/diffusers-command.ts";

/** The folder itself, or the nearest one above it that is there: they lie on one disk. */
export function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}

/** A measurement waits five seconds for the first word of a card's tool; one that hangs is found out after ten. */
const waitCount = 2;

/** Cards and host, as real workers would find them. Rejects with SYSTEM_RESOURCE when the host cannot be measured. */
export async function measureOnce({ stateDir, health }: Config, clock: Clock): Promise<Sample> {
  const probe = createSystemProbe({
    clock,
    stateDir: nearestFolder(stateDir),
    deviceDir: null,
    hasRealWorker: true,
    health,
    // The telemetry child ends with this process: its standard input does.
    onSpawn: () => undefined,
    onExit: () => undefined,
  });
  try {
    let sample = await probe.measure({ maxAgeMs: 0 });
    for (let more = 0; more < waitCount && sample.gpuStatus?.state === "unknown"; more += 1)
      sample = await probe.measure();
    return sample;
  } finally {
    await probe.stop();
  }
}

const sizeOf = ({ totalBytes }: GpuSample): number => totalBytes ?? 0;

function cardOf(sample: Sample): DeviceFacts | null {
  const [largest] = sample.gpus.toSorted((one, other) => sizeOf(other) - sizeOf(one));
  if (largest === undefined) return null;
  const totalBytes = largest.details?.sharesHostMemory === true ? sample.host.memoryTotalBytes : largest.totalBytes;
  return { kind: "card", uuid: largest.uuid, name: largest.name, totalBytes, isSimulated: false };
}

/** Where the configured workers would render: the largest card, or the processor where there is none or none is wanted. */
function deviceOf(sample: Sample, { workers }: Pick<Config, "workers">): DeviceFacts {
  const isOnProcessor = workers.every(({ device }) => device === "cpu");
  const { gpuStatus } = sample;
  if (isOnProcessor) return { kind: "processor", uuid: "CPU" };
  const card = cardOf(sample);
  if (card !== null) return card;
  if (gpuStatus === undefined || gpuStatus.state === "absent")
    return workers.every(({ device }) => device === "cuda")
      ? { kind: "unknown", why: gpuStatus?.reason ?? "there is none" }
      : { kind: "processor", uuid: "CPU" };
  return { kind: "unknown", why: gpuStatus.reason ?? "it does not answer" };
}

export interface RealMachine {
  readonly facts: MachineFacts;
  /** Memory modes that the Python worker offers here, from the configured one on. */
  readonly profiles: readonly LoadProfile[];
}

export function realMachine(sample: Sample, config: Config): RealMachine {
  const device = deviceOf(sample, config);
  const offered: readonly LoadProfile[] =
    device.kind === "processor" ? diffusersProfiles.processor : diffusersProfiles.card;
  return {
    facts: { device, hostBytes: sample.host.memoryTotalBytes },
    profiles: profilesFrom(config.loadProfile).filter((profile) => offered.includes(profile)),
  };
}
