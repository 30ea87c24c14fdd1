import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { renderDashboard } from "../../scripts/grafana/dashboard.ts";
import type { EventKind, EventMap, EventRow, RowHead } from "../../src/core/events.ts";
import type { Sample } from "../../src/core/ports/telemetry-probe.ts";
import type { Outcome } from "../../src/core/words.ts";
import { createMetrics, type Figures, type Metrics } from "../../src/telemetry/metrics/metrics.ts";
import {
  allDashboardExpressions,
  declaredIn,
  deployPath,
  familiesIn,
  readRules,
  recordsIn,
  valueIn,
} from "../harness/metric-names.ts";
import { rowOf } from "../harness/sample-rows.ts";

const quiet: Figures = {
  mode: "ready",
  openIncidentCount: 0,
  queue: { queuedCount: 0, runningCount: 0, longestWaitMs: null },
  workers: [
    {
      id: "w0",
      condition: "connected",
      breaker: "closed",
      isBusy: false,
      residueBytes: null,
      exhaustionInMs: null,
      memoryMode: { profile: "tiling", timeFactor: 1.1 },
    },
  ],
  passedDrills: [],
};

let metrics: Metrics;
beforeEach(() => {
  metrics = createMetrics({ version: "1.2.3", startedAtMs: 5_000, workerIds: ["w0"], models: ["m"] });
});

const scrape = (figures: Partial<Figures> = {}): Promise<string> => metrics.render({ ...quiet, ...figures }, 3);

let seq = 0;
const row = <Kind extends EventKind>(
  kind: Kind,
  data: Partial<EventMap[Kind]> = {},
  about: Partial<RowHead> = {},
): EventRow<Kind> => {
  seq += 1;
  return rowOf(kind, data, { seq, atMs: seq * 1_000, jobId: "job-1", workerId: "w0", ...about });
};

const ended = { model: "m", age_ms: 90_000, fence: 1 };

describe("jobs", () => {
  it.each([
    ["succeeded", row("job.succeeded", { ...ended, served_by: "real", changed: false })],
    ["changed", row("job.succeeded", { ...ended, served_by: "real", changed: true })],
    ["stand_in", row("job.succeeded", { ...ended, served_by: "stand_in", changed: false })],
    ["failed", row("job.failed", { ...ended, attempt_ended_as: "error", code: "WORKER_ERROR" })],
    ["expired", row("job.expired", { ...ended, code: "JOB_DEADLINE_EXCEEDED" })],
    ["cancelled", row("job.cancelled", ended)],
    ["quarantined", row("job.quarantined", { ...ended, attempt_ended_as: "death", code: "JOB_QUARANTINED" })],
  ])("that ended as %s count as that and as nothing else", async (outcome, event) => {
    metrics.rows([event]);
    const text = await scrape();
    const counted = text
      .split("\n")
      .filter((line) => line.startsWith("understudy_jobs_finished_total{") && !line.endsWith(" 0"));
    expect(counted).toEqual([`understudy_jobs_finished_total{model="m",outcome="${outcome}"} 1`]);
  });

  it("a stand-in is no real result: it has no duration of one", async () => {
    metrics.rows([row("job.succeeded", { ...ended, served_by: "stand_in", changed: false })]);
    expect(valueIn(await scrape(), 'understudy_job_duration_seconds_count{model="m"}')).toBeUndefined();
    metrics.rows([row("job.succeeded", { ...ended, served_by: "real", changed: false })]);
    expect(valueIn(await scrape(), 'understudy_job_duration_seconds_sum{model="m"}')).toBe(90);
  });

  it("an attempt is counted by its end and its code, a job that never had one is none", async () => {
    metrics.rows([
      row("job.retried", { ...ended, attempt_ended_as: "death", code: "WORKER_EXITED" }),
      row("job.released", { model: "m", fence: 2 }),
      row("job.cancelled", { model: "m", age_ms: 1 }),
    ]);
    const text = await scrape();
    expect(text.split("\n").filter((line) => line.startsWith("understudy_attempts_total{"))).toEqual([
      'understudy_attempts_total{model="m",outcome="death",code="WORKER_EXITED"} 1',
      'understudy_attempts_total{model="m",outcome="released",code="none"} 1',
    ]);
  });

  it("phases and steps are measured from what was seen of them, and not where an adoption hid the beginning", async () => {
    const progress = (jobId: string, phase: "encode" | "denoise", step: number, atMs: number): void =>
      metrics.progress({ jobId, workerId: "w0", phase, step, of: 40, ratio: 0, atMs, etaMs: null });
    progress("a", "encode", 0, 1_000);
    progress("a", "denoise", 0, 3_000);
    progress("a", "denoise", 4, 11_000);
    progress("b", "denoise", 20, 50_000);
    metrics.rows([row("render.completed", {}, { jobId: "b", atMs: 90_000 })]);
    const text = await scrape();
    expect(valueIn(text, 'understudy_job_phase_seconds_sum{phase="encode"}')).toBe(2);
    expect(valueIn(text, 'understudy_job_phase_seconds_count{phase="denoise"}')).toBeUndefined();
    expect(valueIn(text, 'understudy_attempt_step_seconds_sum{phase="denoise"}')).toBe(2);
    expect(valueIn(text, 'understudy_worker_last_progress_timestamp_seconds{worker="w0"}')).toBe(50);
  });

  it("the last phase is measured also where the job's end is told before the render's", async () => {
    metrics.progress({ jobId: "a", workerId: "w0", phase: "mux", step: 0, of: 9, ratio: 0, atMs: 1_000, etaMs: null });
    metrics.rows([
      row("job.succeeded", { ...ended, served_by: "real", changed: false }, { jobId: "a", atMs: 3_500 }),
      row("render.completed", {}, { jobId: "a", atMs: 3_000 }),
    ]);
    expect(valueIn(await scrape(), 'understudy_job_phase_seconds_sum{phase="mux"}')).toBe(2);
  });
});

