import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import {
  actionFigures,
  durationsOf,
  incidentFigures,
  modeShares,
  recoveryAnalytics,
} from "../../../src/app/incidents/incident-analytics.ts";
import { analyticsSchema, toAnalytics } from "../../../src/contract/analytics-wire.ts";
import type { IncidentRow } from "../../../src/core/ports/event-log.ts";
import { hourMs } from "../../../src/core/units.ts";
import { createVirtualClock } from "../../../src/core/virtual-clock.ts";
import type { Outcome } from "../../../src/core/words.ts";
import { migrations } from "../../../src/store/migrations.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { eventOf, rowOf } from "../../harness/sample-rows.ts";

const rung = (outcome: Outcome, tookMs: number) =>
  rowOf("rung.ended", { outcome, started_at_ms: 1_000, ended_at_ms: 1_000 + tookMs });

const incident = (change: Partial<IncidentRow>): IncidentRow => ({
  id: "i",
  key: "k",
  openedAtMs: 1_000,
  closedAtMs: null,
  status: "open",
  failureType: "vram_exhaustion",
  workerId: "w",
  firstEvidenceAtMs: null,
  answers: { queuedAtMs: null, stoodInAtMs: null, realAtMs: null },
  data: {},
  ...change,
});

describe("durations", () => {
  it("are times that were measured, beside their number", () => {
    expect(durationsOf([40, 10, 30, 20], "none")).toEqual({ count: 4, meanMs: 25, p50Ms: 20, p95Ms: 40, reason: null });
    expect(durationsOf([7], "none")).toMatchObject({ count: 1, p50Ms: 7, p95Ms: 7 });
    const hundred = Array.from({ length: 100 }, (_, n) => n + 1);
    expect(durationsOf(hundred, "none")).toMatchObject({ p50Ms: 50, p95Ms: 95 });
  });

  it("are null with a reason when nothing was measured", () => {
    expect(durationsOf([], "nothing happened")).toEqual({
      count: 0,
      meanMs: null,
      p50Ms: null,
      p95Ms: null,
      reason: "nothing happened",
    });
  });
});

it("a skipped rung is not tried, and its time does not count", () => {
  const [figures] = actionFigures([rung("skipped", 0), rung("effective", 200), rung("ineffective", 400)]);
  expect(figures).toMatchObject({
    outcomes: { effective: 1, ineffective: 1, failed: 0, unknown: 0, skipped: 1 },
    durations: { count: 2, p50Ms: 200 },
  });
});

it("an incident's times run from its opening, and each says what is unknown", () => {
  const figures = incidentFigures([
    incident({
      status: "resolved",
      closedAtMs: 9_000,
      firstEvidenceAtMs: 400,
      answers: { queuedAtMs: 1_500, stoodInAtMs: 3_000, realAtMs: null },
    }),
    incident({ answers: { queuedAtMs: null, stoodInAtMs: 5_000, realAtMs: null } }),
  ]);
  expect(figures).toMatchObject({
    incidents: { opened: 2, resolved: 1, open: 1, otherwiseClosed: 0 },
    detect: { count: 1, p50Ms: 600 },
    firstAnswer: { count: 2, p50Ms: 500, p95Ms: 4_000 },
    answers: { standIn: { count: 2 }, real: { count: 0, reason: "no job of an incident has its real result" } },
    recover: { count: 1, p50Ms: 8_000 },
  });
  expect(incidentFigures([]).recover.reason).toBe("there was no incident");
});

it("time in which the service did not run is no time in a mode", () => {
  const moments = [
    { atMs: 0, mode: "ready" },
    { atMs: 200, mode: "mock" },
    { atMs: 300, mode: null },
    { atMs: 700, mode: "loading" },
  ] as const;
  expect(modeShares(moments, 100, 1_000)).toEqual({
    observedMs: 500,
    stoppedMs: 400,
    byModeMs: { ready: 100, mock: 100, loading: 300 },
  });
});

describe("analytics of a store", () => {
  it("counts modes over a stop, from the rows alone", async () => {
    const clock = createVirtualClock();
    const store = openStore({ path: ":memory:", clock });
    const startMs = clock.nowMs();
    await store.nextEpoch();
    await clock.advance(hourMs);
    await store.events.append([{ kind: "mode.changed", data: { from: "loading", to: "ready" } }]);
    await clock.advance(2 * hourMs);
    await store.events.append([eventOf("job.submitted", {}, { jobId: "j" })]);
    await clock.advance(4 * hourMs);
    await store.nextEpoch();
    await clock.advance(hourMs);
    const wire = analyticsSchema.parse(
      toAnalytics(await recoveryAnalytics({ ...store, clock }, startMs, clock.nowMs())),
    );
    expect(wire.modes).toMatchObject({
      observed_ms: 4 * hourMs,
      stopped_ms: 4 * hourMs,
      share: { loading: 0.5, ready: 0.5, mock: 0 },
    });
    expect(wire).toMatchObject({
      actions: [],
      partial: false,
      time_to_detect: { count: 0, p50_ms: null, reason: "there was no incident" },
    });
    await store.close();
  });

  it("finds rows by their index, never by a scan", async () => {
    const directory = mkdtempSync(join(tmpdir(), "understudy-test-"));
    const path = join(directory, "understudy.db");
    const store = openStore({ path, clock: createVirtualClock() });
    await store.close();
    const database = new DatabaseSync(path);
    const plan = (sql: string): string =>
      (database.prepare(`explain query plan ${sql}`).all() as { detail: string }[])
        .map(({ detail }) => detail)
        .join("; ");
    const byKind = "kind <> 'machine.transitioned' and kind in ('a', 'b') and at_ms >= 1 and at_ms <= 2";
    expect(plan(`select * from events where ${byKind} order by seq desc limit 9`)).toMatch(
      /SEARCH events USING INDEX events_by_kind/,
    );
    expect(plan("select * from events where incident_id = 'i' and at_ms >= 1 order by seq limit 9")).toMatch(
      /events_by_incident/,
    );
    expect(
      plan(
        "select * from incidents where (opened_at, id) < (9, 'i') and opened_at >= 0 order by opened_at desc, id desc limit 9",
      ),
    ).toBe("SEARCH incidents USING INDEX incidents_by_age (opened_at>? AND (opened_at,id)<(?,?))");
    database.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("takes up a database that an older version wrote", async () => {
    const directory = mkdtempSync(join(tmpdir(), "understudy-test-"));
    const path = join(directory, "understudy.db");
    const clock = createVirtualClock();
    const database = new DatabaseSync(path);
    database.exec(`${migrations[0]}; pragma user_version = 1`);
    database.exec(
      "insert into incidents (id, key, opened_at, status, failure_type, worker_id, data) values ('inc-1-1', 'k', 1000, 'open', 'network_error', 'w', '{}')",
    );
    database.close();
    const newer = openStore({ path, clock });
    await newer.events.append([eventOf("incident.joined", {}, { incidentId: "inc-1-1", jobId: "j" })]);
    expect(await newer.incidents.get("inc-1-1")).toMatchObject({
      status: "open",
      firstEvidenceAtMs: null,
      answers: { queuedAtMs: null },
    });
    expect(await newer.incidents.jobsOf("inc-1-1", 9)).toMatchObject({
      totalCount: 1,
      jobs: [{ jobId: "j", because: "incident.joined" }],
    });
    await newer.close();
    rmSync(directory, { recursive: true, force: true });
  });
});
