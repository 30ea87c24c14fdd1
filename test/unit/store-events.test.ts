import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EventMap, EventRow, NewEvent, TimelineRow } from "../../src/core/events.ts";
import type { IncidentRow, Store } from "../../src/core/ports/event-log.ts";
import { dayMs } from "../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { classify } from "../../src/recovery/classify.ts";
import { openStore } from "../../src/store/open-store.ts";
import { eventOf } from "../harness/sample-rows.ts";

let directory: string;
let clock: VirtualClock;
let store: Store;
let published: EventRow[];

const open = (path: string): void => {
  store = openStore({ path, clock });
  published = [];
  store.events.subscribe((rows) => published.push(...rows));
};
const databasePath = (): string => join(directory, "understudy.db");
const fact = (n: number): NewEvent => ({ kind: "service.started", data: { epoch: n } });
const numberOf = (row: TimelineRow | undefined): number | null =>
  row?.kind === "service.started" ? row.data.epoch : null;
const numbersOf = (rows: readonly TimelineRow[]): (number | null)[] => rows.map(numberOf);
const listed = async (): Promise<readonly IncidentRow[]> => (await store.incidents.list({ limit: 9 }))?.incidents ?? [];
const writtenRows = (): Promise<readonly TimelineRow[]> => store.events.range(0, 100_000);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "understudy-test-"));
  clock = createVirtualClock();
  open(":memory:");
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

describe("appended events", () => {
  it("are rows with numbers, whole, and published once", async () => {
    const about = { actor: "operator:bob", jobId: "j", incidentId: "i", workerId: "w" };
    const event = eventOf("incident.joined", {}, about);
    const [first, second] = await store.events.append([event, fact(2)]);
    expect(first).toEqual({ ...event, seq: 1, atMs: clock.nowMs() });
    expect(second).toMatchObject({ seq: 2, actor: "service", jobId: null, incidentId: null, workerId: null });
    expect(published).toEqual([first, second]);
    expect(await writtenRows()).toEqual([first, second]);
  });

  it("are all written or none", async () => {
    const data: EventMap["service.started"] = JSON.parse("{}");
    Object.defineProperty(data, "epoch", { value: 2n, enumerable: true });
    await expect(store.events.append([fact(1), { kind: "service.started", data }])).rejects.toThrow(TypeError);
    expect([await writtenRows(), published]).toEqual([[], []]);
    await store.events.append([fact(3)]);
    expect(numbersOf(published)).toEqual([3]);
  });

  it("are read in pages after a number", async () => {
    await store.events.append([1, 2, 3, 4].map(fact));
    expect(numbersOf(await store.events.range(1, 2))).toEqual([2, 3]);
    expect([await store.events.oldestSeq(), await store.events.newestSeq()]).toEqual([1, 4]);
  });
});

describe("noted events", () => {
  it("are written within 100 ms, with the moment of the note", async () => {
    store.events.note(fact(1));
    const atMs = clock.nowMs();
    await clock.advance(50);
    store.events.note(fact(2));
    await clock.advance(49);
    expect([await writtenRows(), published]).toEqual([[], []]);
    await clock.advance(1);
    expect(await writtenRows()).toMatchObject([
      { atMs, data: { epoch: 1 } },
      { atMs: atMs + 50, data: { epoch: 2 } },
    ]);
    expect(numbersOf(published)).toEqual([1, 2]);
  });

  it("are written at once when 200 wait", async () => {
    for (let n = 0; n < 200; n += 1) store.events.note(fact(n));
    expect(await writtenRows()).toHaveLength(200);
    expect(clock.pendingCount).toBe(0);
  });

  it("come before what is appended later", async () => {
    store.events.note(fact(1));
    await store.events.append([fact(2)]);
    expect(numbersOf(await writtenRows())).toEqual([1, 2]);
  });

  it("are written by flush, and by closing", async () => {
    await store.close();
    open(databasePath());
    store.events.note(fact(1));
    await store.events.flush();
    expect(numbersOf(await writtenRows())).toEqual([1]);
    store.events.note(fact(2));
    await store.close();
    store.events.note(fact(3));
    expect(clock.pendingCount).toBe(0);
    open(databasePath());
    expect(numbersOf(await writtenRows())).toEqual([1, 2]);
  });

  it("wait for a store that cannot write, and the log says how many it had to drop", async () => {
    await store.close();
    open(databasePath());
    const other = new DatabaseSync(databasePath());
    other.exec("begin immediate");
    const count = 10_005;
    for (let n = 0; n < count; n += 1) store.events.note(fact(n));
    expect(await writtenRows()).toEqual([]);
    other.exec("rollback");
    other.close();
    await clock.advance(1_000);
    const [dropped, ...rows] = await writtenRows();
    expect(dropped).toMatchObject({ kind: "events.dropped", data: { count: 5 } });
    expect([rows.length, numberOf(rows[0]), numberOf(rows.at(-1))]).toEqual([10_000, 5, count - 1]);
    store.events.note(fact(count));
    await clock.advance(100);
    expect(numbersOf(await store.events.range(rows.at(-1)?.seq ?? 0, 10))).toEqual([count]);
  });
});

