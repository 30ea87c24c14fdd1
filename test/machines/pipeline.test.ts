import { afterEach, describe, expect, it } from "vitest";
import { fault, rendered } from "./exploration-samples.ts";
import {
  committed,
  completed,
  connected,
  exited,
  leaseOf,
  news,
  type PipelineWorld,
  progressed,
  proven,
  startPipeline,
  startRendering,
  suspend,
} from "./pipeline-harness.ts";

const running: PipelineWorld[] = [];
afterEach(() => {
  for (const world of running.splice(0)) world.actor.stop();
});
const begin = (...args: Parameters<typeof startPipeline>): PipelineWorld => {
  const world = startPipeline(...args);
  running.push(world);
  return world;
};
const render = async (...args: Parameters<typeof startRendering>): Promise<PipelineWorld> => {
  const world = await startRendering(...args);
  running.push(world);
  return world;
};

const minuteMs = 60_000;
const admit = (admission: "none" | "one" | "all") => ({ type: "pipeline.admit", admission }) as const;

describe("claiming", () => {
  it("begins when the worker is connected and its model is proven, not before", async () => {
    const world = begin({ waiting: ["j1"] });
    await world.send(news, connected);
    expect(world.claims).toEqual([]);
    await world.send(proven);
    expect(world.claims).toEqual([{ workerId: "w0", residentModel: "T2V-A14B" }]);
    expect(world.state()).toBe("inHand.generating.encoding");
    expect(world.parent.reports).toMatchObject([
      { type: "job.begun", workerId: "w0", jobId: "j1" },
      { type: "render.planned", peakBytes: 7 },
    ]);
  });
  it("does not begin while no worker is connected, whatever model was proven", async () => {
    const world = begin({ waiting: ["j1"] });
    await world.send(proven, news);
    expect(world.claims).toEqual([]);
  });
  it("asks for a fresh process where only a suspect waits that needs one, and claims in that", async () => {
    const world = begin({ wantsFreshProcess: true });
    await world.send(connected, proven);
    expect(world.parent.ofType("worker.recycle")).toEqual([{ type: "worker.recycle", workerId: "w0" }]);
    expect(world.state()).toBe("idle");
    world.waiting.push("j1");
    await world.send({ type: "pipeline.suspend", by: "recycle" }, exited, { type: "pipeline.resume", by: "recycle" });
    expect(world.claims).toHaveLength(1);
    await world.send(connected, proven);
    expect(world.renders.map(({ lease }) => lease.jobId)).toEqual(["j1"]);
  });
  it("asks once when nothing waits, for no fresh process, and again when a job comes", async () => {
    const world = await render([]);
    expect(world.parent.ofType("worker.recycle")).toEqual([]);
    expect(world.claims).toHaveLength(1);
    expect(world.state()).toBe("idle");
    world.waiting.push("j1");
    await world.clock.advance(minuteMs);
    expect(world.claims).toHaveLength(1);
    await world.send(news);
    expect(world.renders).toMatchObject([{ lease: { jobId: "j1" }, isUnderWay: false }]);
  });
  it("looks by itself every five minutes", async () => {
    const world = await render([]);
    await world.clock.advance(5 * minuteMs - 1);
    expect(world.claims).toHaveLength(1);
    await world.clock.advance(1);
    expect(world.claims).toHaveLength(2);
    await world.clock.advance(5 * minuteMs);
    expect(world.claims).toHaveLength(3);
  });
  it("looks again at the time at which the next job falls due", async () => {
    const world = begin();
    world.dueAtMs = world.clock.nowMs() + 40_000;
    await world.send(connected, proven);
    world.waiting.push("j1");
    await world.clock.advance(39_999);
    expect(world.claims).toHaveLength(1);
    await world.clock.advance(1);
    expect(world.renders).toHaveLength(1);
  });
  it("never happens by itself while there is no worker to render", async () => {
    const world = begin({ waiting: ["j1"] });
    await world.clock.advance(11 * minuteMs);
    expect(world.claims).toEqual([]);
  });
  it("is over at once when the store fails", async () => {
    const world = await render(["j1"], { store: "fails" });
    expect(world.state()).toBe("idle");
  });
  it.each(["hangs", "fails"] as const)("is tried again later when the store %s", async (store) => {
    const world = await render(["j1"], { store });
    await world.clock.advance(30_000);
    expect(world.state()).toBe("idle");
    expect(world.claims).toHaveLength(1);
    world.store = "answers";
    await world.clock.advance(5 * minuteMs);
    expect(world.state()).toBe("inHand.generating.encoding");
  });
  it("waits no longer than half a minute for the store", async () => {
    const world = await render([], { store: "hangs" });
    await world.clock.advance(29_999);
    expect(world.state()).toBe("claiming");
    await world.clock.advance(1);
    expect(world.state()).toBe("idle");
  });
  it("takes one job and no second one when only one is admitted", async () => {
    const world = begin({ waiting: ["j1", "j2"] });
    await world.send(admit("one"), connected, proven, completed, committed("j1"), news);
    expect(world.claims).toHaveLength(1);
    await world.send(admit("all"));
    expect(world.renders.map(({ lease }) => lease.jobId)).toEqual(["j1", "j2"]);
  });
  it("takes nothing while nothing is admitted", async () => {
    const world = begin({ waiting: ["j1"] });
    await world.send(admit("none"), connected, proven, news);
    expect(world.claims).toEqual([]);
    await world.send(admit("one"));
    expect(world.claims).toHaveLength(1);
  });
  it("rests while an operator pauses it, and goes on at once afterwards", async () => {
    const world = begin({ waiting: ["j1", "j2"] }, { isPaused: true });
    await world.send(connected, proven, news);
    expect(world.claims).toEqual([]);
    await world.send({ type: "pipeline.unpause" });
    expect(world.state()).toBe("inHand.generating.encoding");
    await world.send({ type: "pipeline.pause" }, completed, committed("j1"));
    expect(world.state()).toBe("idle");
    expect(world.claims).toHaveLength(1);
  });
  it("rests when the worker has ended, until the next one is connected and its model proven", async () => {
    const world = await render([]);
    world.waiting.push("j1");
    await world.send(exited, news);
    expect(world.claims).toHaveLength(1);
    await world.send(connected, news);
    expect(world.claims).toHaveLength(1);
    await world.send(proven);
    expect(world.claims).toHaveLength(2);
  });
  it("rests when the model is lost", async () => {
    const world = await render([]);
    world.waiting.push("j1");
    await world.send({ type: "model.lost" }, news);
    expect(world.claims).toHaveLength(1);
  });
  it("is remembered when news come while the store is being asked", async () => {
    const world = await render(["j1"], { store: "hangs" });
    await world.send(news);
    world.store = "answers";
    await world.clock.advance(30_000);
    expect(world.state()).toBe("inHand.generating.encoding");
  });
});

