import { afterEach, describe, expect, it } from "vitest";
import { type Actor, type AnyActorRef, createActor, fromCallback } from "xstate";
import { toActorClock } from "../../src/core/clock.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { minuteMs } from "../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { supervisorMachine } from "../../src/machines/supervisor.machine.ts";
import { type ChildId, childIds } from "../../src/machines/supervisor-children.ts";
import { nothingResumed, type ResumedIncident, type SupervisorFact } from "../../src/machines/supervisor-types.ts";
import { classify } from "../../src/recovery/classify.ts";
import { defaultLadders } from "../../src/recovery/ladders.ts";

interface Heard {
  readonly type: string;
}

/** A supervisor whose children only listen, keep what they were given, and die when they are told `boom`. */
interface World {
  readonly clock: VirtualClock;
  readonly actor: Actor<typeof supervisorMachine>;
  readonly facts: SupervisorFact[];
  /** What each child was started with, in order. */
  readonly started: { readonly kind: string; readonly input: Record<string, unknown> }[];
  readonly heard: { readonly kind: string; readonly event: Heard }[];
  readonly kill: (childId: ChildId) => void;
}

let world: World;
afterEach(() => world.actor.stop());

function start(incidents: readonly ResumedIncident[] = []): World {
  const clock = createVirtualClock();
  const facts: SupervisorFact[] = [];
  const started: World["started"] = [];
  const heard: World["heard"] = [];
  const child = (kind: string): never =>
    fromCallback<Heard, Record<string, unknown>>(({ input, receive }) => {
      started.push({ kind, input });
      receive((event) => {
        if (event.type === "boom") throw new Error("boom");
        if (kind === "recorder") facts.push(event as SupervisorFact);
        else heard.push({ kind, event });
      });
    }) as never;
  const kinds = [
    "worker",
    "modelLoader",
    "pipeline",
    "circuitBreaker",
    "healthMonitor",
    "recovery",
    "recorder",
  ] as const;
  const machine = supervisorMachine.provide({ actors: Object.fromEntries(kinds.map((kind) => [kind, child(kind)])) });
  const workers = [{ id: "a", model: "T2V-A14B", profile: "model-offload" }] as const;
  const resumed = { ...nothingResumed, incidents };
  const catalog = createModelCatalog();
  const input = {
    epoch: 1,
    lead: "T2V-A14B",
    workers,
    ladders: defaultLadders,
    clock,
    catalog,
    gpuExpectation: "never",
    resumed,
  } as const;
  const actor = createActor(machine, { input: input as never, clock: toActorClock(clock) }).start();
  const childOf = (childId: ChildId): AnyActorRef | undefined => actor.getSnapshot().children[childId];
  const kill = (childId: ChildId): void => childOf(childId)?.send({ type: "boom" });
  return { clock, actor, facts, started, heard, kill };
}

const fault = classify({ exitSignal: "SIGSEGV" });
const modeOf = (): string => world.actor.getSnapshot().context.mode;
const kindsOf = (): readonly string[] => world.facts.map(({ type }) => type);

/** One sound worker, and one incident that waits for its look back after a climb. */
async function withIncident(): Promise<string> {
  world = start();
  await world.clock.advance(1);
  const about = { workerId: "a" } as const;
  world.actor.send({
    type: "fault.raised",
    ...about,
    report: { workerId: "a", fault, model: null, jobId: null },
    isHealthOnly: false,
  } as never);
  const incidentId = Object.keys(world.actor.getSnapshot().context.incidents)[0] ?? "";
  world.actor.send({
    type: "incident.stoodIn",
    ...about,
    incidentId,
    lookBackAtMs: world.clock.nowMs() + 30_000,
    climbCount: 2,
    lookBackCount: 1,
  });
  return incidentId;
}

describe("incidents of an earlier supervisor", () => {
  const leftOpen = (id: string, workerId: string, model: string | null): ResumedIncident => ({
    ...{ id, key: id, workerId, model, fault, jobIds: [] },
    failureType: "model_loading_failure",
    openedAtMs: 1,
    resume: { kind: "exhausted", untilMs: 1, climbCount: 3, lookBackCount: 5 },
  });
  const resumedOf = ({ started }: World): unknown[] =>
    started.filter(({ kind }) => kind === "recovery").map(({ input }) => input["incidentId"]);

  const stagesOf = (): unknown[] =>
    Object.values(world.actor.getSnapshot().context.incidents).map(({ stage }) => stage);

  it("go on where they are about a worker and its model as they are configured now", async () => {
    world = start([leftOpen("own", "a", "T2V-A14B"), leftOpen("whole", "a", null)]);
    await world.clock.advance(1);
    expect(resumedOf(world)).toEqual(["own", "whole"]);
    expect(stagesOf()).toEqual(["exhausted", "exhausted"]);
  });

  it("keep nobody from serving where they are about a model or a worker that the configuration no longer names", async () => {
    world = start([leftOpen("other", "a", "TI2V-5B"), leftOpen("gone", "z", null)]);
    await world.clock.advance(1);
    expect(resumedOf(world)).toEqual([]);
    expect(stagesOf()).toEqual(["setAside", "setAside"]);
    world.actor.send({ type: "model.proven", workerId: "a", model: "TI2V-5B", profile: "full", trial: null });
    await world.clock.advance(3_600_000);
    world.actor.send({ type: "incidents.sweep" });
    const closed = world.facts.filter(({ type }) => type === "incident.closed");
    expect(closed).toMatchObject([
      { id: "other", status: "resolved" },
      { id: "gone", status: "abandoned" },
    ]);
  });
});