describe("subscribers", () => {
  it("hear all rows in order, also when one of them writes", async () => {
    const late: unknown[] = [];
    store.events.subscribe((rows) => {
      if (numberOf(rows[0]) === 1) void store.events.append([fact(2)]);
    });
    store.events.subscribe((rows) => late.push(...numbersOf(rows)));
    expect(numbersOf(await store.events.append([fact(1)]))).toEqual([1]);
    expect(numbersOf(published)).toEqual([1, 2]);
    expect(late).toEqual([1, 2]);
  });

  it("hear nothing after they left", async () => {
    const heard: unknown[] = [];
    const leave = store.events.subscribe((rows) => heard.push(...rows));
    leave();
    await store.events.append([fact(1)]);
    expect(heard).toEqual([]);
  });

  it("that throw harm neither the writer nor the others, and their defect is not swallowed", async () => {
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    const uncaught = new Promise<unknown>((resolve) => process.once("uncaughtException", resolve));
    const defect = new Error("a defect of a listener");
    const heard: unknown[] = [];
    store.events.subscribe(() => {
      throw defect;
    });
    store.events.subscribe((rows) => heard.push(...numbersOf(rows)));
    try {
      expect(numbersOf(await store.events.append([fact(1)]))).toEqual([1]);
      expect(await uncaught).toBe(defect);
    } finally {
      for (const listener of others) process.on("uncaughtException", listener);
    }
    expect(heard).toEqual([1]);
  });
});

describe("the retention of events", () => {
  it("deletes what is older, also more than one slice of it, and never gives a number twice", async () => {
    await store.events.append(Array.from({ length: 20_001 }, (_, n) => fact(n)));
    await clock.advance(dayMs);
    await store.events.append([fact(-1)]);
    await clock.advance(1);
    expect(await store.events.prune(dayMs)).toBe(20_001);
    expect(numbersOf(await writtenRows())).toEqual([-1]);
    expect(await store.events.oldestSeq()).toBe(20_002);
    await clock.advance(dayMs + 1);
    expect(await store.events.prune(dayMs)).toBe(1);
    expect(await store.events.append([fact(0)])).toMatchObject([{ seq: 20_003 }]);
  });

  it("takes closed incidents with it, and keeps open ones", async () => {
    for (const id of ["closed", "open"]) {
      await store.incidents.open({
        id,
        key: id,
        openedAtMs: clock.nowMs(),
        failureType: "network_error",
        workerId: null,
        firstEvidenceAtMs: null,
        data: { fault: classify({}), model: null, job_id: null },
      });
    }
    await store.incidents.close("closed", "resolved", 1);
    await clock.advance(2 * dayMs);
    await store.events.prune(dayMs);
    expect((await listed()).map(({ id }) => id)).toEqual(["open"]);
  });
});

describe("incidents", () => {
  const incident = {
    id: "i1",
    key: "gpu0/vram_exhaustion",
    failureType: "vram_exhaustion",
    workerId: "gpu0",
    firstEvidenceAtMs: null,
    data: { fault: classify({ exitCode: 3 }), model: null, job_id: null },
  } as const;
  const answers = { queuedAtMs: null, stoodInAtMs: null, realAtMs: null };

  it("open and close together with their row of the timeline", async () => {
    const openedAtMs = clock.nowMs();
    await store.incidents.open({ ...incident, openedAtMs });
    expect(await store.incidents.listOpen()).toEqual([
      { ...incident, answers, openedAtMs, closedAtMs: null, status: "open" },
    ]);
    await clock.advance(10);
    await store.incidents.close("i1", "resolved", 1);
    expect(await store.incidents.listOpen()).toEqual([]);
    expect(await listed()).toEqual([
      { ...incident, answers, openedAtMs, closedAtMs: clock.nowMs(), status: "resolved" },
    ]);
    expect(published).toMatchObject([
      {
        kind: "incident.opened",
        incidentId: "i1",
        workerId: "gpu0",
        data: { key: incident.key, failure_type: "vram_exhaustion" },
      },
      { kind: "incident.closed", incidentId: "i1", data: { status: "resolved", climbs: 1 } },
    ]);
  });

  it("that are opened or closed twice change nothing the second time", async () => {
    await store.incidents.open({ ...incident, openedAtMs: 1 });
    await store.incidents.open({ ...incident, openedAtMs: 2 });
    await store.incidents.close("i1", "resolved", 1);
    await store.incidents.close("i1", "abandoned", 1);
    expect(await listed()).toMatchObject([{ openedAtMs: 1, status: "resolved" }]);
    expect(published.map(({ kind }) => kind)).toEqual(["incident.opened", "incident.closed"]);
  });
});

describe("facts", () => {
  it("outlive the process that wrote them, with their rows", async () => {
    await store.close();
    open(databasePath());
    expect(await store.facts.read("cooldowns")).toBeNull();
    await store.facts.write("cooldowns", { gpu0: 5 }, [{ kind: "cooldown.started", data: { until_ms: 5 } }]);
    await store.facts.write("cooldowns", { gpu0: 6 });
    await store.close();
    open(databasePath());
    expect(await store.facts.read("cooldowns")).toEqual({ gpu0: 6 });
    expect((await writtenRows()).map(({ kind }) => kind)).toEqual(["cooldown.started"]);
  });

  it("give each start a higher epoch", async () => {
    await store.close();
    open(databasePath());
    expect([await store.nextEpoch(), await store.nextEpoch()]).toEqual([1, 2]);
    await store.close();
    open(databasePath());
    expect(await store.nextEpoch()).toBe(3);
    expect(published).toMatchObject([{ kind: "service.started", data: { epoch: 3 } }]);
  });
});
