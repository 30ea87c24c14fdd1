import { afterEach, describe, expect, it } from "vitest";
import {
  committed,
  completed,
  connected,
  exited,
  leaseOf,
  news,
  type PipelineWorld,
  proven,
  resume,
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
const hourMs = 60 * minuteMs;
const cancel = { type: "job.cancel", jobId: "j1" } as const;
const stop = { type: "pipeline.stop" } as const;
const standIn = { type: "pipeline.standIn" } as const;
const kills = (world: PipelineWorld): readonly string[] =>
  world.parent.ofType("worker.restart").map(({ reason }) => reason);
const freedCount = (world: PipelineWorld): number => world.parent.ofType("device.freed").length;
const endsOf = (world: PipelineWorld): readonly string[] => world.parent.ofType("job.ended").map(({ jobId }) => jobId);
/** How often the claims were asked after another piece of news. */
const claimsAfterNews = async (world: PipelineWorld): Promise<number> => {
  await world.send(news);
  return world.claims.length;
};

describe("a worker that ends", () => {
  const death = { kind: "death", evidence: { exitCode: 1 }, isOwnDoing: false, hasBegun: true } as const;
  it("while it renders leaves the job to be judged by its evidence, and no job begins before the next worker's model is proven", async () => {
    const world = await render(["j1", "j2"]);
    await world.send(exited);
    expect(world.settlements).toEqual([death]);
    expect(world.followed.size + world.kept.size).toBe(0);
    expect(endsOf(world)).toEqual(["j1"]);
    await world.send(proven);
    expect(world.claims).toHaveLength(1);
    await world.send(connected, news);
    expect(world.claims).toHaveLength(2);
  });
  it("while the job is prepared gives the job back, with the word that its render had not begun", async () => {
    const world = await render(["j1"], { preparations: ["hangs"] });
    await world.send(exited);
    expect(world.settlements).toEqual([{ ...death, hasBegun: false }]);
    expect(world.state()).toBe("idle");
  });
  it("because it was asked to does not count against the job", async () => {
    const world = await render();
    await world.send({ ...exited, type: "worker.exited", evidence: {}, isExpected: true });
    expect(world.settlements).toEqual([{ kind: "death", evidence: {}, isOwnDoing: true, hasBegun: true }]);
  });
  it("while a job is being claimed for it gives that job back, and no attempt begins", async () => {
    // Once it was given to a process that was ending on purpose: it stood still until the stall limit, and counted as a death.
    const world = begin({ waiting: ["j1"] });
    await world.send(connected);
    world.actor.send(proven);
    world.actor.send(exited);
    await world.clock.settle();
    expect(world.claims).toHaveLength(1);
    expect(world.renders).toEqual([]);
    expect(world.settlements).toEqual([{ kind: "release", why: "its worker ended while it was claimed" }]);
    expect(world.state()).toBe("idle");
  });
  it("while an attempt is being settled is known afterwards", async () => {
    const world = await render(["j1", "j2"], { settleAnswers: ["hangs"] });
    await world.send({ type: "lease.lost" });
    expect(world.state()).toBe("settling");
    await world.send(exited);
    await world.clock.advance(1_000);
    expect(world.state()).toBe("idle");
    expect(await claimsAfterNews(world)).toBe(1);
  });
  it("and comes back while an attempt is being settled is asked for the next job at once", async () => {
    const world = await render(["j1", "j2"], { settleAnswers: ["hangs"] });
    await world.send(exited, connected, proven);
    expect(world.state()).toBe("settling");
    await world.clock.advance(1_000);
    expect(world.renders.at(-1)?.lease.jobId).toBe("j2");
  });
  it("while its artifact waits to be checked is known afterwards", async () => {
    const world = await render(["j1", "j2", "j3"]);
    await world.send(completed, completed, exited, committed("j1"));
    expect(world.state()).toBe("idle");
    expect(world.commits).toHaveLength(2);
    expect(await claimsAfterNews(world)).toBe(2);
  });
});

describe("a stalled render", () => {
  it("is a death of its job as soon as the worker is gone", async () => {
    const world = await render(["j1", "j2"]);
    await world.clock.advance(15 * minuteMs);
    expect(world.state()).toBe("stalled");
    expect(world.settlements).toEqual([]);
    await world.send(exited);
    expect(world.settlements).toEqual([
      { kind: "death", evidence: { stalledForMs: 15 * minuteMs }, isOwnDoing: false, hasBegun: true },
    ]);
    expect(await claimsAfterNews(world)).toBe(1);
  });
  it("is given up a minute after the kill was asked for, whether or not the worker went", async () => {
    const world = await render();
    await world.clock.advance(15 * minuteMs);
    await world.clock.advance(minuteMs - 1);
    expect(world.state()).toBe("stalled");
    await world.clock.advance(1);
    expect(world.settlements).toMatchObject([{ kind: "death", isOwnDoing: false }]);
    expect(world.state()).toBe("idle");
  });
});

describe("a cancelled job", () => {
  it("ends when the device is free of it", async () => {
    const world = await render(["j1", "j2"]);
    await world.send(cancel);
    expect(world.settlements).toEqual([{ kind: "cancelled" }]);
    expect(freedCount(world)).toBe(1);
    expect(kills(world)).toEqual([]);
    expect(world.renders.at(-1)?.lease.jobId).toBe("j2");
  });
  it("is the one in hand, never another", async () => {
    const world = await render();
    await world.send({ ...cancel, jobId: "j9" });
    expect(world.state()).toBe("inHand.generating.encoding");
  });
  it.each([
    ["does not let go", false],
    ["cannot be asked", "fails"],
  ] as const)("costs the worker its life when it %s, and ends with it", async (_, cancelAnswer) => {
    const world = await render(["j1"], { cancelAnswer });
    await world.send(cancel);
    expect(kills(world)).toEqual(["a cancelled render did not end"]);
    expect(world.state()).toBe("cancelling");
    expect(freedCount(world)).toBe(0);
    await world.send(exited);
    expect(freedCount(world)).toBe(1);
    expect(world.settlements).toEqual([{ kind: "cancelled" }]);
    world.waiting.push("j2");
    expect(await claimsAfterNews(world)).toBe(1);
  });
  it("waits for the worker as long as its own steps say, then asks for the kill and ends", async () => {
    const world = await render(["j1"], { cancelAnswer: "hangs" });
    await world.send(
      { type: "phase.started", phase: "denoise", longPhaseMs: null, limits: { stallMs: hourMs, cancelMs: 12_000 } },
      cancel,
    );
    await world.clock.advance(11_999);
    expect(world.state()).toBe("cancelling");
    await world.clock.advance(1);
    expect(kills(world)).toEqual(["a cancelled render did not end in time"]);
    expect(world.settlements).toEqual([{ kind: "cancelled" }]);
  });
});

describe("a lease that is lost", () => {
  it("frees the device before anything else begins", async () => {
    const world = await render(["j1", "j2"]);
    await world.send({ type: "lease.lost" });
    expect(freedCount(world)).toBe(1);
    expect(world.settlements).toEqual([{ kind: "release", why: "its lease was lost" }]);
    expect(world.renders.at(-1)?.lease.jobId).toBe("j2");
  });
  it("is the same when it cannot be kept at all", async () => {
    const world = begin({ waiting: ["j1"], canKeepLease: false });
    await world.send(connected, proven);
    expect(freedCount(world)).toBe(1);
    expect(world.settlements).toEqual([{ kind: "release", why: "its lease could not be kept" }]);
  });
});

describe("settling", () => {
  it("gives a job back that fits later, with the moment and without a fault", async () => {
    const world = await render(["j1"], { preparations: [{ kind: "waits", untilMs: 7_000, why: "it waits" }] });
    expect(world.settlements).toEqual([{ kind: "release", why: "it waits", notBeforeMs: 7_000 }]);
    expect(world.parent.ofType("fault.raised")).toEqual([]);
  });
  it("is tried again every second until the store can write", async () => {
    const world = await render(["j1", "j2"], { settleAnswers: ["fails", "hangs"] });
    await world.send(cancel);
    await world.clock.advance(999);
    expect(world.settlements).toEqual([]);
    expect(endsOf(world)).toEqual([]);
    await world.clock.advance(1_001);
    expect(world.settlements).toEqual([{ kind: "cancelled" }]);
    expect(endsOf(world)).toEqual(["j1"]);
    expect(world.renders.at(-1)?.lease.jobId).toBe("j2");
  });
});

describe("the end of the service", () => {
  const isOver = ({ actor }: PipelineWorld): boolean => actor.getSnapshot().status === "done";
  it.each([
    ["without a job", []],
    ["while it is suspended", [suspend("i1")]],
    ["while stand-ins are served", [standIn]],
  ] as const)("ends the pipeline at once %s", async (_, before) => {
    const world = begin();
    await world.send(...before, stop);
    expect(isOver(world)).toBe(true);
    expect(world.actor.getSnapshot().output).toEqual({ workerId: "w0" });
    expect(world.parent.reports.at(-1)).toEqual({ type: "pipeline.stopped", workerId: "w0" });
  });
  it("gives the job in hand back, and then ends", async () => {
    const world = await render(["j1", "j2"]);
    await world.send(stop);
    expect(world.settlements).toEqual([{ kind: "release", why: "the service stops" }]);
    expect(isOver(world)).toBe(true);
    expect(world.claims).toHaveLength(1);
  });
  it("lets a job that is being cancelled be settled first", async () => {
    const world = await render(["j1", "j2"], { cancelAnswer: "hangs" });
    await world.send(cancel, stop);
    expect(isOver(world)).toBe(false);
    await world.clock.advance(5 * minuteMs);
    expect(world.settlements).toEqual([{ kind: "cancelled" }]);
    expect(isOver(world)).toBe(true);
  });
});

describe("suspension", () => {
  it("lets the job in hand end, and none begins after it until the last holder lets go", async () => {
    const world = await render(["j1", "j2"]);
    await world.send(suspend("i1"), suspend("i2"), suspend("i2"));
    expect(world.state()).toBe("inHand.generating.encoding");
    expect(world.parent.ofType("pipeline.suspended")).toEqual([]);
    await world.send(completed);
    expect(world.state()).toBe("suspended");
    expect(world.parent.ofType("pipeline.suspended")).toHaveLength(1);
    await world.send(resume("i2"));
    expect(world.state()).toBe("suspended");
    await world.send(resume("i1"));
    expect(world.parent.ofType("pipeline.resumed")).toHaveLength(1);
    expect(world.renders).toHaveLength(2);
  });
  it("hears of a worker that comes back meanwhile", async () => {
    const world = begin({ waiting: ["j1"] });
    await world.send(suspend("i1"), connected, proven);
    expect(world.state()).toBe("suspended");
    await world.send(resume("i1"));
    expect(world.renders).toHaveLength(1);
  });
  it("is over after three hours, when nobody let go", async () => {
    const world = await render([]);
    await world.send(suspend("i1"));
    await world.clock.advance(3 * hourMs - 1);
    expect(world.state()).toBe("suspended");
    world.waiting.push("j1");
    await world.clock.advance(1);
    expect(world.parent.ofType("pipeline.resumed")).toHaveLength(1);
    await world.send(news);
    expect(world.renders).toHaveLength(1);
  });
});

describe("a second incident of the same worker", () => {
  it.each([
    ["suspended", []],
    ["mock", [standIn]],
  ] as const)("is told at once that the pipeline is %s already, and holds it by itself", async (state, more) => {
    const world = begin();
    await world.send(connected, proven, suspend("i1"), ...more);
    expect(world.state()).toBe(state);
    const toldBefore = world.parent.ofType("pipeline.suspended").length;
    await world.send(suspend("i2"));
    expect(world.parent.ofType("pipeline.suspended")).toHaveLength(toldBefore + 1);
    await world.send(resume("i1"));
    expect(world.state()).toBe("suspended");
    await world.send(resume("i2"));
    expect(world.state()).toBe("idle");
  });
});

describe("a pipeline without a worker", () => {
  it.each([
    ["its suspension ends", [suspend("i1")], resume("i1")],
    ["stand-ins end with their incident", [suspend("i1"), standIn], resume("i1")],
    ["jobs are admitted again", [suspend("i1"), standIn], { type: "pipeline.admit", admission: "all" }],
  ] as const)("claims nothing when %s", async (_, before, end) => {
    const world = begin({ waiting: ["j1"] });
    await world.send(...before, end);
    expect(world.state()).toBe("idle");
    expect(world.claims).toEqual([]);
  });
  it.each([
    ["a suspension", [suspend("i1")]],
    ["stand-ins", [suspend("i1"), standIn]],
  ] as const)("claims nothing when %s last so long that nobody seems to hold it", async (_, before) => {
    const world = begin({ waiting: ["j1"] });
    await world.send(...before);
    await world.clock.advance(3 * hourMs);
    expect(world.state()).toBe("idle");
    expect(world.claims).toEqual([]);
  });
});

describe("stand-ins", () => {
  it.each([
    ["an idle pipeline", []],
    ["a suspended pipeline", [suspend("i1")]],
  ] as const)("take over %s at once", async (_, before) => {
    const world = await render([]);
    await world.send(...before, standIn);
    expect(world.state()).toBe("mock");
    world.waiting.push("j1");
    expect(await claimsAfterNews(world)).toBe(1);
  });
  it("take over only when the job in hand has ended", async () => {
    const world = await render(["j1", "j2"]);
    await world.send(suspend("i1"), standIn);
    expect(world.state()).toBe("inHand.generating.encoding");
    await world.send(completed);
    expect(world.state()).toBe("mock");
  });
  it("end when jobs are admitted, whoever still holds the pipeline", async () => {
    const world = await render([]);
    world.waiting.push("j1");
    await world.send(suspend("i1"), standIn, { type: "pipeline.admit", admission: "one" });
    expect(world.renders).toMatchObject([{ lease: { jobId: "j1" } }]);
    await world.send(completed, committed("j1"));
    world.waiting.push("j2");
    expect(await claimsAfterNews(world)).toBe(2);
  });
  it("end with the incident that asked for them", async () => {
    const world = await render([]);
    world.waiting.push("j1");
    await world.send(suspend("i1"), standIn, resume("i1"));
    expect(world.renders).toHaveLength(1);
  });
  it("give way to the suspension of another incident", async () => {
    const world = await render([]);
    await world.send(suspend("i1"), suspend("i2"), standIn, resume("i1"));
    expect(world.state()).toBe("suspended");
  });
  it("are over after three hours, when nobody ended them", async () => {
    const world = await render([]);
    await world.send(suspend("i1"), standIn);
    await world.clock.advance(3 * hourMs - 1);
    expect(world.state()).toBe("mock");
    await world.clock.advance(1);
    expect(world.state()).toBe("idle");
  });
  it("do not keep an adopted job from being followed when they began with a suspension", async () => {
    const world = begin();
    await world.send(suspend("i1"), { type: "worker.connected", adopted: leaseOf("j7") }, standIn);
    expect(world.followed).toEqual(new Set(["j7"]));
    await world.send(completed);
    expect(world.commits).toHaveLength(1);
    expect(world.state()).toBe("mock");
  });
});
