/** What host and card do now and did: real figures only; a card that is not there is 0 with `gpu_kind: "absent"`. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { ModelEntry } from "../core/model-entry.ts";
import { peakBytes } from "../core/model-figures.ts";
import type { Sample } from "../core/ports/telemetry-probe.ts";
import { ifAny, present } from "../core/present.ts";
import { gibibyte, mebibyte } from "../core/units.ts";
import { modes } from "../core/words.ts";
import type { ServiceStatus } from "./service-views.ts";

const percent = (ratio: number): number => Number((ratio * 100).toFixed(1));
const gigabytes = (bytes: number): number => Number((bytes / gibibyte).toFixed(2));

export const statsSchema = z
  .strictObject({
    cpu_percent: z.number(),
    ram_used_gb: z.number(),
    ram_total_gb: z.number(),
    ram_percent: z.number(),
    gpu_percent: z.number(),
    vram_used_mb: z.number(),
    vram_total_mb: z.number(),
    vram_percent: z.number(),
    gpu_kind: z.enum(["simulated", "nvidia", "amd", "absent"]),
    /** Figures above that could not be measured; they are 0 for clients that compute with them. */
    unmeasured: z.array(z.string()).optional(),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "Stats" });

/** Tells of the first card alone; the others are in the health's own answers. */
export function toStats(sample: Sample): z.infer<typeof statsSchema> {
  const [gpu] = sample.gpus;
  const cardFigures = gpu === undefined ? [] : ([gpu.utilizationRatio, gpu.usedBytes, gpu.totalBytes] as const);
  const names = ["gpu_percent", "vram_used_mb", "vram_total_mb"];
  const isKnown = gpu !== undefined || sample.gpuKind === "absent";
  const unmeasured = isKnown ? names.filter((_, index) => cardFigures[index] === null) : names;
  return {
    cpu_percent: percent(sample.host.cpuRatio),
    ram_used_gb: gigabytes(sample.host.memoryUsedBytes),
    ram_total_gb: gigabytes(sample.host.memoryTotalBytes),
    ram_percent: percent(sample.host.memoryRatio),
    gpu_percent: percent(gpu?.utilizationRatio ?? 0),
    vram_used_mb: Math.round((gpu?.usedBytes ?? 0) / mebibyte),
    vram_total_mb: Math.round((gpu?.totalBytes ?? 0) / mebibyte),
    vram_percent: percent((gpu?.usedBytes ?? 0) / (gpu?.totalBytes || 1)),
    gpu_kind: sample.gpuKind,
    ...present({ unmeasured: ifAny(unmeasured) }),
    timestamp: isoOf(sample.atMs),
  };
}

const modelStatusSchema = z.strictObject({
  status: z.enum(["available", "loading", "unavailable"]),
  is_loaded: z.boolean(),
  hardware_compatible: z.boolean(),
  size_mb: z.number().int(),
  estimated_vram_usage_mb: z.number().int(),
});

export const systemStatsSchema = z
  .strictObject({
    ...statsSchema.shape,
    simulated: z.boolean(),
    system_info: z.strictObject({
      platform: z.string(),
      architecture: z.string(),
      processor: z.string(),
      /** There is no Python in this process; the compatible clients show the field. */
      python_version: z.string(),
      node_version: z.string(),
    }),
    real_ai_integration: z.strictObject({
      enabled: z.boolean(),
      generation_service_status: z.enum(modes),
      hardware_optimized: z.boolean(),
      model_status: z.record(z.string(), modelStatusSchema),
    }),
  })
  .meta({ id: "SystemStats" });

export interface HostAbout {
  readonly platform: string;
  readonly architecture: string;
  readonly processor: string;
  readonly coreCount: number;
  readonly memoryBytes: number;
  readonly nodeVersion: string;
}

const smallest = { width: 854, height: 480, frames: 33 } as const;

/** Of the main model: what the service knows by its proofs, not by the presence of files. */
function modelStatusOf(model: ModelEntry, status: ServiceStatus, sample: Sample): z.infer<typeof modelStatusSchema> {
  const isLoaded = status.workers.some(({ memoryMode }) => memoryMode?.model === model.id);
  const needed = peakBytes(model, smallest, "model-offload");
  const total = sample.gpus[0]?.totalBytes ?? null;
  return {
    status: isLoaded ? "available" : status.mode === "loading" ? "loading" : "unavailable",
    is_loaded: isLoaded,
    hardware_compatible: total === null || needed <= total,
    size_mb: Math.round(model.weightBytes / mebibyte),
    estimated_vram_usage_mb: Number.isFinite(needed) ? Math.round(needed / mebibyte) : 0,
  };
}

export function toSystemStats(
  sample: Sample,
  status: ServiceStatus,
  { host, catalog }: { readonly host: HostAbout; readonly catalog: ModelCatalog },
): z.infer<typeof systemStatsSchema> {
  const model = catalog.find(status.model);
  const isEnabled = status.mode !== "mock" && status.mode !== "draining";
  return {
    ...toStats(sample),
    simulated: status.isSimulated,
    system_info: {
      platform: host.platform,
      architecture: host.architecture,
      processor: host.processor,
      python_version: "",
      node_version: host.nodeVersion,
    },
    real_ai_integration: {
      enabled: isEnabled,
      generation_service_status: status.mode,
      hardware_optimized: isEnabled && !status.isDegradedActive,
      model_status: model === undefined ? {} : { [model.id]: modelStatusOf(model, status, sample) },
    },
  };
}

export const statsHistorySchema = z
  .strictObject({
    stats: z.array(statsSchema),
    total_count: z.number().int(),
    time_range: z.strictObject({ hours: z.number(), since: z.iso.datetime(), until: z.iso.datetime() }),
  })
  .meta({ id: "StatsHistory" });

export function toStatsHistory(
  samples: readonly Sample[],
  sinceMs: number,
  untilMs: number,
): z.infer<typeof statsHistorySchema> {
  const hours = Number(((untilMs - sinceMs) / 3_600_000).toFixed(4));
  return {
    stats: samples.map(toStats),
    total_count: samples.length,
    time_range: { hours, since: isoOf(sinceMs), until: isoOf(untilMs) },
  };
}

export const hardwareProfileSchema = z
  .strictObject({
    cpu_model: z.string(),
    cpu_cores: z.number().int(),
    total_memory_gb: z.number(),
    /** `none` where there is no card. */
    gpu_model: z.string(),
    vram_gb: z.number(),
    gpu_kind: z.enum(["simulated", "nvidia", "amd", "absent"]),
    architecture_type: z.string(),
    optimization_recommendations: z.array(z.string()),
  })
  .meta({ id: "HardwareProfile" });

export function toHardwareProfile(
  sample: Sample,
  status: ServiceStatus,
  host: HostAbout,
): z.infer<typeof hardwareProfileSchema> {
  const [gpu] = sample.gpus;
  return {
    cpu_model: host.processor,
    cpu_cores: host.coreCount,
    total_memory_gb: gigabytes(host.memoryBytes),
    gpu_model: gpu?.name ?? "none",
    vram_gb: gigabytes(gpu?.totalBytes ?? 0),
    gpu_kind: sample.gpuKind,
    architecture_type: host.architecture,
    optimization_recommendations: [...(status.health?.recommendations ?? [])],
  };
}

export const optimizationStatusSchema = z
  .strictObject({
    /** No optimisation is refused or missing on this host. */
    optimized: z.boolean(),
    mode: z.enum(modes),
    message: z.string(),
    hardware_profile: hardwareProfileSchema,
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "OptimizationStatus" });
