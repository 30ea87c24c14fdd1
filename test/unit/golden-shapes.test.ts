import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { detectedSchema } from "../../src/contract/detect-model.ts";
import { lorasSchema } from "../../src/contract/lora-wire.ts";
import { outputsSchema } from "../../src/contract/output-wire.ts";
import { problemSchema } from "../../src/contract/problem.ts";
import {
  actionsSchema,
  attemptListSchema,
  healthSchema,
  recoveryStatusSchema,
  resetSchema,
  triggeredSchema,
} from "../../src/contract/recovery-wire.ts";
import { hardwareProfileSchema, statsHistorySchema, systemStatsSchema } from "../../src/contract/stats-wire.ts";
import { queueSchema, submittedSchema } from "../../src/contract/task-wire.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { healthy } from "./server-facts.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

const clock = createVirtualClock();
let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(clock);
});
afterEach(() => world.close());

const ask = async (path: string, method = "GET"): Promise<unknown> =>
  (await world.app.request(path, { method })).json();

/**
 * Names of what a recorded example has and the answer lacks, or has in another type. Null in an example: a client bears
 * it.
 */
function missingIn(answer: unknown, example: unknown, path = ""): string[] {
  if (example === null) return [];
  if (Array.isArray(example)) {
    if (!Array.isArray(answer)) return [`${path} is no list`];
    const [first] = example;
    return first === undefined || answer[0] === undefined ? [] : missingIn(answer[0], first, `${path}[]`);
  }
  if (typeof example !== "object") return typeof answer === typeof example ? [] : [`${path} is no ${typeof example}`];
  if (typeof answer !== "object" || answer === null) return [`${path} is no object`];
  const fields = answer as Readonly<Record<string, unknown>>;
  return Object.entries(example).flatMap(([key, value]) =>
    key in fields || value === null
      ? missingIn(fields[key] ?? null, value, `${path}.${key}`)
      : [`${path}.${key} is missing`],
  );
}

const at = "2026-11-23T17:40:00.000000";
const health = {
  overall_status: "healthy",
  cpu_usage_percent: 12.5,
  memory_usage_percent: 41.2,
  vram_usage_percent: 54.9,
  gpu_available: true,
  model_loading_functional: true,
  generation_pipeline_functional: true,
  issues: [],
  recommendations: [],
};
const examples = {
  submit: {
    task_id: "6f1c2a54",
    status: "pending",
    message: "Generation request submitted",
    real_ai_enabled: true,
    hardware_optimized: true,
    estimated_vram_gb: 8,
    parameters: {
      model_type: "T2V-A14B",
      prompt: "a red fox",
      resolution: "1280x720",
      steps: 50,
      image_path: null,
      end_image_path: null,
      lora_path: null,
      lora_strength: 1,
    },
  },
  task: {
    id: "6f1c2a54",
    model_type: "T2V-A14B",
    prompt: "a red fox",
    resolution: "1280x720",
    steps: 50,
    lora_strength: 1,
    status: "completed",
    progress: 100,
    created_at: at,
    started_at: at,
    completed_at: at,
    output_path: "outputs/6f1c2a54.mp4",
  },
  counts: {
    total_tasks: 3,
    pending_tasks: 0,
    processing_tasks: 0,
    completed_tasks: 1,
    failed_tasks: 1,
    cancelled_tasks: 1,
  },
  video: {
    id: "6f1c2a54",
    filename: "6f1c2a54.mp4",
    prompt: "a red fox",
    model_type: "T2V-A14B",
    resolution: "1280x720",
    file_size_mb: 4.31,
    created_at: at,
    duration: "10.0",
    thumbnail_url: "/api/v1/outputs/6f1c2a54/thumbnail",
    download_url: "/api/v1/outputs/6f1c2a54/download",
    video_url: "/api/v1/outputs/6f1c2a54/video",
    thumbnail_path: "outputs/thumbnails/6f1c2a54_thumb.jpg",
    output_path: "outputs/6f1c2a54.mp4",
  },
  recoveryStatus: {
    recovery_system_active: true,
    health_monitoring_active: true,
    mock_generation_enabled: true,
    degraded_mode_active: false,
    recovery_statistics: {
      total_attempts: 3,
      successful_attempts: 2,
      success_rate: 66.7,
      average_recovery_time: 0.42,
      failure_types: {},
      recovery_actions: {},
      mock_generation_enabled: true,
      degraded_mode_active: false,
    },
    current_health_status: { ...health, last_check: at },
    timestamp: at,
  },
  actions: {
    failure_types: ["model_loading_failure"],
    recovery_actions: ["fallback_to_mock"],
    failure_type_descriptions: { model_loading_failure: "", network_error: "" },
    recovery_action_descriptions: { fallback_to_mock: "", system_health_check: "" },
  },
  trigger: { recovery_triggered: true, failure_type: "vram_exhaustion", success: true, message: "", timestamp: at },
  reset: {
    recovery_state_reset: true,
    mock_generation_disabled: true,
    real_generation_enabled: true,
    message: "",
    timestamp: at,
  },
  stats: {
    cpu_percent: 12.5,
    ram_used_gb: 8.13,
    ram_total_gb: 31.9,
    ram_percent: 25.5,
    gpu_percent: 0,
    vram_used_mb: 0,
    vram_total_mb: 1024,
    vram_percent: 0,
    timestamp: at,
    system_info: { platform: "Linux", architecture: "64bit", processor: "x86_64", python_version: "3.11.9" },
    real_ai_integration: {
      enabled: true,
      generation_service_status: "available",
      hardware_optimized: true,
      model_status: {},
    },
  },
  attempts: {
    recovery_attempts: [
      {
        failure_type: "vram_exhaustion",
        action: "clear_gpu_cache",
        timestamp: at,
        success: true,
        recovery_time_seconds: 1,
        error_message: null,
        context: {},
      },
    ],
    total_attempts: 1,
    showing_recent: 1,
    timestamp: at,
  },
  detect: { detected_model_type: "T2V-A14B", confidence: 0.9, explanation: [""], requirements: {}, alternatives: [] },
  loras: { loras: [], total_count: 0, total_size_mb: 0 },
  hardware: {
    cpu_model: "",
    cpu_cores: 8,
    total_memory_gb: 31.9,
    gpu_model: "",
    vram_gb: 16,
    architecture_type: "",
    optimization_recommendations: [],
  },
};

