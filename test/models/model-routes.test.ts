/** The model routes on a real cache, a real cache and a hub over the wire. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createModelOperations } from "../../src/app/models/model-operations.ts";
import { openLearned } from "../../src/app/rendering/learned.ts";
import { parseConfig } from "../../src/config/parse-config.ts";
import type { DownloadView } from "../../src/contract/model-views.ts";
import { downloadSchema, modelSchema, modelsSchema, modelsSummarySchema } from "../../src/contract/model-wire.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { gibibyte, mebibyte } from "../../src/core/units.ts";
import type { ServingMachine } from "../../src/jobs/admission.ts";
import { parseRegistry } from "../../src/models/registry.ts";
import { openStore } from "../../src/store/open-store.ts";
import { createServerWorld, type ServerWorld } from "../unit/server-world.ts";
import { bigPath, ModelWorld, repository, wantedFiles } from "./model-world.ts";

const entry = {
  repository,
  pipelineClass: "WanPipeline",
  sizes: { step: 16, cell: 16 },
  defaults: { frames: 81, steps: 40, framesPerSecond: 16 },
  weights: "64MiB",
  render: { guidanceScale: 4 },
  profiles: { "model-offload": { base: "1GiB", perToken: "1KiB" } },
  measured: [{ card: "H100", size: "1280x720", frames: 81, steps: 40, seconds: 240, by: "the tests" }],
};
/** Both are the same files. */
const registry = JSON.stringify({
  models: { mini: entry, giant: { ...entry, profiles: { "model-offload": { base: "200GiB", perToken: "1KiB" } } } },
});
const h100: ServingMachine = {
  machine: {
    device: {
      kind: "card",
      uuid: "GPU-1",
      name: "NVIDIA H100 80GB HBM3",
      totalBytes: 80 * gibibyte,
      isSimulated: false,
    },
    hostBytes: 256 * gibibyte,
  },
  profiles: ["model-offload", "tiling"],
};

let files: ModelWorld;
let world: ServerWorld;
let closeStore: () => Promise<void>;
let downloads: DownloadView[];
/** What the worker holds. */
let loaded: string | null;

beforeEach(async () => {
  files = await ModelWorld.start();
  loaded = null;
  downloads = [];
  const catalog = createModelCatalog(parseRegistry({ path: "models.json", text: registry }));
  const answer = parseConfig({
    environment: {
      HOME: files.folder,
      UNDERSTUDY_WORKERS: JSON.stringify([{ id: "front", kind: "diffusers", models: ["mini", "giant", "T2V-A14B"] }]),
    },
    flags: {},
  });
  if (answer.kind === "refused") throw new Error(answer.message);
  const store = openStore({ path: ":memory:", clock: files.clock });
  closeStore = () => store.close();
  const cache = files.openCache({ catalog });
  const board = createModelOperations(
    {
      clock: files.clock,
      catalog,
      config: answer.config,
      models: { cache, place: () => undefined },
      ...(await openLearned(store, files.clock)),
    },
    { largest: () => h100, loadedProfileOf: (model) => (model === loaded ? "model-offload" : null) },
  );
  board.onDownload((download) => downloads.push(download));
  world = createServerWorld(files.clock, { models: board, catalog });
});
afterEach(async () => {
  await world.close();
  await closeStore();
  await files.stop();
});

