import { describe, expect, it } from "vitest";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { childIds } from "../../src/machines/supervisor-children.ts";
import { unknownWorker, type WorkerFacts } from "../../src/machines/supervisor-facts.ts";
import type { Route } from "../../src/machines/supervisor-route.ts";
import { routeOf } from "../../src/machines/supervisor-routes.ts";
import { nothingResumed, type SupervisorContext, type SupervisorEvent } from "../../src/machines/supervisor-types.ts";
import { classify } from "../../src/recovery/classify.ts";
import { defaultLadders } from "../../src/recovery/ladders.ts";

const serving: WorkerFacts = { ...unknownWorker, process: "connected", isProven: true, deviceUuid: "card" };

function contextOf(workers: Record<string, WorkerFacts>): SupervisorContext {
  return {
    epoch: 1,
    configured: Object.keys(workers).map((id) => ({ id, model: "T2V-A14B", profile: "model-offload" })),
    ladders: defaultLadders,
    clock: { nowMs: () => 1_000 },
    catalog: createModelCatalog(),
    gpuExpectation: "always",
    limits: {},
    resumed: nothingResumed,
    draws: [],
    workers,
    incidents: {},
    incidentCount: 0,
    budgetSpentAtMs: [],
    cooldowns: {},
    breakers: {},
    crashes: {},
    mode: "ready",
    isProcessorShort: false,
    isDiskShort: false,
    lead: "T2V-A14B",
    pause: null,
    drain: null,
    isDrilling: false,
    stopShape: "ladder",
    finishUntilMs: 0,
    trials: [],
    deliveredJobIds: [],
    vainLadders: [],
  };
}

/** A supervisor's context through several events, and everything that was sent on the way. */
function play(
  context: SupervisorContext,
  ...events: SupervisorEvent[]
): { context: SupervisorContext; sent: string[]; facts: string[] } {
  const sent: string[] = [];
  const facts: string[] = [];
  let after = context;
  for (const event of events) {
    const route: Route = routeOf(after, event, false);
    sent.push(...route.sends.map(([to, told]) => `${told.type} → ${to}`));
    facts.push(...route.facts.map(({ type }) => type));
    after = { ...after, ...route.change };
  }
  return { context: after, sent, facts };
}

const pause = (isReleasing: boolean): SupervisorEvent => ({ type: "intake.pause", isReleasing, by: "operator:local" });
const resume: SupervisorEvent = { type: "intake.resume", by: "operator:local" };
const stopOf = (id: string): string => `worker.stop → ${childIds.worker(id)}`;
const startOf = (id: string): string => `worker.start → ${childIds.worker(id)}`;
const stopped = (workerId: string): SupervisorEvent => ({ type: "worker.stopped", workerId });
const jobEnded = (workerId: string, jobId: string): SupervisorEvent => ({
  type: "job.ended",
  workerId,
  jobId,
  isSuccessful: true,
});
const available: SupervisorEvent = { type: "jobs.becameAvailable" };

describe("a pause", () => {
  it("lets no job begin on any worker, and keeps their cards", () => {
    const { sent, facts, context } = play(contextOf({ a: serving, b: serving }), pause(false));
    expect(sent).toEqual([`pipeline.pause → ${childIds.pipeline("a")}`, `pipeline.pause → ${childIds.pipeline("b")}`]);
    expect(facts).toContain("intake.paused");
    expect(context.pause).toMatchObject({ isReleasing: false, by: "operator:local", atMs: 1_000 });
  });

  it("gives every idle card back, and a busy one when its job has ended", () => {
    const busy = { ...serving, jobId: "job-1" };
    const first = play(contextOf({ a: serving, b: busy }), pause(true));
    expect(first.sent).toContain(stopOf("a"));
    expect(first.sent).not.toContain(stopOf("b"));
    expect(play(first.context, jobEnded("b", "job-1")).sent).toContain(stopOf("b"));
  });

  it("waits for a repair that is under way, and takes the card when it has ended", () => {
    const incident = {
      id: "i",
      key: "k",
      workerId: "a",
      failureType: "vram_exhaustion",
      model: null,
      stage: "working",
      fault: classify({}),
      openedAtMs: 0,
      lastFaultAtMs: 0,
      climbCount: 0,
      jobIds: [],
      lookBackCount: 0,
      lookBackAtMs: null,
    } as const;
    const during = play({ ...contextOf({ a: serving }), incidents: { i: incident } }, pause(true));
    expect(during.sent).not.toContain(stopOf("a"));
    const after = play(during.context, {
      type: "incident.resolved",
      incidentId: "i",
      workerId: "a",
      climbCount: 1,
      atMs: 2,
    });
    expect(after.sent).toContain(stopOf("a"));
  });

  it("leaves jobs waiting: what is submitted starts no resting worker", () => {
    const { context } = play(contextOf({ a: serving }), pause(true), stopped("a"));
    expect(context.workers["a"]).toMatchObject({ process: "resting", isProven: false });
    expect(play(context, available).sent).not.toContain(startOf("a"));
  });
});