describe("an adopted job", () => {
  it.each([
    ["idle", []],
    ["suspended", [suspend("i1")]],
  ] as const)("is followed where it is, also by a pipeline that is %s", async (state, before) => {
    const world = begin();
    await world.send(...before);
    expect(world.state()).toBe(state);
    await world.send({ type: "worker.connected", adopted: leaseOf("j7") });
    expect(world.state()).toBe("inHand.generating.encoding");
    expect(world.claims).toEqual([]);
    expect(world.renders).toMatchObject([{ lease: { jobId: "j7" }, isUnderWay: true }]);
    expect(world.kept).toEqual(new Set(["j7"]));
    expect(world.parent.reports.at(-1)).toEqual({ type: "job.begun", workerId: "w0", jobId: "j7" });
  });
  it("leaves a job after it to be begun from the start", async () => {
    const world = begin({ waiting: ["j8"] });
    await world.send({ type: "worker.connected", adopted: leaseOf("j7") }, proven, completed, committed("j7"));
    expect(world.renders.map(({ isUnderWay }) => isUnderWay)).toEqual([true, false]);
  });
});

describe("preparing", () => {
  const load = { kind: "load", model: "TI2V-5B", profile: "tiling" } as const;
  const otherProven = { type: "model.proven", model: "TI2V-5B" } as const;
  it("renders the job in the form that was decided", async () => {
    const changed = { ...leaseOf("j1"), attempt: 2 };
    const world = await render(["j1"], { preparations: [{ kind: "ready", lease: changed, peakBytes: 9 }] });
    expect(world.renders[0]?.lease.attempt).toBe(2);
  });
  it("asks for the model that the job needs and goes on when it is proven", async () => {
    const world = await render(["j1"], { preparations: [load] });
    expect(world.state()).toBe("inHand.preparing");
    expect(world.parent.ofType("model.wanted")).toEqual([
      { type: "model.wanted", workerId: "w0", model: "TI2V-5B", profile: "tiling" },
    ]);
    await world.send(proven);
    expect(world.state()).toBe("inHand.preparing");
    await world.send(otherProven);
    expect(world.state()).toBe("inHand.generating.encoding");
  });
  it("asks once an attempt: a worker that still does not hold the model is at fault", async () => {
    const world = await render(["j1"], { preparations: [load, load] });
    await world.send(otherProven);
    expect(world.parent.ofType("model.wanted")).toHaveLength(1);
    expect(world.settlements).toMatchObject([{ kind: "fault", fault: { code: "WORKER_STALLED" } }]);
  });
  it("gives the job back when its model cannot be loaded", async () => {
    const world = await render(["j1"], { preparations: [load] });
    await world.send({ type: "model.lost" });
    expect(world.settlements).toEqual([{ kind: "release", why: "its model could not be loaded" }]);
    world.waiting.push("j1");
    await world.send(news);
    expect(world.claims).toHaveLength(1);
  });
  it("does not give the job back for a model that it does not wait for, and claims none after it", async () => {
    const world = await render(["j1", "j2"], { preparations: ["hangs"] });
    await world.send({ type: "model.lost" });
    expect(world.state()).toBe("inHand.preparing");
    await world.clock.advance(20 * minuteMs);
    expect(world.claims).toHaveLength(1);
  });
  it("ends the attempt with the fault of a job that does not fit", async () => {
    const world = await render(["j1"], { preparations: [{ kind: "unfit", fault }] });
    expect(world.settlements).toEqual([{ kind: "fault", fault, hasBegun: false }]);
    expect(world.parent.ofType("job.ended")).toEqual([
      { type: "job.ended", workerId: "w0", jobId: "j1", isSuccessful: false },
    ]);
  });
  it("gives a job back that fits later, with the moment and without a fault", async () => {
    const world = await render(["j1"], { preparations: [{ kind: "waits", untilMs: 7_000, why: "it waits" }] });
    expect(world.settlements).toEqual([{ kind: "release", why: "it waits", notBeforeMs: 7_000 }]);
    expect(world.parent.ofType("fault.raised")).toEqual([]);
  });
  it("gives the job back when it cannot be done at all", async () => {
    const world = await render(["j1"], { preparations: ["fails"] });
    expect(world.settlements).toEqual([{ kind: "release", why: "the worker could not be prepared" }]);
  });
  it("takes twenty minutes at most", async () => {
    const world = await render(["j1"], { preparations: ["hangs"] });
    await world.clock.advance(20 * minuteMs - 1);
    expect(world.state()).toBe("inHand.preparing");
    await world.clock.advance(1);
    expect(world.settlements).toMatchObject([{ kind: "fault", fault: { code: "WORKER_STALLED" } }]);
  });
});

