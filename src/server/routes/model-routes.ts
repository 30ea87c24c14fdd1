/** Routes of models: their files, downloads, and what this machine carries. */
import {
  downloadModel,
  listDownloads,
  listModels,
  manageDownload,
  showDownload,
  showIntegration,
  showModel,
  showModelHealth,
  suggestModel,
  summariseModels,
  validateModelFiles,
  verifyModelFiles,
} from "../../contract/api/model-api.ts";
import type { DownloadAnswer, ModelView } from "../../contract/model-views.ts";
import {
  toDownload,
  toModel,
  toModels,
  toModelsSummary,
  toSuggestion,
  toValidated,
  toVerified,
} from "../../contract/model-wire.ts";
import { isoOf } from "../../core/clock.ts";
import { sizeOfText } from "../../core/pixel-size.ts";
import { ifKnown, present, withoutNulls } from "../../core/present.ts";
import { gibibyte, minuteMs, secondMs } from "../../core/units.ts";
import type { ApiApp } from "../api-app.ts";
import type { HttpContext } from "../http-types.ts";
import { refuse } from "../problems.ts";
import type { ServerPorts } from "../server-ports.ts";

/** A small model is here by then; a client does not wait hours for a large one. */
const downloadWaitMs = 2 * secondMs;
const noStore = { "cache-control": "no-store" };

const unknownModel = (context: HttpContext, model: string) =>
  refuse(context, { code: "MODEL_NOT_FOUND", status: 404, detail: `There is no model ${model}.` });

const downloadStatusOf = {
  alreadyAvailable: "already_available",
  started: "download_started",
  completed: "download_completed",
  failed: "download_failed",
} as const satisfies Record<DownloadAnswer["kind"], string>;

const managedWords = {
  pause: ["The download is paused; what came is kept.", "There was no download to pause."],
  resume: ["The download goes on.", "There is nothing to fetch."],
  cancel: ["The download is cancelled; what is no whole file was deleted.", "There was no download to cancel."],
} as const;

/** What is wrong with a model, in words; a model that is simply not here is no issue. */
const issuesOf = ({ error, fit, isLoaded }: ModelView): string[] => [
  ...(error === null ? [] : [error]),
  ...(isLoaded && fit.word === "too_large" ? [fit.sentence] : []),
];

const inGb = (bytes: number): number => Number((bytes / gibibyte).toFixed(1));

const profileOf = ({ card, cardBytes, hostBytes }: NonNullable<ReturnType<ServerPorts["models"]["hardware"]>>) =>
  withoutNulls({ gpu_model: card, vram_gb: ifKnown(cardBytes, inGb), total_memory_gb: ifKnown(hostBytes, inGb) });

function addReads(app: ApiApp, { models, clock }: ServerPorts): void {
  app.openapi(listModels, async (context) => context.json(toModels(await models.list(), clock.nowMs()), 200, noStore));
  app.openapi(summariseModels, async (context) =>
    context.json(toModelsSummary(await models.list(), clock.nowMs()), 200, noStore),
  );
  app.openapi(showModel, async (context) => {
    const { type } = context.req.valid("param");
    const found = await models.find(type);
    return found === null ? unknownModel(context, type) : context.json(toModel(found), 200, noStore);
  });
  app.openapi(listDownloads, async (context) => {
    const downloads = await models.downloads();
    return context.json(
      Object.fromEntries(downloads.map((download) => [download.model, toDownload(download)])),
      200,
      noStore,
    );
  });
  app.openapi(showDownload, async (context) => {
    const { type } = context.req.valid("param");
    const found = await models.find(type);
    if (found === null) return unknownModel(context, type);
    return context.json(found.download === null ? null : toDownload(found.download), 200, noStore);
  });
}

/** Adds the routes that tell of every model at once. */
function addOverviews(app: ApiApp, ports: ServerPorts): void {
  const { models, clock } = ports;
  app.openapi(showIntegration, async (context) => {
    const views = await models.list();
    const hardware = models.hardware();
    const { workers, isSimulated } = ports.status();
    const body = {
      initialized: workers.some(({ pid }) => pid !== undefined),
      simulated: isSimulated,
      model_manager_available: true,
      // The simulator's models have no files.
      model_downloader_available: !isSimulated,
      hardware_profile_available: hardware !== null,
      websocket_manager_available: true,
      generation_service_available: views.some(({ isLoaded }) => isLoaded),
      total_models: views.length,
      available_models: views.filter(({ isAvailable }) => isAvailable).length,
      loaded_models: views.filter(({ isLoaded }) => isLoaded).length,
      active_downloads: views.filter(({ download }) => download?.state === "downloading").length,
      ...present({ hardware_profile: ifKnown(hardware, profileOf) }),
      timestamp: isoOf(clock.nowMs()),
    };
    return context.json(body, 200, noStore);
  });
  app.openapi(showModelHealth, async (context) => {
    const views = await models.list();
    const rows = views.map(
      (view) => [view.id, { status: toModel(view).status, is_loaded: view.isLoaded, issues: issuesOf(view) }] as const,
    );
    const issues = rows.flatMap(([, row]) => row.issues);
    const isServing = views.some(({ isLoaded }) => isLoaded);
    const status = issues.length > 0 ? ("degraded" as const) : isServing ? ("healthy" as const) : ("unknown" as const);
    return context.json(
      { status, issues, models: Object.fromEntries(rows), timestamp: isoOf(clock.nowMs()) },
      200,
      noStore,
    );
  });
}

export function addModelRoutes(app: ApiApp, ports: ServerPorts): void {
  const { models } = ports;
  addReads(app, ports);
  addOverviews(app, ports);
  app.openapi(downloadModel, async (context) => {
    const { model_type: model, force_redownload: isForced, anyway: isAnyway } = context.req.valid("json");
    const answer = await models.download({ model, isForced, isAnyway, waitMs: downloadWaitMs });
    if (answer === "absent") return unknownModel(context, model);
    const status = downloadStatusOf[answer.kind];
    const isRequired = answer.kind !== "alreadyAvailable";
    return context.json({ message: answer.message, model_type: model, status, download_required: isRequired }, 200);
  });
  app.openapi(manageDownload, async (context) => {
    const { model_id: model, action } = context.req.valid("json");
    const isDone = await models.manage(model, action);
    if (isDone === "absent") return unknownModel(context, model);
    return context.json(
      { model_id: model, action, success: isDone, message: managedWords[action][isDone ? 0 : 1] },
      200,
    );
  });
  app.openapi(verifyModelFiles, async (context) => {
    const { type } = context.req.valid("param");
    const check = await models.verify(type, true);
    return check === "absent" ? unknownModel(context, type) : context.json(toVerified(check), 200);
  });
  app.openapi(validateModelFiles, async (context) => {
    const { type } = context.req.valid("param");
    const check = await models.verify(type, false);
    return check === "absent" ? unknownModel(context, type) : context.json(toValidated(check), 200);
  });
  app.openapi(suggestModel, (context) => {
    const { requested_model: model, resolution, max_wait_minutes: minutes } = context.req.valid("json");
    const suggestion = models.suggest({
      model,
      ...sizeOfText(resolution),
      maxWaitMs: minutes === undefined ? null : minutes * minuteMs,
    });
    return suggestion === "absent" ? unknownModel(context, model) : context.json(toSuggestion(model, suggestion), 200);
  });
}
