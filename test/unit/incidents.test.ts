import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { spanOf } from "../../src/contract/incident-markdown.ts";
import { incidentListSchema, incidentReportSchema } from "../../src/contract/incident-wire.ts";
import { problemSchema } from "../../src/contract/problem.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { classify } from "../../src/recovery/classify.ts";
import { eventOf } from "../harness/sample-rows.ts";
import { makeFailure, suspectedDeath } from "./job-store-world.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

let world: ServerWorld;
let clock: VirtualClock;
beforeEach(() => {
  clock = createVirtualClock();
  world = createServerWorld(clock);
});
afterEach(() => world.close());

const get = async (path: string, headers: Record<string, string> = {}) =>
  world.app.request(`/api/v1/recovery/incidents${path}`, { headers });
const open = (id: string, jobId: string | null = null): Promise<void> =>
  world.store.incidents.open({
    id,
    key: id,
    openedAtMs: clock.nowMs(),
    failureType: "generation_pipeline_error",
    workerId: "worker-0",
    firstEvidenceAtMs: clock.nowMs() - 250,
    data: { fault: classify({ exitSignal: "SIGSEGV", message: "boom | <b>" }), model: null, job_id: jobId },
  });

const lease = { jobId: "", fence: 1 };
const failLease = (jobId: string, runAtMs: number) =>
  world.store.jobs.fail(
    { ...lease, jobId },
    makeFailure(runAtMs, { code: "WORKER_EXITED", message: "died", ...suspectedDeath }),
  );

async function writeStory(): Promise<string> {
  const jobId = await world.submitted({ prompt: "a secret red fox" });
  await world.claim();
  await world.store.events.append([eventOf("worker.exited", { signal: "SIGSEGV" }, { workerId: "worker-0" })]);
  await open("inc-1-1", jobId);
  const about = { incidentId: "inc-1-1", workerId: "worker-0" };
  await clock.advance(100);
  await failLease(jobId, clock.nowMs());
  await world.store.events.append([{ kind: "mode.changed", data: { from: "ready", to: "recovering" } }]);
  await clock.advance(1_900);
  await world.standIn(jobId);
  const measure = (deviceFreeBytes: number) => ({
    atMs: clock.nowMs(),
    deviceFreeBytes,
    workerReservedBytes: null,
    workerAllocatedBytes: null,
  });
  const evidence = {
    action: "clear_gpu_cache",
    before: measure(1024 ** 3),
    applied: [],
    after: measure(4 * 1024 ** 3),
  } as const;
  const rung = {
    action: "clear_gpu_cache",
    outcome: "effective",
    reason: "memory for 'a secret red fox' rose",
    failure_type: "generation_pipeline_error",
    climb: 1,
  } as const;
  const times = { started_at_ms: clock.nowMs() - 500, ended_at_ms: clock.nowMs() };
  await world.store.events.append([
    { kind: "rung.ended", ...about, data: { ...rung, ...times, evidence } },
    { kind: "canary.passed", ...about, data: {} },
    {
      kind: "machine.transitioned",
      ...about,
      data: {
        actor: "recovery/inc-1-1",
        from: "probing",
        to: "returning",
        event: "x",
        tags: [],
        step: {
          number: 2,
          at_ms: clock.nowMs(),
          payload: { output: { reason: "took 7 ms" } },
          reports: ["canary.passed"],
        },
      },
    },
    { kind: "recovery.reset", actor: "operator:ada", data: {} },
    eventOf("worker.exited", {}, { workerId: "worker-9" }),
  ]);
  await clock.advance(1_000);
  await world.store.incidents.close("inc-1-1", "resolved", 1);
  await clock.advance(5_000);
  await world.finish();
  return jobId;
}

