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

it("of a secret drill the service is told nothing, but who starts another one is", async () => {
  const { operations, sent, ports } = operationsOf();
  const seen: (string | null)[][] = [];
  ports.admission.submit = async () => {
    seen.push([world.drill.running, world.drill.current]);
    return { kind: "queueFull", limit: 1 };
  };
  for (const name of ["ended-from-outside", "kill"])
    await expect(operations.run(name, "operator:a")).rejects.toMatchObject({ code: "DRILL_NOT_POSSIBLE" });
  expect(seen).toEqual([
    [null, "ended-from-outside"],
    ["kill", "kill"],
  ]);
  expect(sent).toEqual(["drill.began", "drill.ended"]);
});

it("a drill of two workers is refused with a plain sentence where there is one", async () => {
  const { operations } = operationsOf();
  await expect(operations.run("bad-request-two-workers", "operator:a")).rejects.toMatchObject({
    code: "DRILL_NOT_POSSIBLE",
    message: expect.stringContaining("This drill needs 2 workers, and this service has 1."),
  });
  const [two] = (await operations.list()).filter(({ name }) => name === "bad-request-two-workers");
  expect(two?.obstacle).toBe("This drill needs 2 workers, and this service has 1.");
});

it("cards that a former version kept are listed, with what they told", async () => {
  const { operations } = operationsOf();
  const former = {
    drill: "kill",
    startedAtMs: 1,
    endedAtMs: 2,
    detectedMs: 0,
    answeredMs: 0,
    recoveredMs: 373_200,
    falseClaims: [],
    recognisedAs: ["WORKER_EXITED"],
    actions: [],
    lostJobCount: 0,
    targets: { detectedMs: 5_000, answeredMs: 5_000, recoveredMs: 120_000 },
    isPassed: false,
  };
  await world.store.facts.write("drills", { kill: [former] }, []);
  const [kill] = (await operations.list()).filter(({ name }) => name === "kill");
  expect(kill?.cards).toMatchObject([
    { times: { recovered: 373_200 }, limits: { recovered: 120_000 }, isPassed: false },
  ]);
});

it("a render that does not come within two minutes is no drill, and its job is not left behind", async () => {
  const { ports } = operationsOf();
  const drill = findDrill("kill");
  if (drill === null) throw new Error("there is no such drill");
  const jobId = await world.submit();
  const job = await world.store.jobs.get(jobId);
  if (job === null) throw new Error("the job is gone");
  const admission = { submit: async () => ({ kind: "accepted", job, estimate: null }) as const };
  const { cancel: cancelJob } = world.store.jobs;
  await expect(settled(world, runDrill({ ...ports, admission, cancelJob }, drill))).rejects.toMatchObject({
    code: "DRILL_NOT_POSSIBLE",
    message: expect.stringContaining("did not come within two minutes"),
  });
  expect(await world.stateOf(jobId)).toBe("cancelled");
});
