/**
 * Every class of failures on the real simulator process, as a table: what it was known as, what was done, with which
 * outcomes, and how long it took until it was noticed, until whoever waited had something, and until all was well again.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { IncidentReport } from "../../src/contract/incident-wire.ts";
import { type MemoryGroup, openMemoryGroup } from "../harness/memory-group.ts";
import { signalProcess } from "../harness/processes.ts";
import { newestSeq, type Row, rowsSince } from "../harness/rows.ts";
import {
  clock,
  endService,
  isAlive,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { inPhase } from "../harness/tasks.ts";
import { type ClassRow, classRows } from "./fault-classes.ts";

const directory = makeStateDir();
let service: RunningService;
const table: Record<string, Record<string, string>> = {};

beforeAll(async () => {
  service = await startService({
    stateDir: directory.path,
    // Each class stands alone: no cooldown of the one before it, no back-off that grew with it, and room for every repair.
    env: {
      UNDERSTUDY_RECOVERY_COOLDOWN: "0s",
      UNDERSTUDY_RECOVERY_BUDGET_ACTIONS: "200",
      UNDERSTUDY_RECOVERY_BREAKER_REPAIRS: "100",
      UNDERSTUDY_RECOVERY_LOOK_BACK_FIRST: "2s",
      UNDERSTUDY_SUPERVISION_BACKOFF_LONGEST: "1s",
      UNDERSTUDY_SUPERVISION_CRASH_LOOP_DEATHS: "100",
      UNDERSTUDY_HEALTH_SAMPLE: "1s",
    },
  });
});
afterAll(async () => {
  console.table(table);
  await endService(service);
  directory.remove();
});

const calm = (limitMs = 120_000): Promise<unknown> =>
  until(
    "the service is ready and no incident is open",
    async () => {
      const { body } = await service.json<{ mode: string; open_incidents: unknown[] }>("/api/v1/recovery/status");
      return body.mode === "ready" && body.open_incidents.length === 0;
    },
    limitMs,
  );

/** The service's next worker in a group of its own, in which it is born: a process's group is known from its start on. */
async function enterMemoryGroup(): Promise<MemoryGroup> {
  const group = openMemoryGroup("drills");
  group.enter(service.pid);
  const pid = service.worker()?.pid ?? 0;
  signalProcess(pid, "SIGKILL");
  await until("the next worker", () => (service.worker()?.pid ?? pid) !== pid);
  await calm();
  // Only the worker is short of memory, whatever the service itself has grown to.
  group.release(service.pid);
  return group;
}

const seconds = (ms: number | null | undefined): string =>
  ms === null || ms === undefined ? "-" : (ms / 1_000).toFixed(1);

/** From the worker's last sign before the fault to the first row that tells of it. */
function detectionOf(rows: readonly Row[], incident: IncidentReport | undefined): string {
  if (incident?.detected_after_ms !== undefined) return seconds(incident.detected_after_ms);
  return rows.some(({ kind }) => kind === "job.failed" || kind === "job.retried") ? "0.0" : "-";
}

async function incidentAfter(rows: readonly Row[]): Promise<IncidentReport | undefined> {
  const id = rows.find(({ kind }) => kind === "incident.opened")?.incidentId;
  return id == null ? undefined : (await service.json<IncidentReport>(`/api/v1/recovery/incidents/${id}`)).body;
}

async function play(
  row: ClassRow,
): Promise<{ rows: readonly Row[]; incident: IncidentReport | undefined; jobId: string; fromMs: number }> {
  await calm();
  const group = row.strike === "killForMemory" ? await enterMemoryGroup() : null;
  const since = newestSeq(directory.path);
  const fromMs = clock.nowMs();
  const jobId = await service.submit({ prompt: `a fox [[sim:${row.card}]]` });
  if (group !== null) {
    const pid = service.worker()?.pid ?? 0;
    await inPhase(service, jobId, "denoise");
    group.exhaust();
    await until("the kernel has ended the worker", () => !isAlive(pid));
    group.relieve();
  }
  await service.jobIn(jobId, [row.ends], row.limitMs ?? 120_000);
  await calm();
  const rows = rowsSince(directory.path, since);
  await group?.leave();
  return { rows, incident: await incidentAfter(rows), jobId, fromMs };
}

describe("a fault of the class", { timeout: 400_000 }, () => {
  it.each(classRows.map((row) => [row.name, row] as const))("%s", async (name, row) => {
    const { rows, incident, jobId } = await play(row);
    const failed = rows.find(
      ({ kind, jobId: of }) => of === jobId && (kind === "job.failed" || kind === "job.retried"),
    );
    const rungs = incident?.rungs ?? [];
    table[name] = {
      "known as": incident?.cause.fault_class ?? String(failed?.data["code"] ?? "-"),
      code: incident?.code ?? String(failed?.data["code"] ?? "-"),
      done:
        rungs.map(({ action, outcome }) => `${action}: ${outcome}`).join("; ") ||
        (incident === undefined ? "nothing" : "waited for the worker"),
      "detected s": detectionOf(rows, incident),
      "answered s": seconds(
        incident?.answers.stood_in_after_ms ?? incident?.answers.queued_after_ms ?? incident?.answers.real_after_ms,
      ),
      "recovered s": seconds(incident?.open_for_ms),
      job: row.ends,
    };
    if (row.faultClass === null || row.ends === "failed") expect(incident).toBeUndefined();
    else expect(incident?.cause).toMatchObject({ fault_class: row.faultClass });
    if (row.ends === "failed") expect(failed?.data).toMatchObject({ code: "REQUEST_INVALID" });
    const faults = rows.map(({ data }) => (data["fault"] as { readonly faultClass?: string } | undefined)?.faultClass);
    expect(faults).not.toContain("unknown");
  });
});
