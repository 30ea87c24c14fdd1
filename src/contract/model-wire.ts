/**
 * Models on the wire: the shapes of the compatible routes, and what this service knows beyond them. What is not known
 * is left out.
 */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import { sizeText } from "../core/pixel-size.ts";
import { ifAny, ifKnown, present, withoutNulls } from "../core/present.ts";
import { mebibyte, minuteMs } from "../core/units.ts";
import { loadProfiles } from "../core/words.ts";
import { secondsUp } from "./job-parts.ts";
import { modelName } from "./model-name.ts";
import {
  type DownloadView,
  downloadStates,
  type FileCheckView,
  type ModelView,
  type SuggestionView,
} from "./model-views.ts";

const fitWords = ["fits", "too_large", "unknown"] as const;

/** The fields have the names of the compatible routes; `speed_mbps` is in megabits. */
export const downloadSchema = z.strictObject({
  model_type: modelName,
  status: z.enum(downloadStates),
  progress: z.number().min(0).max(100),
  speed_mbps: z.number().nonnegative(),
  eta_seconds: z.int().nonnegative().optional(),
  done_bytes: z.int().nonnegative(),
  total_bytes: z.int().nonnegative().optional(),
  error: z.string().optional(),
  last_update: z.iso.datetime(),
});

export function toDownload(download: DownloadView): z.infer<typeof downloadSchema> {
  const { model, state, doneBytes, totalBytes, bytesPerSecond, etaMs, trouble, atMs } = download;
  const ratio =
    state === "completed" ? 1 : totalBytes === null || totalBytes === 0 ? 0 : Math.min(1, doneBytes / totalBytes);
  return {
    model_type: model,
    status: state,
    progress: Math.floor(ratio * 1_000) / 10,
    speed_mbps: Number(((bytesPerSecond * 8) / 1e6).toFixed(2)),
    ...present({ eta_seconds: ifKnown(etaMs, secondsUp) }),
    done_bytes: Math.max(0, Math.round(doneBytes)),
    ...withoutNulls({ total_bytes: totalBytes, error: trouble }),
    last_update: isoOf(atMs),
  };
}

export const modelSchema = z.strictObject({
  model_id: modelName,
  model_type: modelName,
  status: z.enum(["available", "missing", "error"]),
  is_available: z.boolean(),
  is_loaded: z.boolean(),
  /** Every file matches its hash, as of its last check. */
  is_valid: z.boolean(),
  simulated: z.boolean(),
  size_mb: z.number().nonnegative(),
  model_path: z.string().optional(),
  estimated_vram_usage_mb: z.number().nonnegative().optional(),
  /** True when the model is known to fit; `hardware_fit` tells no from unknown. */
  hardware_compatible: z.boolean(),
  hardware_fit: z.enum(fitWords),
  fit: z.string(),
  load_profile: z.enum(loadProfiles).optional(),
  /** True when the model is loaded in another way than whole on the card. */
  optimization_applied: z.boolean(),
  download_progress: downloadSchema.optional(),
  error_message: z.string().optional(),
});
export type ModelWire = z.infer<typeof modelSchema>;

const inMb = (bytes: number): number => Math.round(bytes / mebibyte);

export function toModel(view: ModelView): ModelWire {
  const { id, isSimulated, isAvailable, isLoaded, loadedProfile, presentBytes, path, fit, download, error } = view;
  return {
    model_id: id,
    model_type: id,
    status: error !== null ? "error" : isAvailable ? "available" : "missing",
    is_available: isAvailable,
    is_loaded: isLoaded,
    is_valid: isAvailable,
    simulated: isSimulated,
    size_mb: inMb(presentBytes),
    ...withoutNulls({ model_path: path, estimated_vram_usage_mb: ifKnown(fit.deviceBytes, inMb) }),
    hardware_compatible: fit.word === "fits",
    hardware_fit: fit.word,
    fit: fit.sentence,
    ...withoutNulls({ load_profile: loadedProfile }),
    optimization_applied: loadedProfile !== null && loadedProfile !== "full",
    ...withoutNulls({ download_progress: ifKnown(download, toDownload), error_message: error }),
  };
}

export const modelsSchema = z.strictObject({
  models: z.record(z.string(), modelSchema),
  timestamp: z.iso.datetime(),
  total_models: z.int(),
  available_models: z.int(),
});

export const toModels = (views: readonly ModelView[], nowMs: number): z.infer<typeof modelsSchema> => ({
  models: Object.fromEntries(views.map((view) => [view.id, toModel(view)])),
  timestamp: isoOf(nowMs),
  total_models: views.length,
  available_models: views.filter(({ isAvailable }) => isAvailable).length,
});

