import { expect, it } from "vitest";
import { describeEvent } from "../../src/contract/event-words.ts";
import { toRow } from "../../src/contract/stream-wire.ts";
import { eventKinds } from "../../src/core/events.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { openDatabase } from "../../src/store/database.ts";
import { createEventLog } from "../../src/store/event-log.ts";
import { readCause, readRow } from "../../src/store/read-row.ts";
import { eventOf, sampleData } from "../harness/sample-rows.ts";

const stored = (kind: string, data: object) => ({
  seq: 1,
  at_ms: 5,
  kind,
  actor: "service",
  job_id: null,
  incident_id: null,
  worker_id: null,
  data: JSON.stringify(data),
});

it.each(eventKinds)("a row of %s comes back as it was written", async (kind) => {
  const database = openDatabase({ path: ":memory:", clock: createVirtualClock() });
  const log = createEventLog(database);
  const written = await log.append([eventOf(kind)]);
  expect(await log.range(0, 1)).toEqual(written);
  expect(written[0]?.data).toEqual(sampleData[kind]);
  database.close();
});

it("a field that a newer version added stays, and the row keeps its words", () => {
  const row = readRow(stored("worker.killed", { pid: 7, why: "asked" }));
  expect([row.kind, row.data]).toEqual(["worker.killed", { pid: 7, why: "asked" }]);
  expect(describeEvent(row)).toBe("The worker was killed on request.");
});

it.each([
  ["of a kind that is not known", "worker.danced", { stepCount: 3 }],
  ["named like a property of every object", "constructor", {}],
  ["of a known kind without what it should carry", "worker.killed", { process: 7 }],
])("a row %s is shown as it is, without words", (_, kind, data) => {
  const row = readRow(stored(kind, data));
  expect(row).toMatchObject({ kind: "unread", data: { kind, fields: data } });
  const { text, ...wire } = toRow(row);
  expect([text, wire.kind, Object.keys(wire.data)]).toEqual([
    undefined,
    kind,
    Object.keys(data).map((key) => key.replace("stepCount", "step_count")),
  ]);
});

it("the cause of an incident keeps what this version can read of it", () => {
  const { fault } = sampleData["incident.opened"];
  const strange = { fault: { ...fault, faultClass: "cosmicRay" }, model: "T2V-A14B", job_id: null, added: 1 };
  expect(readCause(JSON.stringify(strange))).toEqual({ model: "T2V-A14B", job_id: null, added: 1 });
  expect(readCause(JSON.stringify({ fault, model: 7 }))).toEqual({ fault });
});

it("rows are found by kind as far as this version reads them", async () => {
  const database = openDatabase({ path: ":memory:", clock: createVirtualClock() });
  const log = createEventLog(database);
  await log.append([eventOf("worker.killed", { pid: 7 })]);
  database.run("insert into events (at_ms, kind, actor, data) values (1, 'worker.killed', 'service', '{}')");
  const found = await log.findKinds({ of: { kinds: ["worker.killed"] }, limit: 9 });
  expect(found.map(({ data }) => data.pid)).toEqual([7]);
  database.close();
});