const attempt = {
  failureType: "vram_exhaustion",
  action: "clear_gpu_cache",
  outcome: "effective",
  reason: "4 GiB more are free",
  workerId: "worker-0",
  incidentId: "i-1",
  startedAtMs: 1_000,
  endedAtMs: 2_000,
} as const;

describe("the predecessor's bodies", () => {
  it.each([
    ["/api/v1/recovery/status", recoveryStatusSchema, examples.recoveryStatus],
    ["/api/v1/recovery/health", healthSchema, { ...health, last_check_timestamp: at }],
    ["/api/v1/recovery/actions", actionsSchema, examples.actions],
    ["/api/v1/recovery/recovery-attempts", attemptListSchema, examples.attempts],
    ["/api/v1/system/stats", systemStatsSchema, examples.stats],
    ["/api/v1/system/stats/history?hours=0.5", statsHistorySchema, { stats: [], total_count: 0, time_range: {} }],
    ["/api/v1/system/hardware/profile", hardwareProfileSchema, examples.hardware],
    ["/api/v1/generation/models/detect?prompt=a%20fox&has_image=false", detectedSchema, examples.detect],
    ["/api/v1/lora", lorasSchema, examples.loras],
    ["/api/v1/lora/list", lorasSchema, examples.loras],
    ["/api/v1/system/ports", null, { backend_port: 9000, frontend_port: 3000, status: "ok" }],
    ["/api/health", null, { status: "healthy", api_version: "2.2.0" }],
    ["/health", null, { status: "healthy", timestamp: 1.5, version: "2.2.0" }],
  ])("GET %s has every field of the example", async (path, schema, example) => {
    world.status = { ...world.status, health: healthy, recoveryAttempts: [attempt] };
    const body = await ask(path);
    schema?.parse(body);
    expect(missingIn(body, example)).toEqual([]);
  });

  it.each([
    ["/api/v1/recovery/trigger?failure_type=vram_exhaustion", triggeredSchema, examples.trigger],
    ["/api/v1/recovery/reset", resetSchema, examples.reset],
    ["/api/v1/recovery/health-monitoring/start", null, { health_monitoring_started: true, message: "", timestamp: at }],
    ["/api/v1/recovery/health-monitoring/stop", null, { health_monitoring_stopped: true, message: "", timestamp: at }],
  ])("POST %s has every field of the example", async (path, schema, example) => {
    const body = await ask(path, "POST");
    schema?.parse(body);
    expect(missingIn(body, example)).toEqual([]);
  });

  it("submission, queue and outputs have every field of the examples", async () => {
    const submitted = await (await world.submit()).json();
    submittedSchema.parse(submitted);
    expect(missingIn(submitted, examples.submit)).toEqual([]);
    await world.finish();
    const queue = queueSchema.parse(await ask("/api/v1/queue"));
    expect(missingIn(queue, { tasks: [examples.task], ...examples.counts })).toEqual([]);
    const outputs = outputsSchema.parse(await ask("/api/v1/outputs"));
    expect(missingIn(outputs, { videos: [examples.video], total_count: 1, total_size_mb: 4.31 })).toEqual([]);
  });

  it("are found lacking when a field is dropped or changes its type", () => {
    expect(missingIn({ a: 1, list: [{ b: "1" }] }, { a: 1, list: [{ b: 1 }], c: true })).toEqual([
      ".list[].b is no number",
      ".c is missing",
    ]);
  });
});

