/**
 * What is measured of cards, host and disk from outside the workers. Nothing is invented: a value that nobody could
 * measure is null, with the reason.
 */
import type { Evidence, GpuEvidence } from "../fault.ts";

/** A process that the driver lists on a card. Inside a container the list is empty or names the host's pids. */
interface CardHolder {
  readonly pid: number;
  readonly usedBytes: number | null;
}

/** What only real cards tell. Null = not measured, with the reason in the sample's `unavailable`. */
interface GpuDetails {
  /** The address on the bus as the kernel's log writes it, without the function: `0000:65:00`. */
  readonly busId: string | null;
  readonly driverVersion: string | null;
  /** Held by the driver, beside what is used: total = reserved + used + free. */
  readonly reservedBytes: number | null;
  readonly memoryTemperatureCelsius: number | null;
  /** Degrees until the card slows down; 0 or less = it does. */
  readonly thermalMarginCelsius: number | null;
  /** `clocks_event_reasons.active`, a mask of bits. */
  readonly throttleMask: number | null;
  readonly powerWatts: number | null;
  readonly powerLimitWatts: number | null;
  readonly uncorrectedEccCount: number | null;
  readonly isRemapPending: boolean | null;
  readonly hasRemapFailed: boolean | null;
  /** The driver's own verdict, such as `None` or `GPU Reset`. */
  readonly recoveryAction: string | null;
  readonly isMigEnabled: boolean | null;
  readonly isComputeExclusive: boolean | null;
  /** The card of which this is a slice (MIG); null for a card. */
  readonly parentUuid: string | null;
  /** The card has no memory of its own: the host's is what it uses. */
  readonly sharesHostMemory: boolean;
  /** As of the last incident's look, not of every sample; null when nobody has looked. */
  readonly holders: readonly CardHolder[] | null;
}

/** One card as measured from outside the worker. Null = not measured, with the reason in `unavailable`. */
export interface GpuSample {
  readonly uuid: string;
  readonly name: string;
  readonly totalBytes: number | null;
  /** What the driver holds for itself counts as used. */
  readonly usedBytes: number | null;
  readonly utilizationRatio: number | null;
  readonly temperatureCelsius: number | null;
  readonly unavailable: Readonly<Record<string, string>>;
  readonly details?: GpuDetails;
}

/** Share of the time in which some or all tasks waited for the resource: the kernel's accounting/psi.rst. 0..1 */
export interface Pressure {
  readonly someRatio: number;
  readonly fullRatio: number;
}

/** Null = not measured, with the reason in `unavailable`. */
export interface HostDetails {
  readonly diskTotalBytes: number;
  /** Null on file systems that allot inodes as they need them. */
  readonly inodes: { readonly totalCount: number; readonly freeCount: number } | null;
  /** The control group of this process. */
  readonly cgroup: {
    readonly version: 1 | 2;
    readonly memoryLimitBytes: number | null;
    readonly oomKillCount: number | null;
  } | null;
  /** Pressure over the last ten seconds. */
  readonly pressure: { readonly memory: Pressure | null; readonly cpu: Pressure | null; readonly io: Pressure | null };
  readonly unavailable: Readonly<Record<string, string>>;
}

export interface HostSample {
  /** 0..1, of the cgroup's limit inside one. */
  readonly cpuRatio: number;
  readonly memoryRatio: number;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  readonly diskFreeBytes: number;
  readonly details?: HostDetails;
}

/** How the cards are known. */
export interface GpuStatus {
  /**
   * `measured`: `gpus` is what was measured at `measuredAtMs`. `absent`: there is neither card nor tool, a legal state.
   * `unknown`: nobody answers, or what was measured is too old to be shown. `failed`: tool or driver say that a card cannot be used.
   */
  readonly state: "measured" | "absent" | "unknown" | "failed";
  /** Null when there is nothing to say. */
  readonly reason: string | null;
  /** Null = never. */
  readonly measuredAtMs: number | null;
  readonly evidence: GpuEvidence;
}

export interface Sample {
  readonly atMs: number;
  /** `simulated`, `nvidia`, `amd` or `absent`; absent is a legal state and never critical. */
  readonly gpuKind: "simulated" | "nvidia" | "amd" | "absent";
  readonly gpus: readonly GpuSample[];
  /** Absent for cards that are measured in the moment of the sample. */
  readonly gpuStatus?: GpuStatus;
  readonly host: HostSample;
}

export type MachineEvidence = Pick<Evidence, "oomKillCount" | "hostMemoryUseRatio" | "kernelLog" | "gpu">;

/** What the machine tells about one process. Begun while the process lives, because its control group is not known afterwards. */
export interface ProcessFollower {
  /** What is known by now; what could not be read is absent. Never rejects for that. */
  evidence(): Promise<MachineEvidence>;
  /** Nobody will ask any more. */
  end(): void;
}

export interface MeasureOptions {
  /** A card's measurement that is older is made again at once: for evidence around an action. Without it the newest one will do. */
  readonly maxAgeMs?: number;
}

/** Measures; never acts, and never asks the worker that is being judged. Rejects when it could not measure. */
export interface TelemetryProbe {
  measure(options?: MeasureOptions): Promise<Sample>;
  /** Absent where the machine cannot tell anything, as in a simulation. */
  followProcess?(pid: number, deviceUuid?: string | null): Promise<ProcessFollower>;
  stop(): Promise<void>;
}