describe("handing over", () => {
  it("begins the next job while the artifact of the last one is checked", async () => {
    const world = await render(["j1", "j2"]);
    await world.send(completed);
    expect(world.commits).toEqual([{ jobId: "j1", report: rendered }]);
    expect(world.kept).toEqual(new Set(["j2"]));
    expect(world.parent.ofType("job.ended")).toEqual([]);
    await world.send(committed("j1"));
    expect(world.parent.ofType("job.ended")).toEqual([
      { type: "job.ended", workerId: "w0", jobId: "j1", isSuccessful: true },
    ]);
  });
  it("waits while the artifact before is still being checked, and claims nothing meanwhile", async () => {
    const world = await render(["j1", "j2", "j3"]);
    await world.send(completed, completed, news);
    expect(world.state()).toBe("handingOver");
    expect(world.commits).toHaveLength(1);
    expect(world.claims).toHaveLength(2);
    // Once it waited without its lease, which ran out under a slow check: the job was rendered again.
    expect(world.kept).toEqual(new Set(["j2"]));
    await world.send(committed("j1"));
    expect(world.commits.map(({ jobId }) => jobId)).toEqual(["j1", "j2"]);
    expect(world.renders).toHaveLength(3);
  });
  it("gives the job back when its lease is lost, or cannot be kept, while it waits", async () => {
    const lost = await render(["j1", "j2"]);
    await lost.send(completed, completed, { type: "lease.lost" });
    expect(lost.settlements).toEqual([{ kind: "release", why: "its lease was lost" }]);
    const away = await render(["j1", "j2"]);
    await away.send(completed);
    away.canKeepLease = false;
    await away.send(completed);
    expect(away.settlements).toEqual([{ kind: "release", why: "its lease could not be kept" }]);
  });
  it("gives the job back when the commit before it does not end in ten minutes", async () => {
    const world = await render(["j1", "j2"]);
    await world.send(completed, completed);
    await world.clock.advance(10 * minuteMs - 1);
    expect(world.state()).toBe("handingOver");
    await world.clock.advance(1);
    expect(world.settlements).toEqual([{ kind: "release", why: "the commit before it did not end" }]);
  });
  it("reports an artifact that was refused as a failed job, and its fault", async () => {
    const world = await render(["j1"]);
    await world.send(completed, { type: "artifact.refused", jobId: "j1", problem: "it is black", fault });
    expect(world.parent.ofType("job.ended")).toMatchObject([{ jobId: "j1", isSuccessful: false }]);
    expect(world.parent.ofType("fault.raised")).toMatchObject([{ report: { fault, jobId: "j1", model: "T2V-A14B" } }]);
  });
  it("raises no fault when nobody is to blame for a refused artifact, and leaves room for the next", async () => {
    const world = await render(["j1", "j2"]);
    await world.send(completed, {
      type: "artifact.refused",
      jobId: "j1",
      problem: "the job was cancelled",
      fault: null,
    });
    expect(world.parent.ofType("fault.raised")).toEqual([]);
    await world.send(completed);
    expect(world.commits).toHaveLength(2);
  });
});

