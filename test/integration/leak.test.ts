/** A worker that keeps memory of finished jobs is ended on purpose, between two jobs, before one of them suffers. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { newestSeq, rowsSince } from "../harness/rows.ts";
import {
  endService,
  isAlive,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, isReady } from "../harness/tasks.ts";

const directory = makeStateDir();
let service: RunningService;
beforeAll(async () => {
  service = await startService({ stateDir: directory.path, env: { UNDERSTUDY_SIM_SPEED: "4" }, limitMs: 60_000 });
}, 90_000);
afterAll(async () => {
  await endService(service);
  directory.remove();
});

it("a worker whose memory grows with every job is replaced between two of them, and every job is rendered once", {
  timeout: 180_000,
}, async () => {
  await isReady(service);
  const since = newestSeq(directory.path);
  const pid = service.worker()?.pid ?? 0;
  const ids: string[] = [];
  // Half of the card is the limit: 40 GiB. The fifth job makes the trend, and three more would reach the limit.
  for (let number = 0; number < 7; number += 1)
    ids.push(await service.submit({ steps: 4, prompt: "a fox [[sim:leak:6GiB@denoise:1]]" }));
  for (const id of ids) await delivered(service, id, 120_000);
  const recycled = await until("the worker is recycled", () =>
    rowsSince(directory.path, since).find(({ kind }) => kind === "worker.recycled"),
  );
  expect(recycled.data["jobs_left"]).toBeLessThanOrEqual(3);
  expect(Number(recycled.data["confidence"])).toBeGreaterThan(0.8);
  await until("another process serves", () => !isAlive(pid) && (service.worker()?.pid ?? pid) !== pid);
  await isReady(service);
  const rows = rowsSince(directory.path, since);
  expect(rows.filter(({ kind }) => kind === "render.began")).toHaveLength(ids.length);
  expect(rows.filter(({ kind }) => kind === "job.succeeded")).toHaveLength(ids.length);
  expect(rows.filter(({ kind }) => kind === "incident.opened" || kind === "budget.spent")).toEqual([]);
});
