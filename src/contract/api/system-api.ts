/** Figures of host and card, and small answers that the compatible clients look for. */
import { z } from "zod";
import { lorasSchema } from "../lora-wire.ts";
import {
  hardwareProfileSchema,
  optimizationStatusSchema,
  statsHistorySchema,
  systemStatsSchema,
} from "../stats-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";

const tags = ["system"];
const longestHours = 24;

export const showStats = apiRoute({
  method: "get",
  path: "/api/v1/system/stats",
  role: "viewer",
  tags,
  summary: "What host and card do now, as measured.",
  responses: { 200: jsonAnswer(systemStatsSchema, "The figures.") },
  refusals: ["SYSTEM_RESOURCE"],
});

export const showStatsHistory = apiRoute({
  method: "get",
  path: "/api/v1/system/stats/history",
  role: "viewer",
  tags,
  summary: "What they did: every sample of the last ten minutes, before that one a minute, for a day at most.",
  request: {
    query: z.object({
      hours: z
        .string()
        .refine(
          (text) => /^\d{1,2}(?:\.\d{1,6})?$/.test(text) && Number(text) > 0 && Number(text) <= longestHours,
          `must be a number above 0, at most ${longestHours}`,
        )
        .transform(Number)
        .meta({
          type: "number",
          exclusiveMinimum: 0,
          maximum: longestHours,
          description: "How far back; 1 where nothing is given.",
        })
        .default(1),
    }),
  },
  responses: { 200: jsonAnswer(statsHistorySchema, "The samples, oldest first.") },
  refusals: ["REQUEST_INVALID"],
});

export const showHardware = apiRoute({
  method: "get",
  path: "/api/v1/system/hardware/profile",
  role: "viewer",
  tags,
  summary: "What this host and its first card are.",
  responses: { 200: jsonAnswer(hardwareProfileSchema, "The profile.") },
  refusals: ["SYSTEM_RESOURCE"],
});

export const showOptimization = apiRoute({
  method: "get",
  path: "/api/v1/system/optimization/status",
  role: "viewer",
  tags,
  summary: "Whether the main model runs as it was configured.",
  responses: { 200: jsonAnswer(optimizationStatusSchema, "The status.") },
  refusals: ["SYSTEM_RESOURCE"],
});

export const showPorts = apiRoute({
  method: "get",
  path: "/api/v1/system/ports",
  role: "viewer",
  tags,
  summary: "Where this service listens.",
  responses: {
    200: jsonAnswer(
      z.strictObject({ backend_port: z.number().int(), frontend_port: z.number().int(), status: z.literal("ok") }),
      "Its port, twice: the pages come from the same one.",
    ),
  },
});

export const showApiHealth = apiRoute({
  method: "get",
  path: "/api/health",
  role: "open",
  tags: ["probes"],
  summary: "The shortest answer of the compatible routes.",
  responses: {
    200: jsonAnswer(
      z.strictObject({ status: z.enum(["healthy", "degraded", "unhealthy"]), api_version: z.string() }),
      "How it is.",
    ),
  },
});

const loraRoute = <Path extends string>(path: Path) =>
  apiRoute({
    method: "get",
    path,
    role: "viewer",
    tags: ["models"],
    summary: "The LoRA files that a job may name.",
    responses: { 200: jsonAnswer(lorasSchema, "The files.") },
  });
export const listLoras = loraRoute("/api/v1/lora");
export const listLorasToo = loraRoute("/api/v1/lora/list");