describe("a render", () => {
  const limits = { stallMs: 2 * minuteMs, cancelMs: 10_000 };
  const phase = (name: "encode" | "denoise" | "decode" | "mux", longPhaseMs: number | null = null) =>
    ({ type: "phase.started", phase: name, longPhaseMs, limits }) as const;
  const phases = [
    ["encode", "encoding"],
    ["denoise", "denoising"],
    ["decode", "decoding"],
    ["mux", "muxing"],
  ] as const;
  it("shows each phase as it begins", async () => {
    const world = await render();
    for (const [name, state] of [...phases, ...phases]) {
      await world.send(phase(name));
      expect(world.state()).toBe(`inHand.generating.${state}`);
    }
  });
  it.each(phases)("stalls in %s when nothing moves for that phase's own limit", async (name, state) => {
    const world = await render();
    await world.send(phase(name));
    await world.clock.advance(2 * minuteMs - 1);
    await world.send(progressed);
    await world.clock.advance(2 * minuteMs - 1);
    expect(world.state()).toBe(`inHand.generating.${state}`);
    await world.clock.advance(1);
    expect(world.state()).toBe("stalled");
    expect(world.parent.reports.slice(-2)).toEqual([
      { type: "pipeline.stalled", workerId: "w0", jobId: "j1", evidence: { stalledForMs: 2 * minuteMs } },
      { type: "worker.restart", workerId: "w0", reason: "its render stalled" },
    ]);
  });
  it("that stalls says since when the worker's main thread does nothing, and forgets it when that moved again", async () => {
    const stillSince = (world: Awaited<ReturnType<typeof render>>, sinceMs: number | null) =>
      world.send({ type: "render.stoodStill", sinceMs });
    const world = await render();
    await world.send(phase("denoise"));
    await stillSince(world, world.clock.nowMs());
    await world.clock.advance(2 * minuteMs);
    const evidence = { stalledForMs: 2 * minuteMs, mainThreadIdleMs: 2 * minuteMs };
    expect(world.parent.ofType("pipeline.stalled")).toMatchObject([{ evidence }]);
    await world.send(exited);
    expect(world.settlements).toEqual([{ kind: "death", evidence, isOwnDoing: false, hasBegun: true }]);
    const moved = await render();
    await moved.send(phase("denoise"));
    await stillSince(moved, moved.clock.nowMs());
    await stillSince(moved, null);
    await moved.clock.advance(2 * minuteMs);
    expect(moved.parent.ofType("pipeline.stalled")).toEqual([
      { type: "pipeline.stalled", workerId: "w0", jobId: "j1", evidence: { stalledForMs: 2 * minuteMs } },
    ]);
  });
  it("may be still for longer in a phase that was announced as long", async () => {
    const world = await render();
    await world.send(phase("decode", 7 * minuteMs));
    await world.clock.advance(7 * minuteMs - 1);
    expect(world.state()).toBe("inHand.generating.decoding");
    await world.clock.advance(1);
    expect(world.state()).toBe("stalled");
  });
  it("has the generous limit before its first phase is known", async () => {
    const world = await render();
    await world.clock.advance(15 * minuteMs - 1);
    expect(world.state()).toBe("inHand.generating.encoding");
    await world.clock.advance(1);
    expect(world.state()).toBe("stalled");
  });
  it("that failed ends the attempt with its fault, which recovery hears of", async () => {
    const world = await render(["j1", "j2"]);
    await world.send({ type: "render.failed", fault });
    expect(world.settlements).toEqual([{ kind: "fault", fault, hasBegun: true }]);
    expect(world.parent.ofType("fault.raised")).toMatchObject([
      { report: { fault, jobId: "j1", workerId: "w0", model: "T2V-A14B" } },
    ]);
    expect(world.parent.ofType("job.ended")).toMatchObject([{ jobId: "j1", isSuccessful: false }]);
    expect(world.renders.at(-1)?.lease.jobId).toBe("j2");
  });
  it("that cannot be asked for ends the attempt", async () => {
    const world = await render(["j1"], { canRender: false });
    expect(world.settlements).toMatchObject([{ kind: "fault", fault: { code: "WORKER_STALLED" } }]);
  });
});