describe("an incident whose actor dies", () => {
  it("goes on, with its climbs counted, and is not called over", async () => {
    const incidentId = await withIncident();
    world.kill(childIds.recovery(incidentId));
    await world.clock.advance(1_000);
    const recoveries = world.started.filter(({ kind }) => kind === "recovery");
    expect(recoveries).toHaveLength(2);
    expect(recoveries[1]?.input).toMatchObject({
      incidentId,
      fault,
      resume: { kind: "standingIn", untilMs: world.clock.nowMs(), climbCount: 2, lookBackCount: 1 },
    });
    expect(kindsOf()).toContain("child.crashed");
    expect(kindsOf()).not.toContain("incident.closed");
  });

  it("is given up when it dies again and again: what it held is given back, and the mode is that of what is left", async () => {
    const incidentId = await withIncident();
    expect(modeOf()).toBe("mock");
    for (let death = 0; death < 4; death += 1) {
      world.kill(childIds.recovery(incidentId));
      await world.clock.advance(1_000);
    }
    expect(world.facts.findLast(({ type }) => type === "incident.closed")).toMatchObject({
      id: incidentId,
      status: "abandoned",
    });
    expect(world.heard).toContainEqual({ kind: "pipeline", event: { type: "pipeline.resume", by: incidentId } });
    expect(modeOf()).toBe("loading");
    expect(kindsOf().slice(-2)).toContain("mode.changed");
  });
});

it("a breaker that is started again is held by the incidents that had it", async () => {
  const incidentId = await withIncident();
  const before = world.heard.length;
  world.kill(childIds.breaker("a"));
  await world.clock.advance(1_000);
  expect(world.heard.slice(before)).toContainEqual({
    kind: "circuitBreaker",
    event: { type: "breaker.hold", workerId: "a", incidentId },
  });
});

it("a pipeline that is started again takes no job while an incident or the breaker has its worker", async () => {
  const incidentId = await withIncident();
  world.actor.send({ type: "breaker.opened", workerId: "a", untilMs: 99_000, openingCount: 1, because: "told" });
  const before = world.heard.length;
  world.kill(childIds.pipeline("a"));
  await world.clock.advance(1_000);
  const toldPipeline = world.heard.slice(before).filter(({ kind }) => kind === "pipeline");
  expect(toldPipeline.map(({ event }) => event)).toEqual([
    { type: "pipeline.admit", admission: "none" },
    { type: "pipeline.suspend", by: incidentId },
    { type: "pipeline.standIn" },
  ]);
});

describe("a recorder that dies", () => {
  it("is there again for the very next fact, and for that of its own death", async () => {
    await withIncident();
    world.kill(childIds.recorder);
    await world.clock.turn();
    world.actor.send({ type: "recovery.reset" });
    expect(kindsOf().slice(-2)).toEqual(["child.crashed", "cooldown.started"]);
  });

  it("again and again does not take the supervisor with it", async () => {
    await withIncident();
    for (let death = 0; death < 5; death += 1) world.kill(childIds.recorder);
    await world.clock.turn();
    world.actor.send({ type: "recovery.reset" });
    expect(world.actor.getSnapshot().status).toBe("active");
  });
});

it("another child that dies after the recorder was given up does not take the supervisor with it either", async () => {
  await withIncident();
  for (let death = 0; death < 5; death += 1) {
    world.kill(childIds.recorder);
    await world.clock.turn();
  }
  world.kill(childIds.health);
  await world.clock.advance(2_000);
  expect(world.actor.getSnapshot().status).toBe("active");
});

it("a monitor that is asked for while one runs stays the only one", async () => {
  world = start();
  await world.clock.advance(1);
  const monitors = () => world.started.filter(({ kind }) => kind === "healthMonitor").length;
  world.actor.send({ type: "monitor.start" });
  world.kill(childIds.health);
  await world.clock.turn();
  world.actor.send({ type: "monitor.start" });
  await world.clock.advance(5_000);
  expect(monitors()).toBe(2);
});

it("a job in the hand of a pipeline that died is in nobody's hand", async () => {
  world = start();
  await world.clock.advance(1);
  world.actor.send({ type: "job.begun", workerId: "a", jobId: "job-1" } as never);
  const jobInHand = () => world.actor.getSnapshot().context.workers["a"]?.jobId;
  expect(jobInHand()).toBe("job-1");
  world.kill(childIds.pipeline("a"));
  await world.clock.advance(2_000);
  expect(jobInHand()).toBeNull();
});

it("stops as asked, also where the order comes in its very first moment", async () => {
  world = start();
  world.actor.send({ type: "service.drain", shape: "quick", finishMs: 0 });
  await world.clock.advance(10 * minuteMs);
  expect(world.actor.getSnapshot().status).toBe("done");
});

describe("a stop that waits for the job in hand", () => {
  const stopWithin = (finishMs: number): void => world.actor.send({ type: "service.drain", shape: "ladder", finishMs });
  const isFinishing = (): boolean => world.actor.getSnapshot().matches({ draining: "finishing" });
  const begin = async (): Promise<void> => {
    world = start();
    await world.clock.advance(1);
    world.actor.send({ type: "job.begun", workerId: "a", jobId: "job-1" } as never);
    stopWithin(60 * minuteMs);
  };
  it("is hurried by a second one, which never lengthens it", async () => {
    await begin();
    stopWithin(minuteMs);
    stopWithin(30 * minuteMs);
    await world.clock.advance(minuteMs - 1);
    expect(isFinishing()).toBe(true);
    await world.clock.advance(1);
    expect(isFinishing()).toBe(false);
  });
  it("waits no more when a second one allows no time", async () => {
    await begin();
    world.actor.send({ type: "service.drain", shape: "quick", finishMs: 0 });
    expect(isFinishing()).toBe(false);
    expect(world.actor.getSnapshot().context.stopShape).toBe("quick");
  });
});
