/** Clients that never stop asking, while the worker is killed under them. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failureTypes } from "../../src/core/words.ts";
import {
  clock,
  endService,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";

const directory = makeStateDir();
const standInAfterMs = 500;
let service: RunningService;

beforeAll(async () => {
  service = await startService({ stateDir: directory.path, env: { UNDERSTUDY_STAND_IN_AFTER: `${standInAfterMs}ms` } });
});
afterAll(async () => {
  await endService(service);
  directory.remove();
});

interface Row {
  readonly kind: string;
  readonly atMs: number;
}

function rowsAfter(atMs: number): Row[] {
  const database = new DatabaseSync(join(directory.path, "understudy.db"), { readOnly: true });
  const rows = database
    .prepare("select kind, at_ms as atMs from events where at_ms >= ? order by seq")
    .all(atMs) as unknown as Row[];
  database.close();
  return rows;
}

const ready = (): Promise<unknown> =>
  until("the service is ready", async () => (await service.json<{ mode: string }>("/readyz")).body.mode === "ready");

interface Task {
  readonly status: string;
  readonly is_mock: boolean;
}

/** Of the first back-off, with its jitter; each next one is twice as long. */
const longestBackoffMs = 1_200;
/** The host may be busy with something else just then: the best of so many kills counts. */
const mostKills = 3;

interface Kill {
  readonly statuses: readonly number[];
  readonly answeredAfterMs: number;
  readonly replacedAfterMs: number;
}

/** Kills the worker in the middle of a render, while 20 requests arrive every second, and waits until all that was asked is delivered. */
async function killUnderLoad(): Promise<Kill> {
  const id = await service.submit({ steps: 40, num_frames: 33 });
  await until(
    "it renders",
    async () => (await service.json<{ phase?: string }>(`/api/v1/generate/${id}`)).body.phase === "denoise",
  );
  const statuses: number[] = [];
  let isOver = false;
  const load = (async () => {
    for (let number = 0; !isOver; number += 1) {
      const request =
        number % 10 === 0
          ? service.submit({ steps: 4 }).then(() => 200)
          : service.json("/api/v1/queue").then(({ status }) => status);
      void request.then((status) => statuses.push(status)).catch(() => statuses.push(0));
      await clock.sleep(50);
    }
  })();
  await clock.sleep(500);
  const killedAtMs = clock.nowMs();
  process.kill(service.worker()?.pid ?? 0, "SIGKILL");
  const exitedAtMs = await until(
    "the exit is known",
    () => rowsAfter(killedAtMs).find((row) => row.kind === "worker.exited")?.atMs,
  );
  const answeredAtMs = await until("the job's owner knows where it stands", async () => {
    const { body } = await service.json<Task>(`/api/v1/generate/${id}`);
    return body.status === "pending" || body.is_mock ? clock.nowMs() : null;
  });
  const provenAtMs = await until(
    "the replacement is ready",
    () => rowsAfter(exitedAtMs).find((row) => row.kind === "model.proven")?.atMs,
  );
  isOver = true;
  await load;
  await until(
    "everything is delivered",
    async () => {
      const { body } = await service.json<{ pending_tasks: number; processing_tasks: number }>("/api/v1/queue");
      return body.pending_tasks + body.processing_tasks === 0;
    },
    60_000,
  );
  return { statuses, answeredAfterMs: answeredAtMs - exitedAtMs, replacedAfterMs: provenAtMs - exitedAtMs };
}

describe("a worker that is killed while 20 requests a second arrive", { timeout: 240_000 }, () => {
  it("fails no request, answers at once where the job stands, and is replaced within its cold start", async () => {
    await ready();
    const at = (kind: string): number => rowsAfter(0).find((row) => row.kind === kind)?.atMs ?? 0;
    const coldStartMs = at("model.proven") - at("service.started");
    let isInTime = false;
    for (let kill = 0; kill < mostKills && !isInTime; kill += 1) {
      const { statuses, answeredAfterMs, replacedAfterMs } = await killUnderLoad();
      const backoffMs = longestBackoffMs * 2 ** kill;
      console.log(
        `killed under load: ${statuses.length} requests, ${statuses.filter((status) => status !== 200).length} failed; ` +
          `answered ${answeredAfterMs} ms after the exit; replaced after ${replacedAfterMs} ms (cold start ${coldStartMs} ms, back-off up to ${backoffMs} ms)`,
      );
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(statuses.length).toBeGreaterThan(20);
      isInTime = answeredAfterMs <= standInAfterMs + 100 && replacedAfterMs <= coldStartMs + backoffMs + 200;
    }
    expect(isInTime).toBe(true);
  });
});

describe("a trigger on a healthy, idle service", { timeout: 60_000 }, () => {
  it.each(failureTypes)(
    "of %s repairs nothing, and leaves mode, memory mode and process as they were",
    async (failure_type) => {
      await ready();
      await until("no incident is open", async () => {
        const { body } = await service.json<{ open_incidents: unknown[] }>("/api/v1/recovery/status");
        return body.open_incidents.length === 0;
      });
      const pid = service.worker()?.pid;
      const since = clock.nowMs();
      const { status, body } = await service.json("/api/v1/recovery/trigger", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ failure_type }),
      });
      expect([status, body]).toMatchObject([200, { success: true, message: "Nothing to repair: test render passed" }]);
      await ready();
      expect(service.worker()?.pid).toBe(pid);
      const kinds = rowsAfter(since).map((row) => row.kind);
      expect(kinds).not.toContain("worker.exited");
      expect(kinds).not.toContain("mode.changed");
    },
  );
});

describe("a trigger while a job renders", { timeout: 90_000 }, () => {
  it("waits behind it, says so, and finds nothing to repair once it has ended", async () => {
    await ready();
    const since = clock.nowMs();
    const pid = service.worker()?.pid;
    const id = await service.submit({ steps: 100, num_frames: 81 });
    await until(
      "it renders",
      async () => (await service.json<{ phase?: string }>(`/api/v1/generate/${id}`)).body.phase === "denoise",
    );
    const { body } = await service.json<{ incident_id: string }>("/api/v1/recovery/trigger?wait=1", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ failure_type: "model_loading_failure" }),
    });
    expect(body).toMatchObject({
      success: false,
      pending: true,
      message: `Recovery queued behind job ${id}`,
      actions: [],
    });
    const incident = await until("the incident has ended", async () => {
      const answer = await service.json<{ status: string }>(`/api/v1/recovery/incidents/${body.incident_id}`);
      return answer.body.status === "open" ? null : answer.body;
    });
    expect(incident.status).toBe("resolved");
    const kinds = rowsAfter(since).map((row) => row.kind);
    expect(kinds.indexOf("render.completed")).toBeLessThan(kinds.indexOf("canary.passed"));
    expect(kinds).not.toContain("rung.started");
    expect(kinds).not.toContain("worker.exited");
    expect(service.worker()?.pid).toBe(pid);
  });
});