describe("one incident", () => {
  it("tells its cause, what was tried and measured, the jobs and how each ended, and the operator's acts", async () => {
    const jobId = await writeStory();
    const answer = await get("/inc-1-1");
    const report = incidentReportSchema.parse(await answer.json());
    expect(report).toMatchObject({
      status: "resolved",
      simulated: true,
      open_for_ms: 3_000,
      detected_after_ms: 250,
      answers: { queued_after_ms: 100, stood_in_after_ms: 2_000, real_after_ms: 8_000 },
      ending: expect.stringContaining("clear_gpu_cache helped"),
      cause: { message: expect.any(String), evidence: { exit_signal: "SIGSEGV" } },
      rungs: [
        {
          action: "clear_gpu_cache",
          outcome: "effective",
          took_ms: 500,
          evidence: { before: { device_free_bytes: 1024 ** 3 } },
        },
      ],
      canaries: [{ passed: true, reason: "took 7 ms" }],
      jobs: [{ id: jobId, because: "incident.opened", state: "succeeded", served_by: "real" }],
      job_count: 1,
      acts: [{ by: "operator:ada", kind: "recovery.reset" }],
      timeline_truncated: false,
    });
    const kinds = report.timeline.map((entry) => entry.kind);
    expect(kinds).toEqual(
      expect.arrayContaining(["worker.exited", "incident.opened", "job.retried", "mode.changed", "job.succeeded"]),
    );
    expect(kinds.filter((kind) => kind === "worker.exited")).toHaveLength(1);
    expect(report.timeline.map((entry) => entry.seq)).toEqual(
      report.timeline.map((entry) => entry.seq).toSorted((a, b) => a - b),
    );
    expect(JSON.stringify(report)).not.toContain("secret red fox");
  });

  it("is a readable page for who accepts Markdown, with nobody else's text as markup", async () => {
    const jobId = await writeStory();
    const answer = await get("/inc-1-1", { accept: "text/markdown" });
    const page = await answer.text();
    expect([answer.headers.get("content-type"), answer.headers.get("vary")]).toEqual([
      "text/markdown; charset=utf-8",
      "Accept",
    ]);
    const headings = page.split("\n").filter((line) => line.startsWith("#"));
    expect(headings).toEqual([
      "# Incident inc-1-1: generation pipeline error, resolved",
      "## What happened",
      "## Cause",
      "## What was tried",
      "## How it ended",
      "## Jobs",
      "## Timeline",
    ]);
    expect(page).toContain("SIMULATED");
    expect(page).toContain("  - exit signal: SIGSEGV");
    expect(page).toContain("| clear gpu cache | effective | 0.5 s |");
    expect(page).toContain("free on the device 1.0 GiB → 4.0 GiB");
    expect(page).toContain(`| ${jobId} | incident.opened | succeeded | real |`);
    expect(page).toMatch(/\| \+2\.0 s \| Job .* shows a stand-in/);
    expect(page).toContain("boom \\| \\<b\\>");
    expect(page).not.toContain("secret red fox");
    expect((await (await get("/inc-1-1", { accept: "*/*" })).json()) as object).toMatchObject({ id: "inc-1-1" });
  });

  it("that does not exist is a problem", async () => {
    const answer = await get("/inc-9-9");
    expect([answer.status, problemSchema.parse(await answer.json()).code]).toEqual([404, "NOT_FOUND"]);
  });
});

describe("the list of incidents", () => {
  it("is newest first in pages that neither repeat nor leave out, also while new ones open", async () => {
    for (const id of ["inc-1-1", "inc-1-2", "inc-1-3"]) {
      await open(id);
      await clock.advance(10);
    }
    await world.store.incidents.close("inc-1-2", "resolved", 1);
    const first = incidentListSchema.parse(await (await get("?limit=2")).json());
    await open("inc-1-4");
    const second = incidentListSchema.parse(await (await get(`?limit=2&cursor=${first.cursor}`)).json());
    expect([...first.incidents, ...second.incidents].map(({ id }) => id)).toEqual(["inc-1-3", "inc-1-2", "inc-1-1"]);
    expect(second.cursor).toBeUndefined();
    const resolved = incidentListSchema.parse(await (await get("?status=resolved,abandoned")).json());
    expect(resolved.incidents.map(({ id }) => id)).toEqual(["inc-1-2"]);
  });

  it.each(["?cursor=x", "?cursor=", "?limit=0", "?limit=1001", "?limit=ten", "?status=closed"])(
    "%s is refused as a problem",
    async (query) => {
      const answer = await get(query);
      expect([answer.status, problemSchema.parse(await answer.json()).code]).toEqual([422, "REQUEST_INVALID"]);
    },
  );
});

describe("analytics", () => {
  it("counts what was tried, and refuses a time that is none or lies ahead", async () => {
    await writeStory();
    const body = (await (await world.app.request("/api/v1/recovery/analytics")).json()) as object;
    expect(body).toMatchObject({
      incidents: { opened: 1, resolved: 1 },
      actions: [
        {
          action: "clear_gpu_cache",
          tried: 1,
          effective: 1,
          skipped: 0,
          duration: { count: 1, p50_ms: 500, p95_ms: 500 },
        },
      ],
      time_to_detect: { count: 1, mean_ms: 250 },
      time_to_first_answer: { count: 1, p50_ms: 100, stand_in: { p50_ms: 2_000 }, real_result: { p50_ms: 8_000 } },
      time_to_recover: { count: 1, p50_ms: 3_000 },
    });
    const later = "2999-01-01T00:00:00Z";
    for (const since of ["yesterday", later])
      expect((await world.app.request(`/api/v1/recovery/analytics?since=${since}`)).status).toBe(422);
  });
});

it.each([
  [400, "0.4 s"],
  [59_940, "59.9 s"],
  [200_000, "3 min 20 s"],
  [7_500_000, "2 h 5 min"],
])("%d ms reads %s", (spanMs, text) => {
  expect(spanOf(spanMs)).toBe(text);
});