describe("figures", () => {
  it("are zeros that say so where there is no card", async () => {
    expect(await ask("/api/v1/system/stats")).toMatchObject({
      vram_total_mb: 0,
      gpu_percent: 0,
      gpu_kind: "absent",
      ram_percent: 25.5,
    });
  });

  it("say which of them were not measured", async () => {
    const gpu = {
      uuid: "g",
      name: "card",
      totalBytes: 16 * 1024 ** 3,
      usedBytes: null,
      utilizationRatio: 0.4,
      temperatureCelsius: null,
    };
    world.sample = { ...world.sample, gpuKind: "nvidia", gpus: [{ ...gpu, unavailable: {} }] };
    expect(await ask("/api/v1/system/stats")).toMatchObject({
      gpu_percent: 40,
      vram_total_mb: 16_384,
      unmeasured: ["vram_used_mb"],
    });
  });

  it.each(["0", "-1", "25", "1e3", "NaN", "x", ""])("refuse a history of %s hours", async (hours) => {
    expect((await world.app.request(`/api/v1/system/stats/history?hours=${hours}`)).status).toBe(422);
  });
});

describe("detection", () => {
  it.each([
    ["", "T2V-A14B", false],
    ["has_image=true", "I2V-A14B", true],
    ["has_image=1&has_end_image=1", "I2V-A14B", true],
    ["has_image=false", "T2V-A14B", false],
  ])("of %s gives a model that can be submitted", async (query, model, needsImage) => {
    const body = detectedSchema.parse(await ask(`/api/v1/generation/models/detect?${query}`));
    expect([body.detected_model_type, body.requirements.needs_image]).toEqual([model, needsImage]);
    expect(body.alternatives.map((other) => other.model_type)).not.toContain(model);
  });
});

describe("deleting", () => {
  const remove = (id: string, kind: "queue" | "outputs" = "queue") =>
    world.app.request(`/api/v1/${kind}/${id}`, { method: "DELETE" });

  it("takes an ended task with its files, and an active one not", async () => {
    const id = await world.submitted();
    expect((await remove(id)).status).toBe(400);
    await world.finish();
    expect(await (await remove(id)).json()).toEqual({ message: "Task deleted", task_id: id });
    expect(await world.store.jobs.listArtifactNames()).toEqual(new Set());
    expect((await remove(id)).status).toBe(404);
  });

  it("of a stand-in cancels the real video that is owed", async () => {
    const id = await world.submitted();
    expect((await remove(id, "outputs")).status).toBe(404);
    await world.standIn(id);
    expect(await (await remove(id, "outputs")).json()).toEqual({ message: "Video deleted successfully" });
    expect(await world.store.jobs.get(id)).toBeNull();
  });

  it("of a stand-in whose real render has the card waits for its end", async () => {
    const id = await world.submitted();
    await world.standIn(id);
    const lease = await world.claim();
    const deleted = remove(id);
    await clock.advance(500);
    expect((await world.store.jobs.get(id))?.isCancelRequested).toBe(true);
    await world.store.jobs.confirmCancel(lease);
    await clock.advance(500);
    expect((await deleted).status).toBe(200);
    const other = await world.submitted();
    await world.standIn(other);
    await world.claim();
    const given = remove(other, "outputs");
    await clock.advance(11_000);
    expect(problemSchema.parse(await (await given).json()).code).toBe("JOB_STATE_CONFLICT");
  });

  it("of everything that ended leaves what waits and a stand-in whose real video is owed", async () => {
    const done = await world.submitted();
    await world.finish();
    const owed = await world.submitted();
    await world.standIn(owed);
    const waiting = await world.submitted();
    const cancelled = await world.submitted();
    await world.app.request(`/api/v1/queue/${cancelled}/cancel`, { method: "POST" });
    expect(await ask("/api/v1/queue/clear", "POST")).toEqual({ message: "Cleared 2 tasks", cleared_tasks: 2 });
    const left = queueSchema.parse(await ask("/api/v1/queue")).tasks.map(({ id }) => id);
    expect(left.toSorted()).toEqual([owed, waiting].toSorted());
    expect(left).not.toContain(done);
  });
});

it("confirms stand-ins only while they serve", async () => {
  const path = "/api/v1/recovery/enable-mock-generation";
  expect((await world.app.request(path, { method: "POST" })).status).toBe(501);
  world.status = { ...world.status, isMockEnabled: true, mode: "mock" };
  expect(await ask(path, "POST")).toMatchObject({ mock_generation_enabled: true });
});

it.each([
  ["POST", "/api/v1/simulate/complete/x"],
  ["POST", "/api/v1/prompt/enhance"],
  ["GET", "/api/v1/performance/status"],
  ["POST", "/api/v1/auth/login"],
  ["GET", "/api/v1/config/feature-flags"],
  ["POST", "/api/v1/analytics/errors"],
  ["GET", "/api/v1/system/cors/validate"],
])("answers what is not its own, %s %s, with 404 and a code", async (method, path) => {
  const answer = await world.app.request(path, { method });
  expect([answer.status, problemSchema.parse(await answer.json()).code]).toEqual([404, "NOT_FOUND"]);
});
