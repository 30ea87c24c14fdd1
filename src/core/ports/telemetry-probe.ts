/** One card as measured from outside the worker. Null = not measured, with the reason in `unavailable`. */
export interface GpuSample {
  readonly uuid: string;
  readonly name: string;
  readonly totalBytes: number;
  readonly usedBytes: number;
  readonly utilizationRatio: number | null;
  readonly temperatureCelsius: number | null;
  readonly unavailable: Readonly<Record<string, string>>;
}

export interface HostSample {
  /** 0..1, of the cgroup's limit inside one. */
  readonly cpuRatio: number;
  readonly memoryRatio: number;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  readonly diskFreeBytes: number;
}

export interface Sample {
  readonly atMs: number;
  /** `simulated`, `nvidia`, `amd` or `absent`; absent is a legal state and never critical. */
  readonly gpuKind: "simulated" | "nvidia" | "amd" | "absent";
  readonly gpus: readonly GpuSample[];
  readonly host: HostSample;
}

/** Measures; never acts, and never asks the worker that is being judged. Rejects when it could not measure. */
export interface TelemetryProbe {
  measure(): Promise<Sample>;
  stop(): Promise<void>;
}
