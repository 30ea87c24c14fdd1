/** One health object that every generation of the compatible client can read. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import { withoutNulls } from "../core/present.ts";
import { healthStatuses, modes } from "../core/words.ts";
import type { ServiceStatus } from "./service-views.ts";

/** The words that the compatible clients know; a state that was not measured is never `healthy`. */
export const systemStatuses = ["healthy", "degraded", "unhealthy"] as const;

export function systemStatusOf(status: ServiceStatus): (typeof systemStatuses)[number] {
  const overall = status.health?.overallStatus ?? "unknown";
  if (status.unreadyReason !== null || overall === "critical" || overall === "error") return "unhealthy";
  return status.mode === "ready" && overall === "healthy" ? "healthy" : "degraded";
}

export const systemHealthSchema = z
  .strictObject({
    status: z.enum(systemStatuses),
    message: z.string(),
    mode: z.enum(modes),
    simulated: z.boolean(),
    overall_status: z.enum(healthStatuses),
    port: z.number().int(),
    timestamp: z.iso.datetime(),
    api_version: z.string(),
    system: z.string(),
    service: z.literal("understudy"),
    backend_online: z.literal(true),
    database_connected: z.boolean(),
    gpu_available: z.boolean(),
    uptime: z.number(),
    active_tasks: z.number().int(),
    system_info: z.strictObject({
      issues: z.array(z.string()),
      warnings: z.array(z.string()),
      recommendations: z.array(z.string()),
    }),
    endpoints: z.strictObject({ health: z.string(), docs: z.string(), websocket: z.string(), api_base: z.string() }),
    connectivity: z.strictObject({
      cors_enabled: z.boolean(),
      allowed_origins: z.array(z.string()),
      websocket_available: z.literal(true),
      request_origin: z.string().optional(),
      host_header: z.string(),
    }),
    server_info: z.strictObject({
      configured_port: z.number().int(),
      detected_port: z.number().int(),
      environment: z.string(),
    }),
  })
  .meta({ id: "SystemHealth" });

export interface SystemHealthAbout {
  readonly nowMs: number;
  readonly host: string;
  readonly port: number;
  readonly origin: string | null;
  readonly allowedOrigins: readonly string[];
}

export function toSystemHealth(status: ServiceStatus, about: SystemHealthAbout): z.infer<typeof systemHealthSchema> {
  const overall = status.health?.overallStatus ?? "unknown";
  const issues = [...(status.health?.issues ?? [])];
  const isGrave = overall === "critical" || overall === "error";
  return {
    status: systemStatusOf(status),
    message: status.sentence,
    mode: status.mode,
    simulated: status.isSimulated,
    overall_status: overall,
    port: about.port,
    timestamp: isoOf(about.nowMs),
    api_version: status.version,
    system: status.mode,
    service: "understudy",
    backend_online: true,
    database_connected: status.unreadyReason?.code !== "STORE_UNAVAILABLE",
    gpu_available: status.health?.isGpuAvailable ?? false,
    uptime: Math.max(0, Math.round((about.nowMs - status.startedAtMs) / 1_000)),
    active_tasks: status.running.length,
    system_info: {
      issues: isGrave ? issues : [],
      warnings: isGrave ? [] : issues,
      recommendations: [...(status.health?.recommendations ?? [])],
    },
    endpoints: { health: "/api/v1/system/health", docs: "/docs", websocket: "/ws", api_base: "/api/v1" },
    connectivity: {
      cors_enabled: about.allowedOrigins.length > 0,
      allowed_origins: [...about.allowedOrigins],
      websocket_available: true,
      ...withoutNulls({ request_origin: about.origin }),
      host_header: about.host,
    },
    server_info: {
      configured_port: about.port,
      detected_port: about.port,
      environment: status.isSimulated ? "simulated" : "real",
    },
  };
}

export const readinessSchema = z
  .strictObject({
    status: z.literal("ready"),
    mode: z.enum(modes),
    simulated: z.boolean(),
    message: z.string(),
  })
  .meta({ id: "Readiness" });

/** Ready = a submission can be made durable, also while only stand-ins serve. */
export const toReadiness = (status: ServiceStatus): z.infer<typeof readinessSchema> => ({
  status: "ready",
  mode: status.mode,
  simulated: status.isSimulated,
  message: status.sentence,
});

export const serviceHealthSchema = z
  .strictObject({
    status: z.enum(systemStatuses),
    /** Seconds, because the compatible clients compute with them. */
    timestamp: z.number(),
    version: z.string(),
    mode: z.enum(modes),
    simulated: z.boolean(),
  })
  .meta({ id: "ServiceHealth" });

export const toServiceHealth = (status: ServiceStatus, nowMs: number): z.infer<typeof serviceHealthSchema> => ({
  status: systemStatusOf(status),
  timestamp: nowMs / 1_000,
  version: status.version,
  mode: status.mode,
  simulated: status.isSimulated,
});
