/** What a service tells of itself while nothing is wrong. */
import type { Sample } from "../../src/core/ports/telemetry-probe.ts";
import type { VideoPromise } from "../../src/recovery/promise.ts";
import { recoveryStatistics } from "../../src/recovery/statistics.ts";
import type { HealthView, ServiceStatus } from "../../src/server/server-ports.ts";

export const healthy: HealthView = {
  overallStatus: "healthy",
  cpuRatio: 0.125,
  memoryRatio: 0.412,
  vramRatio: null,
  vramOutsideRatio: null,
  isGpuAvailable: true,
  isModelLoadingFunctional: true,
  isGenerationPipelineFunctional: true,
  issues: [],
  recommendations: [],
  checkedAtMs: 1_760_000_000_000,
  ageMs: 0,
};

/** A worker is free, and nobody has said how long a render takes. */
export const atOnce: VideoPromise = {
  kind: "realNow",
  because: "serving",
  turnAtMs: null,
  expectedAtMs: null,
  aheadCount: 0,
  retryAtMs: null,
  answerDueAtMs: null,
  clip: "own",
};

export const ready: ServiceStatus = {
  mode: "ready",
  sentence: "A video made now comes from the main model.",
  promise: atOnce,
  isSimulated: true,
  model: "T2V-A14B",
  startedAtMs: 1_760_000_000_000,
  version: "0.1.0",
  workers: [
    {
      id: "worker-0",
      pid: 4242,
      state: "idle",
      tags: ["servable"],
      kind: "simulator",
      memoryMode: null,
      startsAtMs: null,
    },
  ],
  health: healthy,
  isHealthMonitored: true,
  recoveryStatistics: recoveryStatistics([]),
  recoveryAttempts: [],
  openIncidents: [],
  isMockEnabled: false,
  isDegradedActive: false,
  running: [],
  unreadyReason: null,
};

/** A host without any card. */
export const sampleOfHost: Sample = {
  atMs: 0,
  gpuKind: "absent",
  gpus: [],
  host: {
    cpuRatio: 0.125,
    memoryRatio: 0.255,
    memoryUsedBytes: 8 * 1024 ** 3,
    memoryTotalBytes: 32 * 1024 ** 3,
    diskFreeBytes: 1e12,
  },
};
