/** Models: what is here, downloads, checks of files, and what would fit. */
import { z } from "zod";
import { modelName } from "../model-name.ts";
import {
  downloadSchema,
  modelSchema,
  modelsSchema,
  modelsSummarySchema,
  suggestionSchema,
  validatedSchema,
  verifiedSchema,
} from "../model-wire.ts";
import { apiRoute, jsonAnswer, jsonBody } from "./api-route.ts";

const tags = ["models"];
const typeParam = z.object({ type: modelName });
const notFound = { code: "MODEL_NOT_FOUND", status: 404 } as const;

export const listModels = apiRoute({
  method: "get",
  path: "/api/v1/models/status",
  role: "viewer",
  tags,
  summary: "Every model: whether its files are here, whether it is loaded, and whether this machine carries it.",
  responses: { 200: jsonAnswer(modelsSchema, "Models by name.") },
});

export const showModel = apiRoute({
  method: "get",
  path: "/api/v1/models/status/{type}",
  role: "viewer",
  tags,
  summary: "One model.",
  request: { params: typeParam },
  responses: { 200: jsonAnswer(modelSchema, "The model.") },
  refusals: [notFound],
});

export const summariseModels = apiRoute({
  method: "get",
  path: "/api/v1/models/summary",
  role: "viewer",
  tags,
  summary: "Models, counted.",
  responses: { 200: jsonAnswer(modelsSummarySchema, "Counts, and the models.") },
});

const downloadStatuses = ["already_available", "download_started", "download_completed", "download_failed"] as const;

export const downloadModel = apiRoute({
  method: "post",
  path: "/api/v1/models/download",
  role: "operator",
  tags,
  summary: "Fetches what is missing of a model; answers when that is done, or after a moment with download_started.",
  request: {
    body: jsonBody(
      z.object({
        model_type: modelName,
        force_redownload: z
          .boolean()
          .default(false)
          .describe("Reads every file again first, and fetches what is not right."),
        anyway: z.boolean().default(false).describe("Also a model that this machine does not carry."),
      }),
    ),
  },
  responses: {
    200: jsonAnswer(
      z.strictObject({
        message: z.string(),
        model_type: modelName,
        status: z.enum(downloadStatuses),
        download_required: z.boolean(),
      }),
      "What became of it.",
    ),
  },
  refusals: ["REQUEST_INVALID", "MODEL_DOES_NOT_FIT", "DRAINING", notFound],
});

export const listDownloads = apiRoute({
  method: "get",
  path: "/api/v1/models/download/progress",
  role: "viewer",
  tags,
  summary: "Downloads that are under way, or that left something behind, by model.",
  responses: { 200: jsonAnswer(z.record(z.string(), downloadSchema), "Downloads by model.") },
});

export const showDownload = apiRoute({
  method: "get",
  path: "/api/v1/models/download/progress/{type}",
  role: "viewer",
  tags,
  summary: "The download of one model; null when there is none.",
  request: { params: typeParam },
  responses: { 200: jsonAnswer(downloadSchema.nullable(), "The download.") },
  refusals: [notFound],
});

const managed = ["pause", "resume", "cancel"] as const;

export const manageDownload = apiRoute({
  method: "post",
  path: "/api/v1/models/download/manage",
  role: "operator",
  tags,
  summary: "Pauses a download, lets it go on, or ends it and frees what is no whole file.",
  request: { body: jsonBody(z.object({ model_id: modelName, action: z.enum(managed) })) },
  responses: {
    200: jsonAnswer(
      z.strictObject({ model_id: modelName, action: z.enum(managed), success: z.boolean(), message: z.string() }),
      "What was done; success is false where there was nothing to do it to.",
    ),
  },
  refusals: ["REQUEST_INVALID", "MODEL_BUSY", "DRAINING", notFound],
});

export const verifyModelFiles = apiRoute({
  method: "post",
  path: "/api/v1/models/verify/{type}",
  role: "operator",
  tags,
  summary: "Reads every file of a model from the first byte to the last and compares it with its hash.",
  request: { params: typeParam },
  responses: { 200: jsonAnswer(verifiedSchema, "What was found.") },
  refusals: [notFound, "MODEL_BUSY"],
});

export const validateModelFiles = apiRoute({
  method: "post",
  path: "/api/v1/models/validate/{type}",
  role: "operator",
  tags,
  summary: "Whether every file is there and as it was when it was verified; only what changed since is read.",
  request: { params: typeParam },
  responses: { 200: jsonAnswer(validatedSchema, "What was found.") },
  refusals: [notFound, "MODEL_BUSY"],
});

const integrationSchema = z.strictObject({
  initialized: z.boolean(),
  simulated: z.boolean(),
  model_manager_available: z.boolean(),
  model_downloader_available: z.boolean(),
  hardware_profile_available: z.boolean(),
  websocket_manager_available: z.boolean(),
  generation_service_available: z.boolean(),
  total_models: z.int(),
  available_models: z.int(),
  loaded_models: z.int(),
  active_downloads: z.int(),
  hardware_profile: z
    .strictObject({
      gpu_model: z.string().optional(),
      vram_gb: z.number().optional(),
      total_memory_gb: z.number().optional(),
    })
    .optional(),
  timestamp: z.iso.datetime(),
});

export const showIntegration = apiRoute({
  method: "get",
  path: "/api/v1/models/integration/status",
  role: "viewer",
  tags,
  summary: "What stands between a request and a loaded model.",
  responses: { 200: jsonAnswer(integrationSchema, "The parts and their counts.") },
});

const modelHealthSchema = z.strictObject({
  status: z.enum(["healthy", "degraded", "unknown"]),
  issues: z.array(z.string()),
  models: z.record(
    z.string(),
    z.strictObject({ status: z.string(), is_loaded: z.boolean(), issues: z.array(z.string()) }),
  ),
  timestamp: z.iso.datetime(),
});

export const showModelHealth = apiRoute({
  method: "get",
  path: "/api/v1/models/health",
  role: "viewer",
  tags,
  summary: "What is wrong with models, in words; a model that nobody serves is no issue.",
  responses: { 200: jsonAnswer(modelHealthSchema, "Issues by model.") },
});

export const suggestModel = apiRoute({
  method: "post",
  path: "/api/v1/models/fallback/suggest",
  role: "viewer",
  tags,
  summary: "Which model and size this machine carries in place of what is wished for; nothing is started.",
  request: {
    body: jsonBody(
      z.object({
        requested_model: modelName,
        quality: z.string().optional(),
        speed: z.string().optional(),
        resolution: z
          .string()
          .regex(/^\d{2,4}x\d{2,4}$/, "must be written like 1280x720")
          .default("1280x720"),
        max_wait_minutes: z.number().positive().optional(),
      }),
    ),
  },
  responses: { 200: jsonAnswer(suggestionSchema, "What would be served.") },
  refusals: ["REQUEST_INVALID", "MODEL_DOES_NOT_FIT", notFound],
});