const get = async (path: string): Promise<{ status: number; body: unknown }> => {
  const answer = await world.app.request(`/api/v1/models/${path}`);
  return { status: answer.status, body: await answer.json() };
};
const post = async (path: string, fields: object = {}): Promise<{ status: number; body: Record<string, unknown> }> => {
  const answer = await world.app.request(`/api/v1/models/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(fields),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};
const download = (fields: object = {}) => post("download", { model_type: "mini", ...fields });
/** However long this machine takes for it. */
async function fetchAll(fields: object = {}): Promise<void> {
  const { body } = await download(fields);
  expect(["download_started", "download_completed"]).toContain(body["status"]);
  await files.until("the end", () => downloads.at(-1)?.state === "completed", 25_000);
}
const progress = async () => downloadSchema.nullable().parse((await get("download/progress/mini")).body);
const slowly = () => files.hub.add({ kind: "slow", path: bigPath, bytesPerSecond: mebibyte / 4 });

describe("what is told of models", () => {
  it("is missing, then available, with its fit and its size; loaded only when a worker holds it", async () => {
    expect(modelSchema.parse((await get("status/mini")).body)).toMatchObject({
      status: "missing",
      is_available: false,
      is_loaded: false,
      hardware_compatible: true,
      hardware_fit: "fits",
      estimated_vram_usage_mb: expect.any(Number),
    });
    await fetchAll();
    loaded = "mini";
    expect(modelSchema.parse((await get("status/mini")).body)).toMatchObject({
      status: "available",
      is_valid: true,
      is_loaded: true,
      load_profile: "model-offload",
      size_mb: 3,
      model_path: expect.stringContaining("snapshots"),
    });
    const all = modelsSchema.parse((await get("status")).body);
    expect(all).toMatchObject({ available_models: 2, total_models: Object.keys(all.models).length });
    expect(all.models["giant"]).toMatchObject({ hardware_compatible: false, hardware_fit: "too_large" });
    const { models_summary, system_summary } = modelsSummarySchema.parse((await get("summary")).body);
    expect(models_summary).toMatchObject({ available: 2, loaded: 1, downloading: 0 });
    expect(system_summary.too_large).toBeGreaterThan(0);
    expect((await get("integration/status")).body).toMatchObject({
      loaded_models: 1,
      available_models: 2,
      hardware_profile: { gpu_model: "NVIDIA H100 80GB HBM3", vram_gb: 80, total_memory_gb: 256 },
    });
    expect((await get("health")).body).toMatchObject({ status: "healthy", issues: [] });
  });

  it.each(["status/nobody", "download/progress/nobody"])("answers 404 to %s", async (path) => {
    expect(await get(path)).toMatchObject({ status: 404, body: { code: "MODEL_NOT_FOUND" } });
  });

  it("tells a failed download as an error, with its sentence, in health too", async () => {
    files.hub.add({ kind: "gated", path: "*" });
    expect(await download()).toMatchObject({
      status: 200,
      body: { status: "download_failed", message: expect.stringContaining("is gated") },
    });
    expect((await get("status/mini")).body).toMatchObject({
      status: "error",
      error_message: expect.stringContaining("is gated"),
    });
    expect((await get("health")).body).toMatchObject({
      status: "degraded",
      issues: [expect.stringContaining("is gated")],
    });
    expect(downloads.at(-1)).toMatchObject({ state: "failed", trouble: expect.stringContaining("is gated") });
  });
});

describe("a download", { timeout: 90_000 }, () => {
  it("brings every file, and says so once more without fetching", async () => {
    await fetchAll();
    files.hub.resetCounts();
    expect(await download()).toMatchObject({ body: { status: "already_available", download_required: false } });
    expect(files.hub.bytesServed()).toBe(0);
    const path = (await get("status/mini")).body as { model_path: string };
    expect(files.differences(path.model_path)).toEqual([]);
  });

  it("that is forced reads every byte, and fetches the wrong file alone", async () => {
    await fetchAll();
    const { model_path } = (await get("status/mini")).body as { model_path: string };
    const file = openSync(join(model_path, bigPath), "r+");
    writeSync(file, Buffer.from([(wantedFiles[bigPath]?.[100] ?? 0) ^ 1]), 0, 1, 100);
    closeSync(file);
    files.hub.resetCounts();
    expect(await post("verify/mini")).toMatchObject({
      body: { is_valid: false, details: { hashed_file_count: 5, problems: [{ path: bigPath, kind: "corrupt" }] } },
    });
    downloads.length = 0;
    await fetchAll({ force_redownload: true });
    expect(new Set(files.hub.served.filter(({ bytes }) => bytes > 0).map(({ path }) => path))).toEqual(
      new Set([bigPath]),
    );
    expect(readFileSync(join(model_path, bigPath)).equals(wantedFiles[bigPath] ?? Buffer.alloc(0))).toBe(true);
    expect(await post("verify/mini")).toMatchObject({ body: { is_valid: true } });
  });

  it("of what this machine does not carry is refused with what fits, unless it is for another machine", async () => {
    const refused = await download({ model_type: "giant" });
    expect(refused).toMatchObject({
      status: 422,
      body: { code: "MODEL_DOES_NOT_FIT", detail: expect.stringMatching(/in no memory mode.* does, in memory mode/) },
    });
    expect(files.hub.bytesServed()).toBe(0);
    await fetchAll({ model_type: "giant", anyway: true });
  });

  it("without a name is 422, of an unknown model 404", async () => {
    expect(await post("download", {})).toMatchObject({ status: 422, body: { code: "REQUEST_INVALID" } });
    expect(await download({ model_type: "nobody" })).toMatchObject({ status: 404, body: { code: "MODEL_NOT_FOUND" } });
  });

  it("that takes long answers that it began, is paused, and goes on with what came", async () => {
    slowly();
    expect(await progress()).toBeNull();
    expect(await download()).toMatchObject({ body: { status: "download_started" } });
    await files.until("bytes", () => files.hub.bytesServed(bigPath) > mebibyte / 4, 25_000);
    expect(await progress()).toMatchObject({ status: "downloading", progress: expect.any(Number) });
    expect((await get("download/progress")).body).toMatchObject({
      mini: { model_type: "mini", status: "downloading" },
    });
    expect(await post("download/manage", { model_id: "mini", action: "pause" })).toMatchObject({
      body: { success: true },
    });
    expect(await progress()).toMatchObject({ status: "paused", speed_mbps: 0 });
    expect(downloads.at(-1)).toMatchObject({ state: "paused" });
    files.hub.clearFaults();
    files.hub.resetCounts();
    expect(await post("download/manage", { model_id: "mini", action: "resume" })).toMatchObject({
      body: { success: true },
    });
    await files.until("the end", () => downloads.at(-1)?.state === "completed", 25_000);
    expect(files.hub.bytesServed(bigPath)).toBeLessThan(wantedFiles[bigPath]?.length ?? 0);
    expect(await progress()).toBeNull();
    expect(await post("download/manage", { model_id: "mini", action: "pause" })).toMatchObject({
      body: { success: false },
    });
  });

  it("that is cancelled leaves no half file", async () => {
    slowly();
    await download();
    await files.until("bytes", () => files.hub.bytesServed(bigPath) > mebibyte / 4, 25_000);
    expect(await post("download/manage", { model_id: "mini", action: "cancel" })).toMatchObject({
      body: { success: true },
    });
    expect(downloads.at(-1)).toMatchObject({ state: "cancelled" });
    expect((await get("status/mini")).body).not.toHaveProperty("error_message");
  });

  it("goes over the event stream without an id", async () => {
    const abort = new AbortController();
    const answer = await world.app.request("/api/v1/events", { signal: abort.signal });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    world.frame({ kind: "download", download: { ...(downloads[0] ?? view), state: "downloading" } });
    let text = "";
    while (!text.includes("download_progress")) text += (await reader?.read())?.value ?? "";
    abort.abort();
    const block = text.split("\n\n").find((one) => one.includes("download_progress")) ?? "";
    expect(block).not.toMatch(/^id:/m);
    expect(downloadSchema.parse(JSON.parse(/^data: (.+)$/m.exec(block)?.[1] ?? ""))).toMatchObject({
      model_type: "mini",
      progress: 25,
    });
  });
});
const view: DownloadView = {
  model: "mini",
  state: "downloading",
  doneBytes: 25,
  totalBytes: 100,
  bytesPerSecond: 10,
  etaMs: 7_500,
  trouble: null,
  atMs: 1_760_000_000_000,
};

describe("a check without hashing", () => {
  it("names what is missing, and is unknown for what was never fetched", async () => {
    expect(await post("validate/mini")).toMatchObject({ body: { integrity_status: "unknown", is_valid: false } });
    await fetchAll();
    expect(await post("validate/mini")).toMatchObject({ body: { integrity_status: "valid", is_valid: true } });
    const { model_path } = (await get("status/mini")).body as { model_path: string };
    rmSync(join(model_path, bigPath));
    expect(await post("validate/mini")).toMatchObject({
      body: { integrity_status: "invalid", missing_files: [bigPath] },
    });
  });
});

describe("a suggestion", () => {
  it("is the wish where it fits and is quick enough, else what comes nearest", async () => {
    const wish = { requested_model: "mini", quality: "high", speed: "fast", resolution: "1280x720" };
    expect(await post("fallback/suggest", wish)).toMatchObject({
      body: { suggested_model: "mini", is_requested: true, resolution: "1280x720", estimated_wait_minutes: 4 },
    });
    expect(await post("fallback/suggest", { ...wish, max_wait_minutes: 2 })).toMatchObject({
      body: { suggested_model: "mini", is_requested: false, resolution: expect.not.stringMatching("1280x720") },
    });
    const other = await post("fallback/suggest", { ...wish, requested_model: "giant" });
    expect(other.body).toMatchObject({ is_requested: false });
    expect(other.body["suggested_model"]).not.toBe("giant");
  });
});