describe("a resume", () => {
  it("lets jobs begin again and starts the workers that rest", () => {
    const { context } = play(contextOf({ a: serving }), pause(true), stopped("a"));
    const after = play(context, resume);
    expect(after.sent).toEqual([`pipeline.unpause → ${childIds.pipeline("a")}`, startOf("a")]);
    expect(after.facts).toContain("intake.resumed");
    expect(after.context.pause).toBeNull();
  });

  it("starts a worker that is still ending as soon as it has ended", () => {
    const ending = play(contextOf({ a: serving }), pause(true), resume);
    expect(ending.sent).not.toContain(startOf("a"));
    expect(play(ending.context, stopped("a")).sent).toContain(startOf("a"));
  });

  it("without a pause changes nothing", () => {
    expect(play(contextOf({ a: serving }), resume)).toMatchObject({ sent: [], facts: [] });
  });
});

describe("a drain of the intake", () => {
  const drain: SupervisorEvent = { type: "intake.drain", by: "operator:local" };

  it("stops no worker and no job, and says so", () => {
    const drained = play(contextOf({ a: { ...serving, jobId: "job-1" } }), drain);
    expect(drained).toMatchObject({ sent: [], facts: ["intake.drained"] });
    expect(drained.context.drain).toMatchObject({ by: "operator:local" });
    expect(drained.context.mode).toBe(contextOf({ a: serving }).mode);
  });

  it("ends with a resume, like a pause beside it", () => {
    const after = play(contextOf({ a: serving }), drain, pause(false), resume);
    expect([after.context.drain, after.context.pause]).toEqual([null, null]);
    expect(after.facts.filter((fact) => fact === "intake.resumed")).toHaveLength(1);
  });
});

describe("idleness", () => {
  it("gives the cards back, and the next job starts the workers, once", () => {
    const resting = play(contextOf({ a: serving }), { type: "workers.release" }, stopped("a"));
    expect(resting.sent).toEqual([stopOf("a")]);
    expect(resting.context.mode).toBe("loading");
    const woken = play(resting.context, available, available);
    expect(woken.sent.filter((told) => told === startOf("a"))).toHaveLength(1);
  });

  it("never takes a worker with a job in hand, nor asks one twice", () => {
    expect(play(contextOf({ a: { ...serving, jobId: "job-1" } }), { type: "workers.release" }).sent).toEqual([]);
    expect(play(contextOf({ a: serving }), { type: "workers.release" }, { type: "workers.release" }).sent).toEqual([
      stopOf("a"),
    ]);
  });
});

describe("a reload", () => {
  it("lets no job begin until the model is proven again", () => {
    const { sent, context } = play(contextOf({ a: serving }), { type: "model.reload", workerId: "a" });
    expect(sent).toEqual([`model.lost → ${childIds.pipeline("a")}`, `model.reload → ${childIds.loader("a")}`]);
    expect(context.workers["a"]?.isProven).toBe(false);
  });
});

describe("a proof on a worker's card", () => {
  it("lets no job begin meanwhile, and lets jobs go on after it", () => {
    const about = { workerId: "a", by: "a proof of memory" };
    const held = play(contextOf({ a: serving }), { type: "worker.hold", ...about });
    expect(held.sent).toEqual([`pipeline.suspend → ${childIds.pipeline("a")}`]);
    expect(play(held.context, { type: "pipeline.suspended", workerId: "a" }).sent).toEqual([]);
    expect(play(held.context, { type: "worker.letGo", ...about }).sent).toEqual([
      `pipeline.resume → ${childIds.pipeline("a")}`,
    ]);
  });
});

describe("a planned end because of a leak", () => {
  const recycle: SupervisorEvent = { type: "worker.recycle", workerId: "a" };

  it("waits until no job is in the worker's hand, then starts it anew and lets jobs go on", () => {
    const asked = play(contextOf({ a: { ...serving, jobId: "job-1" } }), recycle);
    expect(asked.sent).toEqual([`pipeline.suspend → ${childIds.pipeline("a")}`]);
    const after = play(asked.context, { type: "pipeline.suspended", workerId: "a" });
    expect(after.sent).toEqual([
      `worker.restart → ${childIds.worker("a")}`,
      `pipeline.resume → ${childIds.pipeline("a")}`,
    ]);
    expect(play(after.context, { type: "pipeline.suspended", workerId: "a" }).sent).toEqual([]);
  });

  it("is nothing for a worker that is not there", () => {
    expect(play(contextOf({ a: unknownWorker }), recycle).sent).toEqual([]);
  });
});
