/** What every door says of the model that is loaded: one projection, so that none says anything else than another. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import { createApp } from "../../../src/server/create-app.ts";
import type { ServerApp } from "../../../src/server/http-types.ts";
import { settled, workerId } from "../app-world.ts";
import { type ServiceWorld, startServiceWorld } from "../service-world.ts";

let world: ServiceWorld;
let app: ServerApp;
beforeEach(async () => {
  world = await startServiceWorld();
  const { retention } = world.config;
  const resultMaxAgeMs = retention.resultMaxAgeMs;
  app = createApp(world.ports, { ...world.config, resultMaxAgeMs, apiKey: null, isExposed: false, isInsecure: false });
});
afterEach(() => world.stop());

const model = "T2V-A14B";
interface Models {
  readonly models: Readonly<Record<string, { readonly is_loaded: boolean; readonly load_profile?: string }>>;
}

async function json<Body>(path: string): Promise<Body> {
  const answer = await settled(world, Promise.resolve(app.request(path)));
  return (await answer.json()) as Body;
}

/** Each door's answer to the same question: in which memory mode the model is loaded; null: it is not. */
async function toldByDoors(): Promise<Readonly<Record<string, string | boolean | number | null>>> {
  const status = await json<Models>("/api/v1/models/status");
  const health = await json<Models>("/api/v1/models/health");
  const integration = await json<Readonly<Record<string, number>>>("/api/v1/models/integration/status");
  const service = await json<{ workers: { memory_mode?: { model: string; load_profile: string } }[] }>(
    "/api/v1/status",
  );
  const stats = await json<{ real_ai_integration: { model_status: Models["models"] } }>("/api/v1/system/stats");
  const metrics = await (await settled(world, Promise.resolve(app.request("/metrics")))).text();
  const row = /^understudy_worker_memory_mode\{worker="worker-0",profile="([a-z0-9-]+)"\} 1$/m.exec(metrics);
  const mode = service.workers[0]?.memory_mode;
  return {
    status: status.models[model]?.load_profile ?? null,
    isLoadedByStatus: status.models[model]?.is_loaded ?? null,
    isLoadedByHealth: health.models[model]?.is_loaded ?? null,
    loadedCount: integration["loaded_models"] ?? null,
    service: mode?.load_profile ?? null,
    serviceModel: mode?.model ?? null,
    isLoadedByStats: stats.real_ai_integration.model_status[model]?.is_loaded ?? null,
    metrics: row?.[1] ?? null,
  };
}

const loadedAs = (profile: string) => ({
  status: profile,
  isLoadedByStatus: true,
  isLoadedByHealth: true,
  loadedCount: 1,
  service: profile,
  serviceModel: model,
  isLoadedByStats: true,
  metrics: profile,
});
const notLoaded = {
  status: null,
  isLoadedByStatus: false,
  isLoadedByHealth: false,
  loadedCount: 0,
  service: null,
  serviceModel: null,
  isLoadedByStats: false,
  metrics: null,
};

it("agree before the load, after it, after a kill, after its return and while the worker rests", async () => {
  expect(await toldByDoors()).toEqual(notLoaded);
  await world.reachMode("ready");
  const profile = world.profiles.of(workerId);
  expect(await toldByDoors()).toEqual(loadedAs(profile));
  world.brokenModels.add(model);
  world.workers.get(workerId)?.die({ code: null, signal: "SIGKILL" });
  await world.clock.advance(100);
  expect(await toldByDoors()).toEqual(notLoaded);
  world.brokenModels.clear();
  await world.reach(() => world.context().mode === "ready", 30 * minuteMs);
  expect(await toldByDoors()).toEqual(loadedAs(profile));
  await world.reach(() => Object.keys(world.context().incidents).length === 0, 30 * minuteMs);
  await settled(world, world.ports.intake.pause({ isReleasing: true, waitMs: 20 * secondMs, by: "operator:a" }));
  expect(world.context().workers[workerId]?.process).toBe("resting");
  expect(await toldByDoors()).toEqual(notLoaded);
});
