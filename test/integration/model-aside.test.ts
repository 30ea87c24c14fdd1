/** A model that one job wants and that cannot be loaded costs nobody else: the worker serves its own, and the model comes back by a proof. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { newestSeq, type Row, rowsSince } from "../harness/rows.ts";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";
import { delivered, isReady } from "../harness/tasks.ts";

const directory = makeStateDir();
let service: RunningService;
beforeAll(async () => {
  const env = {
    UNDERSTUDY_SIM_SPEED: "4",
    UNDERSTUDY_RECOVERY_LOOK_BACK_FIRST: "10s",
    UNDERSTUDY_STAND_IN_AFTER: "500ms",
  };
  service = await startService({ stateDir: directory.path, env });
}, 90_000);
afterAll(async () => {
  await endService(service);
  directory.remove();
});

const kindsOf = (rows: readonly Row[]): string[] => rows.map(({ kind }) => kind);

it("is set aside while the others are rendered, and is back when it has been loaded and proven", {
  timeout: 120_000,
}, async () => {
  await isReady(service);
  const since = newestSeq(directory.path);
  const pid = service.worker()?.pid;
  // As many loads as are tried, one of them after the files were read again: the next one, of its own model, goes well.
  const refusals = [1, 2, 3].map((step) => `[[sim:refuse-load@denoise:${step}]]`).join(" ");
  await delivered(service, await service.submit({ steps: 10, num_frames: 13, prompt: `a fox ${refusals}` }));
  const wanting = await service.submit({ steps: 10, num_frames: 13, model_type: "TI2V-5B", resolution: "1280x720" });
  const other = await service.submit({ steps: 10, num_frames: 13 });
  await delivered(service, other);
  await until("the job whose model is aside has a stand-in", () =>
    rowsSince(directory.path, since).find(({ kind, jobId }) => kind === "job.stoodIn" && jobId === wanting),
  );
  const { body } = await service.json<{ mode: string; open_incidents: { id: string; sentence: string }[] }>(
    "/api/v1/recovery/status",
  );
  expect(body).toMatchObject({
    mode: "ready",
    open_incidents: [{ sentence: expect.stringMatching(/^TI2V-5B: set aside/) }],
  });

  await delivered(service, wanting);
  const rows = rowsSince(directory.path, since);
  const closed = rows.findIndex(({ kind }) => kind === "incident.closed");
  const proven = rows.findIndex(({ kind, data }) => kind === "model.proven" && data["model"] === "TI2V-5B");
  expect(proven).toBeGreaterThan(0);
  expect(closed).toBeGreaterThan(proven);
  expect(rows[closed]?.data).toMatchObject({ status: "resolved", climbs: 0 });
  // No rung, no restart, no stand-in for anybody else, and no attempt of the job was spent.
  expect(
    kindsOf(rows).filter((kind) => kind === "rung.started" || kind === "worker.exited" || kind === "job.retried"),
  ).toEqual([]);
  expect(rows.filter(({ kind }) => kind === "job.stoodIn").map(({ jobId }) => jobId)).toEqual([wanting]);
  expect(service.worker()?.pid).toBe(pid);
  const told = await fetch(`${service.url}/api/v1/recovery/incidents/${body.open_incidents[0]?.id}`, {
    headers: { accept: "text/markdown" },
  });
  expect(await told.text()).toContain("TI2V-5B was loaded again and passed its proof.");
});