describe("recovery", () => {
  const measure = (deviceFreeBytes: number | null) => ({
    atMs: 1,
    deviceFreeBytes,
    workerReservedBytes: null,
    workerAllocatedBytes: null,
  });
  const rung = (outcome: Outcome, before: number | null, after: number | null): EventRow =>
    row("rung.ended", {
      action: "clear_gpu_cache",
      outcome,
      failure_type: "vram_exhaustion",
      started_at_ms: 1_000,
      ended_at_ms: 3_500,
      evidence: { action: "clear_gpu_cache", before: measure(before), applied: [], after: measure(after) },
    });

  it("an action counts under what was measured, with its time and what it freed", async () => {
    metrics.rows([rung("effective", 1_000, 4_000), rung("unknown", null, 4_000), rung("skipped", 0, 0)]);
    const text = await scrape();
    const series = (outcome: string): string =>
      `understudy_recovery_actions_total{action="clear_gpu_cache",failure_type="vram_exhaustion",outcome="${outcome}"}`;
    expect(["effective", "unknown", "skipped", "failed"].map((outcome) => valueIn(text, series(outcome)))).toEqual([
      1, 1, 1, 0,
    ]);
    expect(valueIn(text, 'understudy_recovery_action_seconds_count{action="clear_gpu_cache"}')).toBe(2);
    expect(valueIn(text, 'understudy_recovery_freed_bytes_count{action="clear_gpu_cache"}')).toBe(1);
    expect(valueIn(text, 'understudy_recovery_freed_bytes_sum{action="clear_gpu_cache"}')).toBe(3_000);
  });

  it("incidents are counted when they open and timed when they close", async () => {
    metrics.rows([
      row("incident.opened", { failure_type: "network_error" }),
      row("incident.closed", { failure_type: "network_error", open_ms: 42_000, status: "resolved" }),
    ]);
    const text = await scrape({ openIncidentCount: 2 });
    expect(valueIn(text, 'understudy_incidents_opened_total{failure_type="network_error"}')).toBe(1);
    expect(valueIn(text, 'understudy_incident_duration_seconds_sum{failure_type="network_error"}')).toBe(42);
    expect(valueIn(text, "understudy_incidents_open")).toBe(2);
  });
});

