import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { problemSchema } from "../../src/contract/problem.ts";
import {
  actionsSchema,
  healthSchema,
  recoveryStatusSchema,
  resetSchema,
  triggeredSchema,
} from "../../src/contract/recovery-wire.ts";
import { readinessSchema, systemHealthSchema } from "../../src/contract/system-wire.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { recoveryStatistics } from "../../src/recovery/statistics.ts";
import { healthy, ready } from "./server-facts.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(createVirtualClock());
});
afterEach(() => world.close());

const get = async (path: string): Promise<unknown> => (await world.app.request(path)).json();
const trigger = (body: unknown, query = "") =>
  world.app.request(`/api/v1/recovery/trigger${query}`, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

describe("recovery status", () => {
  it("has the predecessor's fields before any attempt and any check", async () => {
    world.status = { ...ready, health: null };
    expect(recoveryStatusSchema.parse(await get("/api/v1/recovery/status"))).toMatchObject({
      recovery_system_active: true,
      current_health_status: null,
      recovery_statistics: {
        total_attempts: 0,
        success_rate: 0,
        average_recovery_time: 0,
        failure_types: {},
        recovery_actions: {},
        mock_generation_enabled: false,
      },
    });
  });

  it("counts attempts by type and action, and shows each with what it proved", async () => {
    const about = {
      failureType: "vram_exhaustion",
      workerId: "worker-0",
      incidentId: "i-1",
      startedAtMs: 1_000,
      endedAtMs: 1_420,
    } as const;
    const attempts = [
      { ...about, action: "clear_gpu_cache", outcome: "ineffective", reason: "nothing was freed" },
      { ...about, action: "apply_vram_optimization", outcome: "effective", reason: "the proof passed" },
    ] as const;
    world.status = {
      ...ready,
      isMockEnabled: true,
      recoveryAttempts: attempts,
      recoveryStatistics: recoveryStatistics(
        attempts.map((attempt) => ({ failureType: attempt.failureType, rung: attempt })),
      ),
      openIncidents: [
        {
          id: "i-1",
          failureType: "vram_exhaustion",
          workerId: null,
          openedAtMs: 1_000,
          sentence: "Trying a leaner memory mode.",
        },
      ],
    };
    const body = recoveryStatusSchema.parse(await get("/api/v1/recovery/status"));
    expect(body.recovery_statistics).toEqual({
      total_attempts: 2,
      successful_attempts: 1,
      success_rate: 50,
      average_recovery_time: 0.42,
      failure_types: { vram_exhaustion: { total: 2, successful: 1 } },
      recovery_actions: {
        clear_gpu_cache: { total: 1, successful: 0 },
        apply_vram_optimization: { total: 1, successful: 1 },
      },
      mock_generation_enabled: true,
      degraded_mode_active: false,
    });
    expect(
      body.recovery_attempts.map(({ success, recovery_time, error_message }) => [
        success,
        recovery_time,
        error_message,
      ]),
    ).toEqual([
      [false, 0.42, "nothing was freed"],
      [true, 0.42, null],
    ]);
    expect(body.open_incidents[0]).toMatchObject({ id: "i-1", sentence: "Trying a leaner memory mode." });
  });

  it("says which percentages were not measured instead of showing them as calm", async () => {
    const body = healthSchema.parse(await get("/api/v1/recovery/health"));
    expect(body).toMatchObject({
      cpu_usage_percent: 12.5,
      memory_usage_percent: 41.2,
      vram_usage_percent: 0,
      unmeasured: ["vram_usage_percent", "vram_outside_known_percent"],
    });
    expect(body.last_check).toBe(body.last_check_timestamp);
  });

  it("lists types and actions in the predecessor's order, each described", async () => {
    const body = actionsSchema.parse(await get("/api/v1/recovery/actions"));
    expect(body.recovery_actions[0]).toBe("fallback_to_mock");
    expect(Object.keys(body.failure_type_descriptions)).toEqual(body.failure_types);
    expect(Object.keys(body.recovery_action_descriptions)).toEqual(body.recovery_actions);
  });
});

describe("trigger and reset", () => {
  it("asks for a climb of the named type and answers what was proven", async () => {
    const answer = await trigger({ failure_type: "vram_exhaustion", context: { why: "drill" } });
    const body = triggeredSchema.parse(await answer.json());
    expect(body).toMatchObject({
      success: true,
      message: "Recovery successful using clear_gpu_cache",
      pending: false,
      actions: [{ action: "clear_gpu_cache", outcome: "effective" }],
    });
    expect(world.orders).toEqual([
      { failureType: "vram_exhaustion", workerId: null, isForced: false, waitMs: 25_000, by: "operator:local" },
    ]);
  });

  it("is about the worker that it names, and refuses one that is not there by naming those that are", async () => {
    await trigger({ failure_type: "vram_exhaustion", worker_id: "worker-0" });
    expect(world.orders).toMatchObject([{ workerId: "worker-0" }]);
    for (const worker_id of ["worker-9", 7]) {
      const answer = await trigger({ failure_type: "vram_exhaustion", worker_id });
      expect(answer.status).toBe(400);
      expect(await answer.text()).toContain("There is no such worker; there are worker-0.");
    }
    expect(world.orders).toHaveLength(1);
  });

  it("answers 200 with success false when nothing could be repaired", async () => {
    world.triggered = {
      ...world.triggered,
      isSuccess: false,
      message: "Recovery cooldown active for network_error (27s remaining)",
      incidentId: "i-2",
    };
    const answer = await trigger({ failure_type: "network_error", force: true }, "?wait=0");
    expect(answer.status).toBe(200);
    expect(triggeredSchema.parse(await answer.json())).toMatchObject({
      recovery_triggered: true,
      success: false,
      incident_id: "i-2",
    });
    expect(world.orders[0]).toMatchObject({ isForced: true, waitMs: 0 });
  });

  it("says that a stand-in is what serves", async () => {
    world.triggered = { ...world.triggered, isStandingIn: true, isRealGenerationEnabled: false };
    expect(triggeredSchema.parse(await (await trigger({ failure_type: "network_error" })).json())).toMatchObject({
      success: true,
      outcome: "standing_in",
      real_generation_enabled: false,
    });
  });

  it.each([[{ failure_type: "x" }], [{}], [""], [{ failure_type: 7 }], [{ failure_type: "toString" }]])(
    "answers 400 to the failure type of %o",
    async (body) => {
      const answer = await trigger(body);
      expect(answer.status).toBe(400);
      expect(problemSchema.parse(await answer.json()).detail).toMatch(
        /^Invalid failure type: .* Valid types: \['model_loading_failure', 'vram_exhaustion'/,
      );
      expect(world.orders).toEqual([]);
    },
  );

  it.each(["{", "[]", "null", "[".repeat(100_000)])("answers 400 to a body that is no object", async (body) => {
    expect((await trigger(body)).status).toBe(400);
  });

  it("refuses a wait that is no number and waits no longer than two minutes", async () => {
    expect((await trigger({ failure_type: "network_error" }, "?wait=soon")).status).toBe(422);
    await trigger({ failure_type: "network_error" }, "?wait=999999");
    expect(world.orders[0]?.waitMs).toBe(120_000);
  });

  it("does not call real generation enabled before the test render passed", async () => {
    const answer = await world.app.request("/api/v1/recovery/reset", { method: "POST" });
    expect(resetSchema.parse(await answer.json())).toMatchObject({
      recovery_state_reset: true,
      mock_generation_disabled: true,
      real_generation_enabled: false,
      probe: "running",
    });
  });
});

describe("probes", () => {
  it("is ready while a submission can be made durable, also with stand-ins only, and shows the simulator", async () => {
    world.status = { ...ready, mode: "mock" };
    const answer = await world.app.request("/readyz");
    expect([answer.status, answer.headers.get("x-understudy-simulated")]).toEqual([200, "true"]);
    expect(readinessSchema.parse(await answer.json())).toMatchObject({ mode: "mock", simulated: true });
    world.status = { ...ready, unreadyReason: { code: "DISK_FULL", message: "2 MB are free." } };
    const unready = await world.app.request("/readyz");
    expect([unready.status, problemSchema.parse(await unready.json()).code]).toEqual([503, "DISK_FULL"]);
    expect((await world.app.request("/livez")).status).toBe(200);
  });

  it.each([
    ["ready and measured healthy", {}, "healthy"],
    ["not measured yet", { health: null }, "degraded"],
    ["showing stand-ins", { mode: "mock" }, "degraded"],
    ["warned", { health: { ...healthy, overallStatus: "degraded" } }, "degraded"],
    ["blind", { health: { ...healthy, overallStatus: "error" } }, "unhealthy"],
    ["unable to store", { unreadyReason: { code: "STORE_UNAVAILABLE", message: "no" } }, "unhealthy"],
  ] as const)("calls the system, when %s, what it is", async (_what, change, expected) => {
    world.status = { ...ready, ...change };
    const body = systemHealthSchema.parse(await get("/api/v1/system/health"));
    expect(body.status).toBe(expected);
    expect(await get("/health")).toMatchObject({ status: expected, version: "0.1.0", timestamp: expect.any(Number) });
    expect(body.database_connected).toBe(world.status.unreadyReason === null);
    expect(JSON.stringify(body)).not.toContain("null");
  });
});

describe("simulator", () => {
  const kill = (body: unknown) =>
    world.app.request("/api/v1/simulator/kill", { method: "POST", body: JSON.stringify(body) });
  it("kills the worker that is named, or the main one", async () => {
    expect(await (await kill({})).json()).toEqual({ message: "worker-0 was killed", worker_id: "worker-0", pid: 4242 });
    expect((await kill({ worker_id: "worker-9" })).status).toBe(404);
    expect((await kill({ worker_id: 7 })).status).toBe(422);
    expect((await kill({ worker: "worker-1" })).status).toBe(422);
    world.ports.control.killWorker = async () => ({
      kind: "notSimulated",
      message: "Only simulated workers are killed on request.",
    });
    expect((await kill({})).status).toBe(501);
  });
});
