import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, expect, it } from "vitest";
import { analyticsSchema } from "../../src/contract/analytics-wire.ts";
import { incidentListSchema, incidentReportSchema } from "../../src/contract/incident-wire.ts";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";

const directory = makeStateDir();
let service: RunningService | undefined;
afterEach(async () => {
  if (service !== undefined) await endService(service);
  directory.remove();
});

const launcher = new URL("../../bin/understudy.js", import.meta.url).pathname;
const replay = (id: string): { readonly status: number | null; readonly stdout: string } =>
  spawnSync(process.execPath, [launcher, "replay", id, "--state-dir", directory.path], {
    encoding: "utf8",
    timeout: 20_000,
  });

async function sufferIncident(running: RunningService): Promise<string> {
  await until(
    "the service is ready",
    async () => (await running.json<{ mode: string }>("/readyz")).body.mode === "ready",
  );
  const id = await running.submit({ prompt: "a very private red fox", steps: 30 });
  await until(
    "the job denoises",
    async () => (await running.json<{ phase?: string }>(`/api/v1/generate/${id}`)).body.phase === "denoise",
  );
  process.kill(running.worker()?.pid ?? 0, "SIGKILL");
  await until("the real result", async () => {
    const { body } = await running.json<{ status: string; is_mock: boolean }>(`/api/v1/generate/${id}`);
    return body.status === "completed" && !body.is_mock;
  });
  return id;
}

it("a killed worker leaves an incident that can be read, counted, and replayed beside the service and after it", {
  timeout: 90_000,
}, async () => {
  const running = await startService({ stateDir: directory.path });
  service = running;
  const jobId = await sufferIncident(running);
  const id = await until("the incident is closed", async () => {
    const { body } = await running.json("/api/v1/recovery/incidents?status=resolved");
    return incidentListSchema.parse(body).incidents[0]?.id;
  });

  const { body } = await running.json(`/api/v1/recovery/incidents/${id}`);
  const report = incidentReportSchema.parse(body);
  expect(report).toMatchObject({
    origin: "workerDeath",
    cause: { evidence: { exit_signal: "SIGKILL" } },
    rungs: [{ action: "restart_pipeline", outcome: "effective" }],
    canaries: [{ passed: true, reason: expect.stringContaining("test render") }],
    answers: { queued_after_ms: expect.any(Number), real_after_ms: expect.any(Number) },
    jobs: [{ id: jobId, state: "succeeded", served_by: "real" }],
  });
  expect(report.timeline.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining([
      "worker.exited",
      "worker.connected",
      "model.proven",
      "job.retried",
      "rung.started",
      "mode.changed",
      "incident.closed",
    ]),
  );
  const page = await (
    await fetch(`${running.url}/api/v1/recovery/incidents/${id}`, { headers: { accept: "text/markdown" } })
  ).text();
  expect(page).toContain("| restart pipeline | effective |");
  expect(JSON.stringify(report) + page).not.toContain("private red fox");

  const analytics = analyticsSchema.parse((await running.json("/api/v1/recovery/analytics")).body);
  expect(analytics).toMatchObject({
    incidents: { opened: 1, resolved: 1, open: 0 },
    time_to_recover: { count: 1, p95_ms: report.open_for_ms },
    time_to_first_answer: { count: 1, queue_position: { count: 1 }, real_result: { count: 1 } },
  });
  const shares = Object.values(analytics.modes.share ?? {}).reduce((sum, share) => sum + share, 0);
  expect(shares).toBeCloseTo(1, 2);

  const beside = replay(id);
  expect(beside.stdout).toMatch(/awaitingWorker → verifying\.runningCanary/);
  expect(beside.stdout).toMatch(/All \d+ steps came out as they were recorded\./);
  expect(beside.status).toBe(0);
  expect(replay("inc-0-0")).toMatchObject({ status: 1, stdout: expect.stringContaining(`The newest: ${id}.`) });

  await endService(running);
  expect(replay(id).status).toBe(0);
  const database = new DatabaseSync(join(directory.path, "understudy.db"));
  const { changes } = database
    .prepare(
      "update events set data = json_set(data, '$.outcome', 'ineffective') where kind = 'rung.ended' and incident_id = ?",
    )
    .run(id);
  database.close();
  expect(changes).toBe(1);
  const tampered = replay(id);
  expect(tampered.status).toBe(1);
  expect(tampered.stdout).toMatch(/DIFFERS in row \d+, rung\.ended/);
});