describe("workers and statecharts", () => {
  it("a restart is a new process in the place of one that ended, by why that one ended", async () => {
    metrics.rows([
      row("worker.connected", { adopted: false }),
      row("worker.exited", { expected: false, signal: "SIGKILL" }),
      row("worker.connected", { adopted: false }),
      row("worker.exited", { expected: false, silent_for_ms: 10_000, signal: "SIGKILL" }),
      row("worker.connected", { adopted: true }),
    ]);
    const text = await scrape();
    const restarts = (reason: string): number | undefined =>
      valueIn(text, `understudy_worker_restarts_total{worker="w0",reason="${reason}"}`);
    expect(["signal", "silence", "asked", "exit"].map(restarts)).toEqual([1, 0, 0, 0]);
  });

  it("each state has a series, and one of them is 1", async () => {
    const text = await scrape({
      mode: "mock",
      workers: [{ ...(quiet.workers[0] as Figures["workers"][number]), breaker: "halfOpen" }],
    });
    expect(text.match(/^understudy_mode\{mode="\w+"\} 1$/gm)).toEqual(['understudy_mode{mode="mock"} 1']);
    expect(text.match(/^understudy_mode\{/gm)).toHaveLength(6);
    expect(text.match(/^understudy_breaker_state\{.+\} 1$/gm)).toEqual([
      'understudy_breaker_state{worker="w0",state="halfOpen"} 1',
    ]);
  });

  it("a transition counts under its machine, whichever incident it is of", async () => {
    const frame = { from: "a", event: "e", tags: [] };
    metrics.transition({ actor: "w0/pipeline", to: "generating.denoising", ...frame }, 7_000);
    metrics.transition({ actor: "recovery/inc-1-1", to: "acting", ...frame }, 7_000);
    metrics.transition({ actor: "recovery/inc-1-2", to: "acting", ...frame }, 7_000);
    metrics.transition({ actor: "recovery/inc-1-2", to: "a", ...frame }, 8_000);
    const text = await scrape();
    expect(valueIn(text, 'understudy_machine_transitions_total{machine="pipeline",to="generating"}')).toBe(1);
    expect(valueIn(text, 'understudy_machine_transitions_total{machine="recovery",to="acting"}')).toBe(2);
    expect(valueIn(text, 'understudy_machine_state_entered_timestamp_seconds{actor="w0/pipeline"}')).toBe(7);
    expect(text).not.toContain("inc-1-");
  });
});

describe("cards", () => {
  const host = { cpuRatio: 0.5, memoryRatio: 0.25, memoryUsedBytes: 4, memoryTotalBytes: 16, diskFreeBytes: 100 };
  const card = {
    uuid: "GPU-1",
    name: "card",
    totalBytes: 80,
    usedBytes: 20,
    utilizationRatio: null,
    temperatureCelsius: 60,
    unavailable: {},
  };
  const withCard: Sample = { atMs: 0, gpuKind: "nvidia", gpus: [card], host };
  const gpuSeries = (text: string): readonly string[] =>
    text.split("\n").filter((line) => line.startsWith("understudy_gpu_"));

  it("that are not there have no series, and nothing is invented for what was not measured", async () => {
    expect(gpuSeries(await scrape())).toEqual([]);
    metrics.sample({ atMs: 0, gpuKind: "absent", gpus: [], host });
    expect(gpuSeries(await scrape())).toEqual([]);
    metrics.sample(withCard);
    expect(gpuSeries(await scrape())).toEqual([
      'understudy_gpu_memory_used_bytes{gpu="GPU-1"} 20',
      'understudy_gpu_memory_total_bytes{gpu="GPU-1"} 80',
      'understudy_gpu_temperature_celsius{gpu="GPU-1"} 60',
      'understudy_gpu_info{gpu="GPU-1",name="card",kind="nvidia"} 1',
    ]);
  });

  it.each<[string, Sample | null]>([
    ["nothing can be measured any more", null],
    [
      "the card was measured too long ago",
      { ...withCard, gpuStatus: { state: "unknown", reason: "late", measuredAtMs: 0, evidence: {} } },
    ],
    ["the card is gone", { ...withCard, gpus: [] }],
  ])("lose their series when %s", async (_why, next) => {
    metrics.sample(withCard);
    metrics.sample(next);
    expect(gpuSeries(await scrape())).toEqual([]);
    expect(valueIn(await scrape(), 'understudy_disk_free_bytes{mount="state_dir"}')).toBe(
      next === null ? undefined : 100,
    );
  });
});

describe("downloads", () => {
  it("count what was fetched, and not what was on the disk before", async () => {
    const progress = {
      phase: "fetching",
      totalBytes: 1_000,
      bytesPerSecond: 1,
      etaMs: null,
      doneFileCount: 0,
      fileCount: 1,
      trouble: null,
    } as const;
    metrics.pulled("m", { ...progress, doneBytes: 600 });
    metrics.pulled("m", { ...progress, doneBytes: 750 });
    const text = await scrape();
    expect(valueIn(text, 'understudy_download_bytes_total{model="m"}')).toBe(150);
    expect(valueIn(text, 'understudy_download_remaining_bytes{model="m"}')).toBe(250);
  });
});

describe("answers", () => {
  it("are counted by route, method and class, and a method of a caller's own making is another", async () => {
    metrics.answered({ method: "GET", route: "/api/v1/queue/:id", status: 404, tookMs: 12 });
    metrics.answered({ method: "BREW", route: "unmatched", status: 405, tookMs: 1 });
    const text = await scrape();
    const of = (labels: string): number | undefined =>
      valueIn(text, `understudy_http_request_duration_seconds_count{${labels}}`);
    expect(of('route="/api/v1/queue/:id",method="GET",status_class="4xx"')).toBe(1);
    expect(of('route="unmatched",method="other",status_class="4xx"')).toBe(1);
    expect(valueIn(text, "understudy_stream_clients")).toBe(3);
  });
});

describe("alert rules and the dashboard", () => {
  const expressions = [...allDashboardExpressions(), ...readRules().map(({ expr }) => expr)];

  it("ask for nothing that the service does not publish", async () => {
    const declared = declaredIn(await scrape());
    expect(expressions.length).toBeGreaterThan(50);
    for (const expr of expressions)
      for (const name of familiesIn(expr)) expect(declared, `${name} in ${expr}`).toContain(name);
  });

  it("ask for no recording that no rule makes", () => {
    const records = readRules().flatMap(({ record }) => (record === undefined ? [] : [record]));
    expect(records.length).toBeGreaterThan(3);
    for (const expr of expressions) for (const name of recordsIn(expr)) expect(records).toContain(name);
  });

  it("the committed dashboard is what the source makes", () => {
    expect(readFileSync(deployPath("grafana/understudy.json"), "utf8")).toBe(renderDashboard());
  });

  it("the dashboard has a stable uid, asks for its data source, and shows the mode as a timeline of states", () => {
    const made = JSON.parse(renderDashboard()) as {
      uid: string;
      panels: Record<string, unknown>[];
      templating: { list: { name: string }[] };
    };
    expect(made.uid).toBe("understudy");
    expect(made.templating.list.map(({ name }) => name)).toContain("DS_PROMETHEUS");
    expect(made.panels.find(({ title }) => title === "Mode")).toMatchObject({ type: "state-timeline" });
    for (const panel of made.panels.filter(({ type }) => type !== "row"))
      expect(panel["datasource"]).toEqual({ type: "prometheus", uid: `\${DS_PROMETHEUS}` });
    expect(new Set(made.panels.map(({ id }) => id)).size).toBe(made.panels.length);
  });
});
