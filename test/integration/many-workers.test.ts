/** One service over eight simulated cards, each with a worker process of its own. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lookIntoStore } from "../harness/rows.ts";
import {
  endService,
  isAlive,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, isReady } from "../harness/tasks.ts";

const cardCount = 8;
const workerIds = Array.from({ length: cardCount }, (_, number) => `worker-${number}`);
const longMs = 240_000;
const directory = makeStateDir();
let service: RunningService;

beforeAll(async () => {
  service = await startService({
    stateDir: directory.path,
    args: ["--sim-gpus", String(cardCount)],
    env: { UNDERSTUDY_SIM_SPEED: "4", UNDERSTUDY_RECOVERY_COOLDOWN: "0s", UNDERSTUDY_SUPERVISION_SILENCE: "30s" },
    limitMs: longMs,
  });
}, longMs);
afterAll(async () => {
  await endService(service);
  directory.remove();
}, longMs);

interface Row {
  readonly kind: string;
  readonly workerId: string | null;
  readonly jobId: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

function rowsOf(...kinds: readonly string[]): Row[] {
  const sql =
    "select kind, worker_id as workerId, job_id as jobId, data from events where kind in (select value from json_each(?)) order by seq";
  return lookIntoStore(directory.path, (database) => database.prepare(sql).all(JSON.stringify(kinds))).map((row) => ({
    ...(row as unknown as Row),
    data: JSON.parse(String(row["data"])) as Row["data"],
  }));
}

const provenWorkers = (): Set<string | null> => new Set(rowsOf("model.proven").map(({ workerId }) => workerId));
const pidOf = (workerId: string): number => service.worker(workerId)?.pid ?? 0;
const renderersOf = (ids: readonly string[]): (string | null)[] =>
  rowsOf("render.began").flatMap(({ jobId, workerId }) => (ids.includes(jobId ?? "") ? [workerId] : []));

describe("eight workers", { timeout: longMs }, () => {
  it("have a process and a card each, and all of them get ready", async () => {
    await until("every model is proven", () => provenWorkers().size === cardCount, longMs);
    const pids = workerIds.map(pidOf);
    expect(new Set(pids).size).toBe(cardCount);
    expect(pids.every(isAlive)).toBe(true);
    await isReady(service);
  });

  it("share what is waiting, and a model stays with the worker that holds it", async () => {
    const ids: string[] = [];
    for (let number = 0; number < cardCount; number += 1) ids.push(await service.submit({ steps: 40 }));
    for (const id of ids) await delivered(service, id, longMs);
    expect(new Set(renderersOf(ids)).size).toBeGreaterThan(cardCount / 2);
    const others: string[] = [];
    for (let number = 0; number < 3; number += 1) {
      const id = await service.submit({ model_type: "TI2V-5B", num_frames: 17, steps: 4 });
      await delivered(service, id, longMs);
      others.push(id);
    }
    // The first one is loaded somewhere; the ones after it find it there.
    expect(new Set(renderersOf(others)).size).toBe(1);
  });

  it("fail several at once, each in an incident of its own on one common budget, and no job is lost", async () => {
    const ids: string[] = [];
    for (let number = 0; number < cardCount; number += 1)
      ids.push(await service.submit({ steps: 100, num_frames: 13 }));
    const victims = await until("three of them render", () => {
      const busy = workerIds.filter((id) => ids.includes(service.worker(id)?.job ?? ""));
      return busy.length >= 3 ? busy.slice(0, 3) : null;
    });
    const spentBefore = rowsOf("budget.spent").length;
    const modesBefore = rowsOf("mode.changed").length;
    const former = victims.map(pidOf);
    for (const pid of former) process.kill(pid, "SIGKILL");
    for (const id of ids) await delivered(service, id, longMs);
    await until(
      "each has a new process",
      () => victims.every((id, index) => pidOf(id) !== 0 && pidOf(id) !== former[index]),
      longMs,
    );
    const opened = rowsOf("incident.opened").filter(({ workerId }) => victims.includes(workerId ?? ""));
    expect(new Set(opened.map(({ workerId }) => workerId))).toEqual(new Set(victims));
    // Five others render on: at no time is there nothing real to give.
    expect(
      rowsOf("mode.changed")
        .slice(modesBefore)
        .map(({ data }) => data["to"]),
    ).not.toContain("mock");
    const spent = rowsOf("budget.spent").map(({ data }) => Number(data["spent"]));
    expect(spent.length - spentBefore).toBe(3);
    expect(spent).toEqual(spent.map((_, index) => index + 1));
    expect(rowsOf("job.failed", "job.quarantined")).toEqual([]);
    expect(rowsOf("job.succeeded").filter(({ jobId }) => ids.includes(jobId ?? ""))).toHaveLength(ids.length);
  });
});
