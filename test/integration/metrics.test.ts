/** What the running service publishes and logs about real jobs and a real death, and what it never says. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allDashboardExpressions, declaredIn, familiesIn, readRules, valueIn } from "../harness/metric-names.ts";
import { lookIntoStore } from "../harness/rows.ts";
import {
  endService,
  makeStateDir,
  type RunningService,
  smallJob,
  startService,
  until,
} from "../harness/running-service.ts";

const directory = makeStateDir();
const key = "marked-key-0123456789abcdef";
const prompt = "a marked walrus plays the accordion";
let service: RunningService;
let jobId: string;
let text: string;

const bearer = { authorization: `Bearer ${key}` };
const scrape = async (): Promise<string> => (await fetch(`${service.url}/metrics`, { headers: bearer })).text();

beforeAll(async () => {
  service = await startService({
    stateDir: directory.path,
    env: { UNDERSTUDY_API_KEY: key, UNDERSTUDY_SIM_SPEED: "8" },
  });
  const modeNow = async (): Promise<unknown> => (await service.json("/readyz")).body["mode"];
  await until("the service is ready", async () => (await modeNow()) === "ready", 60_000);
  const headers = { ...bearer, "content-type": "application/json", "x-request-id": "marked-request" };
  const body = JSON.stringify({ ...smallJob, prompt: `${prompt} [[sim:crash@denoise:6]]` });
  const answer = await fetch(`${service.url}/api/v1/generation/submit`, { method: "POST", headers, body });
  jobId = ((await answer.json()) as { task_id: string }).task_id;
  await until(
    "the job has its result",
    async () => /jobs_finished_total\{model="T2V-A14B",outcome="succeeded"\} 1/.test(await scrape()),
    90_000,
  );
  // Rows are told a moment after what they tell of, the mode follows the last of them, and a dead worker's card is measured again later.
  const isTold = (scraped: string): boolean =>
    valueIn(scraped, "understudy_incidents_open") === 0 &&
    valueIn(scraped, 'understudy_mode{mode="ready"}') === 1 &&
    scraped.includes("understudy_gpu_info{") &&
    /^understudy_incident_duration_seconds_count\{failure_type="\w+"\} 1$/m.test(scraped) &&
    valueIn(scraped, 'understudy_job_duration_seconds_count{model="T2V-A14B"}') === 1 &&
    valueIn(scraped, 'understudy_job_phase_seconds_count{phase="mux"}') === 1;
  text = await until(
    "the incident is closed and all of it is told",
    async () => {
      const scraped = await scrape();
      return isTold(scraped) ? scraped : undefined;
    },
    60_000,
  );
}, 180_000);
afterAll(async () => {
  await endService(service);
  directory.remove();
});

describe("a scrape", () => {
  it("needs a key where one is needed, and is plain text of the format's version", async () => {
    expect((await fetch(`${service.url}/metrics`)).status).toBe(401);
    const answer = await fetch(`${service.url}/metrics`, { headers: bearer });
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  });

  it("tells of the job, of the death under it, and of what was done about it", () => {
    const labels = 'model="T2V-A14B"';
    expect(valueIn(text, `understudy_jobs_submitted_total{${labels}}`)).toBe(1);
    expect(valueIn(text, `understudy_job_duration_seconds_count{${labels}}`)).toBe(1);
    expect(text).toMatch(/^understudy_attempts_total\{model="T2V-A14B",outcome="hostLoss",code="[A-Z_]+"\} 1$/m);
    expect(valueIn(text, `understudy_attempts_total{${labels},outcome="succeeded",code="none"}`)).toBe(1);
    expect(text).toMatch(/^understudy_worker_restarts_total\{worker="worker-0",reason="(?:signal|exit)"\} 1$/m);
    expect(text).toMatch(/^understudy_incidents_opened_total\{failure_type="\w+"\} 1$/m);
    expect(text).toMatch(/^understudy_incident_duration_seconds_count\{failure_type="\w+"\} 1$/m);
    expect(valueIn(text, 'understudy_job_phase_seconds_count{phase="mux"}')).toBe(1);
    expect(valueIn(text, 'understudy_mode{mode="ready"}')).toBe(1);
    expect(valueIn(text, 'understudy_gpu_info{gpu="SIM-worker-0",name="Simulated 80 GiB card",kind="simulated"}')).toBe(
      1,
    );
  });

  it("has every name that panels and alerts ask for", () => {
    const declared = declaredIn(text);
    for (const expr of [...allDashboardExpressions(), ...readRules().map((rule) => rule.expr)])
      for (const name of familiesIn(expr)) expect(declared, `${name} in ${expr}`).toContain(name);
  });

  it("names no job, no incident, no prompt and no path", () => {
    expect(text).not.toContain(jobId);
    expect(text).not.toMatch(/inc-\d|walrus|accordion/);
    expect(text).not.toContain(directory.path);
  });
});

describe("the log at level info", () => {
  const lines = (): Record<string, unknown>[] =>
    service
      .output()
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it("is JSON with request, job and incident ids, so that one leads to the other", () => {
    expect(lines().find((line) => line["requestId"] === "marked-request")).toMatchObject({
      event: "request.answered",
      route: "/api/v1/generation/submit",
      status: 200,
      jobId,
      keyId: "environment",
    });
    expect(lines().find((line) => line["event"] === "job.succeeded")).toMatchObject({ jobId, workerId: "worker-0" });
    expect(lines().find((line) => line["event"] === "incident.opened")).toMatchObject({
      incidentId: expect.stringMatching(/^inc-/),
    });
    expect(
      lines().some((line) => line["event"] === "machine.transitioned" && line["actor"] === "worker-0/pipeline"),
    ).toBe(true);
  });

  it("and the rows of the event log have neither the prompt nor a key", () => {
    const rows = lookIntoStore(directory.path, (database) =>
      JSON.stringify(database.prepare("select * from events").all()),
    );
    for (const said of [service.output(), rows]) {
      expect(said.length).toBeGreaterThan(1_000);
      expect(said).not.toMatch(/walrus|accordion/);
      expect(said).not.toContain(key);
    }
  });
});
