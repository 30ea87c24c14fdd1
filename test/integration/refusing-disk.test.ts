/** A state directory that refuses what a death of the worker makes necessary: that costs time, and not the service. */
import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";
import { delivered, isReady } from "../harness/tasks.ts";

const directory = makeStateDir();
let service: RunningService;
beforeAll(async () => {
  service = await startService({ stateDir: directory.path, env: { UNDERSTUDY_SIM_SPEED: "4" } });
  await isReady(service);
}, 90_000);
afterAll(async () => {
  await endService(service);
  directory.remove();
});

it("a worker's record that can be neither read nor taken away", { timeout: 120_000 }, async () => {
  const record = join(directory.path, "run", "worker-0.json");
  const { pid } = await until("the worker is on record", () => service.worker());
  rmSync(record);
  mkdirSync(record);
  process.kill(pid, "SIGKILL");
  await until("the service says so", () => service.output().includes("worker.notForgotten"));
  expect((await fetch(`${service.url}/livez`)).status).toBe(200);
  rmdirSync(record);
  await delivered(service, await service.submit(), 100_000);
});
