import { afterEach, beforeEach, expect, it } from "vitest";
import { findDrill } from "../../../src/app/drills/drill-list.ts";
import { createDrillOperations } from "../../../src/app/drills/drill-operations.ts";
import { type DrilledSupervisor, runDrill } from "../../../src/app/drills/run-drill.ts";
import { minuteMs } from "../../../src/core/units.ts";
import { type AppWorld, createAppWorld, settled } from "../app-world.ts";
import { ownerOf } from "./owner-world.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld();
});
afterEach(() => world.close());

type Context = ReturnType<DrilledSupervisor["getSnapshot"]>["context"];

function operationsOf(change: Partial<Context> = {}) {
  const sent: string[] = [];
  const context: Context = {
    mode: "ready",
    incidents: {},
    pause: null,
    drain: null,
    cooldowns: {},
    ...change,
  };
  const supervisor: DrilledSupervisor = {
    send: ({ type }) => void sent.push(type),
    getSnapshot: () => ({ context }),
  };
  const admission = { submit: async () => ({ kind: "queueFull", limit: 1 }) as const };
  const ports = {
    parts: world,
    supervisor,
    admission,
    owner: ownerOf(world).view,
    cancelJob: async () => "ended" as const,
  };
  return { ports, sent, operations: createDrillOperations(ports) };
}

it.each<[string, () => Partial<Context>, RegExp]>([
  ["the service is paused", () => ({ pause: { isReleasing: false, by: "operator:a", atMs: 1 } }), /paused/],
  ["the intake is drained", () => ({ drain: { by: "operator:a", atMs: 1 } }), /drained/],
  ["the service is not ready", () => ({ mode: "degraded" }), /its mode is degraded/],
  ["recovery cools down", () => ({ cooldowns: { a: world.clock.nowMs() + minuteMs } }), /try again in 60 s/],
])("no drill begins while %s, and nothing is told of one", async (_, change, reason) => {
  const { operations, sent } = operationsOf(change());
  await expect(operations.run("kill", "operator:a")).rejects.toMatchObject({
    code: "DRILL_NOT_POSSIBLE",
    message: expect.stringMatching(reason),
  });
  expect([sent, world.drill.running, await world.rows("drill.began")]).toEqual([[], null, []]);
});

it("a cooldown that is over hinders nobody", async () => {
  const { operations } = operationsOf({ cooldowns: { a: world.clock.nowMs() } });
  await expect(operations.run("kill", "operator:a")).rejects.toMatchObject({
    message: expect.stringContaining("not accepted"),
  });
});

it("a drill that could not be carried out has ended all the same, and has no score", async () => {
  const { operations, sent } = operationsOf();
  await expect(operations.run("kill", "operator:a")).rejects.toMatchObject({ code: "DRILL_NOT_POSSIBLE" });
  expect([sent, world.drill.running]).toEqual([["drill.began", "drill.ended"], null]);
  const [kill] = (await operations.list()).filter(({ name }) => name === "kill");
  expect(kill?.cards).toEqual([]);
});

it("a render that does not begin within two minutes is no drill", async () => {
  const { ports } = operationsOf();
  const drill = findDrill("kill");
  if (drill === null) throw new Error("there is no such drill");
  const jobId = await world.submit();
  const job = await world.store.jobs.get(jobId);
  if (job === null) throw new Error("the job is gone");
  const admission = { submit: async () => ({ kind: "accepted", job, estimate: null }) as const };
  await expect(settled(world, runDrill({ ...ports, admission }, drill))).rejects.toMatchObject({
    code: "DRILL_NOT_POSSIBLE",
    message: expect.stringContaining("did not come within two minutes"),
  });
});