export const modelsSummarySchema = z.strictObject({
  models_summary: z.strictObject({
    total: z.int(),
    available: z.int(),
    missing: z.int(),
    error: z.int(),
    loaded: z.int(),
    downloading: z.int(),
    size_mb: z.number(),
  }),
  system_summary: z.strictObject({ simulated: z.boolean(), fitting: z.int(), too_large: z.int(), unknown: z.int() }),
  models: z.record(z.string(), modelSchema),
  timestamp: z.iso.datetime(),
});

export function toModelsSummary(views: readonly ModelView[], nowMs: number): z.infer<typeof modelsSummarySchema> {
  const models = views.map(toModel);
  const countOf = (holds: (model: ModelWire) => boolean): number => models.filter(holds).length;
  return {
    models_summary: {
      total: models.length,
      available: countOf(({ status }) => status === "available"),
      missing: countOf(({ status }) => status === "missing"),
      error: countOf(({ status }) => status === "error"),
      loaded: countOf((model) => model.is_loaded),
      downloading: countOf((model) => model.download_progress?.status === "downloading"),
      size_mb: models.reduce((sum, model) => sum + model.size_mb, 0),
    },
    system_summary: {
      simulated: models.every(({ simulated }) => simulated),
      fitting: countOf((model) => model.hardware_fit === "fits"),
      too_large: countOf((model) => model.hardware_fit === "too_large"),
      unknown: countOf((model) => model.hardware_fit === "unknown"),
    },
    models: Object.fromEntries(models.map((model) => [model.model_id, model])),
    timestamp: isoOf(nowMs),
  };
}

const problemSchema = z.strictObject({ path: z.string(), kind: z.enum(["missing", "corrupt"]) });

export const verifiedSchema = z.strictObject({
  model_type: modelName,
  is_valid: z.boolean(),
  details: z.strictObject({
    message: z.string(),
    file_count: z.int(),
    hashed_file_count: z.int(),
    problems: z.array(problemSchema),
  }),
});

export const validatedSchema = z.strictObject({
  model_type: modelName,
  integrity_status: z.enum(["valid", "invalid", "unknown"]),
  is_valid: z.boolean(),
  message: z.string(),
  missing_files: z.array(z.string()).optional(),
  corrupt_files: z.array(z.string()).optional(),
});

function checkSentence({ model, isKnown, fileCount, problems }: FileCheckView): string {
  if (!isKnown) return `${model} was never fetched here, so nothing says which files it should have.`;
  return problems.length === 0
    ? `All ${fileCount} files of ${model} are right.`
    : `${problems.length} of ${fileCount} files of ${model} are not right; a download fetches these alone.`;
}

const isRight = ({ isKnown, problems }: FileCheckView): boolean => isKnown && problems.length === 0;

export const toVerified = (check: FileCheckView): z.infer<typeof verifiedSchema> => ({
  model_type: check.model,
  is_valid: isRight(check),
  details: {
    message: checkSentence(check),
    file_count: check.fileCount,
    hashed_file_count: check.hashedFileCount,
    problems: check.problems.map(({ path, kind }) => ({ path, kind })),
  },
});

export function toValidated(check: FileCheckView): z.infer<typeof validatedSchema> {
  const pathsOf = (wanted: "missing" | "corrupt"): string[] =>
    check.problems.filter(({ kind }) => kind === wanted).map(({ path }) => path);
  const [missing, corrupt] = [pathsOf("missing"), pathsOf("corrupt")];
  return {
    model_type: check.model,
    integrity_status: check.isKnown ? (check.problems.length === 0 ? "valid" : "invalid") : "unknown",
    is_valid: isRight(check),
    message: checkSentence(check),
    ...present({ missing_files: ifAny(missing), corrupt_files: ifAny(corrupt) }),
  };
}

export const suggestionSchema = z.strictObject({
  requested_model: modelName,
  suggested_model: modelName,
  is_requested: z.boolean(),
  resolution: z.string(),
  load_profile: z.enum(loadProfiles).optional(),
  estimated_wait_minutes: z.number().nonnegative().optional(),
  reason: z.string(),
});

export const toSuggestion = (requested: string, suggestion: SuggestionView): z.infer<typeof suggestionSchema> => ({
  requested_model: requested,
  suggested_model: suggestion.model,
  is_requested: suggestion.isRequested,
  resolution: sizeText(suggestion),
  ...withoutNulls({
    load_profile: suggestion.profile,
    estimated_wait_minutes: ifKnown(suggestion.waitMs, (waitMs) => Number((waitMs / minuteMs).toFixed(1))),
  }),
  reason: suggestion.reason,
});
