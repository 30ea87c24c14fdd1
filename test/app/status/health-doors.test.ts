/** What every door says of health: fresh, with its age, and nothing healthy that nobody measures. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import { createApp } from "../../../src/server/create-app.ts";
import type { ServerApp } from "../../../src/server/http-types.ts";
import { settled, workerId } from "../app-world.ts";
import { type ServiceWorld, startServiceWorld } from "../service-world.ts";

let world: ServiceWorld;
let app: ServerApp;
beforeEach(async () => {
  world = await startServiceWorld({ "health.sample": "1m" });
  const { consent, ownConsent, allowedHosts, allowedOrigins, rateLimit, retention } = world.config;
  app = createApp(world.ports, {
    consent,
    ownConsent,
    allowedHosts,
    allowedOrigins,
    rateLimit,
    resultMaxAgeMs: retention.resultMaxAgeMs,
    apiKey: null,
    isExposed: false,
    isInsecure: false,
  });
  await world.reachMode("ready");
});
afterEach(() => world.stop());

type Body = Readonly<Record<string, unknown>>;
const get = async (path: string): Promise<Body> => {
  const answer = await settled(world, Promise.resolve(app.request(path)));
  return (await answer.json()) as Body;
};
/** The first event of a stream. */
async function firstOf(path: string): Promise<string> {
  const answer = await app.request(path);
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (reader !== undefined && !text.includes("data: ")) {
    await world.clock.advance(10);
    text += (await reader.read()).value ?? "";
  }
  await reader?.cancel();
  return text;
}

describe("a health check", () => {
  it("measures now where the last sample is older than two seconds, and says how old it is", async () => {
    await world.clock.advance(30 * secondMs);
    world.setNeighbour(20 * 2 ** 30);
    const before = world.samples();
    const first = await get("/api/v1/recovery/health");
    expect(world.samples()).toBe(before + 1);
    expect(first["age_ms"]).toBeLessThan(secondMs);
    // 20 of 80 GiB are the neighbour's, beside what the model takes.
    expect(first["vram_usage_percent"]).toBeGreaterThan(25);
    await world.clock.advance(1_500);
    const second = await get("/api/v1/recovery/health");
    expect(world.samples()).toBe(before + 1);
    expect(second["age_ms"]).toBeGreaterThanOrEqual(1_500);
  });

  it("tells the share of the card in use, and beside it what is not the known need", async () => {
    world.setNeighbour(30 * 2 ** 30);
    await world.clock.advance(5 * secondMs);
    const body = await get("/api/v1/recovery/health");
    const { usedBytes, totalBytes } = (await world.probe.measure()).gpus[0] ?? {};
    const [used, total] = [usedBytes ?? 0, totalBytes ?? 1];
    const knownBytes = world.context().workers[workerId]?.knownBytes ?? 0;
    expect(knownBytes).toBeGreaterThan(2 ** 30);
    expect(Number(body["vram_usage_percent"])).toBeCloseTo((used / total) * 100, 0);
    const outside = (used - knownBytes) / (total - knownBytes);
    expect(Number(body["vram_outside_known_percent"])).toBeCloseTo(outside * 100, 0);
    expect(body["vram_usage_percent"]).not.toBe(body["vram_outside_known_percent"]);
    expect(body["overall_status"]).toBe("healthy");
  });

  it("that cannot be made shows what is known with its age, and calls nothing healthy that it does not know", async () => {
    await world.clock.advance(30 * secondMs);
    world.troubles.begin("probe", minuteMs);
    const body = await get("/api/v1/recovery/health");
    expect(body["age_ms"]).toBeGreaterThan(30 * secondMs);
  });
});

describe("after the monitoring was stopped", () => {
  const doors: readonly (readonly [string, (body: Body) => unknown])[] = [
    ["/api/v1/recovery/health", (body) => body["overall_status"]],
    ["/api/v1/recovery/status", (body) => (body["current_health_status"] as Body | null)?.["overall_status"]],
    ["/api/v1/system/health", (body) => body["overall_status"]],
  ];
  beforeEach(async () => {
    await settled(world, world.ports.recovery.checkHealth());
    for (const [path, statusOf] of doors) expect(statusOf(await get(path)), path).toBe("healthy");
    world.frames.length = 0;
    await settled(world, world.ports.recovery.setMonitoring(false, "operator:a"));
    await world.clock.advance(secondMs);
  });

  it.each(doors)("%s calls nothing healthy, and says why", async (path, statusOf) => {
    const body = await get(path);
    expect(statusOf(body)).toBe("unknown");
    expect(JSON.stringify(body)).toContain("the monitoring was stopped");
    expect(JSON.stringify(body)).not.toContain('"healthy"');
  });

  it("the check measures all the same, and says so by its age", async () => {
    await world.clock.advance(minuteMs);
    const body = await get("/api/v1/recovery/health");
    expect(body["age_ms"]).toBe(0);
    expect(body["unmeasured"]).toBeUndefined();
  });

  it.each(["/api/v1/health/stream", "/api/v1/events"])("%s begins without a word of health", async (path) => {
    const text = await firstOf(path);
    expect(text).toContain('"overall_status":"unknown"');
    expect(text).not.toContain('"overall_status":"healthy"');
  });

  it("who listens already is told at once, and so is the timeline", async () => {
    const told = world.frames.flatMap((frame) => (frame.kind === "health" ? [frame.health.overallStatus] : []));
    expect(told).toEqual(["unknown"]);
    expect((await world.rows("health.changed")).at(-1)?.data.status).toBe("unknown");
  });

  it("and started again, it is healthy only when it was measured again", async () => {
    await settled(world, world.ports.recovery.setMonitoring(true, "operator:a"));
    await settled(world, world.ports.recovery.checkHealth());
    expect((await get("/api/v1/system/health"))["overall_status"]).toBe("healthy");
  });
});

it("a processor that is critical changes no mode and starts no repair, and says what it costs", async () => {
  world.troubles.begin("cpu", 30 * minuteMs);
  for (let count = 0; count < 3; count += 1) {
    await world.clock.advance(3 * secondMs);
    await settled(world, world.ports.recovery.checkHealth());
  }
  expect(await get("/api/v1/system/health")).toMatchObject({ overall_status: "critical", mode: "ready" });
  const jobId = await world.order();
  expect(await world.ended(jobId)).toBe("succeeded");
  expect(await world.rows("incident.opened", "job.stoodIn")).toEqual([]);
  expect(world.context().workers[workerId]?.process).toBe("connected");
  expect(JSON.stringify(await get("/api/v1/recovery/health"))).toContain("the clip that was made at the start");
});
