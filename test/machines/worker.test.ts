import { afterEach, describe, expect, it } from "vitest";
import type { WorkerEvent } from "../../src/machines/worker-types.ts";
import { createWorker, type WorkerWorld } from "./worker-harness.ts";

const running: WorkerWorld[] = [];
afterEach(() => {
  for (const world of running.splice(0)) world.actor.stop();
});
const make = (set: Partial<WorkerWorld> = {}): WorkerWorld => {
  const world = createWorker(set);
  running.push(world);
  return world;
};

const secondMs = 1_000;
const minuteMs = 60_000;
const start: WorkerEvent = { type: "worker.start" };
const adopt: WorkerEvent = { type: "worker.adopt" };
const stop: WorkerEvent = { type: "worker.stop", shape: "quick" };
const restart = (isBudgeted: boolean): WorkerEvent => ({ type: "worker.restart", reason: "a rung", isBudgeted });
const exit: WorkerEvent = {
  type: "process.exited",
  exit: { code: null, signal: "SIGKILL", logTail: "" },
  evidence: { exitSignal: "SIGKILL" },
};

const living = async (set: Partial<WorkerWorld> = {}): Promise<WorkerWorld> => {
  const world = make(set);
  await world.send(start);
  return world;
};

/** Dies, and comes back as soon as its back-off and the budget allow; the wait in ms. */
async function dieAndWait(world: WorkerWorld): Promise<number> {
  await world.tell(exit);
  const before = world.clock.nowMs();
  await world.clock.advanceUntil(
    () => world.state() === "awaitingBudget" || world.state() === "crashLooping",
    3_600_000,
  );
  const waitedMs = world.clock.nowMs() - before;
  if (world.state() === "awaitingBudget") await world.send({ type: "budget.granted" });
  return waitedMs;
}

/** Ways into each state without a process. */
const awaitingBudget = async (): Promise<WorkerWorld> => {
  const world = await living();
  await world.tell(exit);
  await world.clock.advance(secondMs);
  return world;
};
const resting = async (): Promise<WorkerWorld> => {
  const world = await awaitingBudget();
  await world.send({ type: "budget.refused", retryAtMs: world.clock.nowMs() + 10 * minuteMs });
  return world;
};
const crashLooping = async (): Promise<WorkerWorld> => {
  const world = await living();
  for (let death = 0; death < 5; death += 1) await dieAndWait(world);
  return world;
};
const backingOff = async (): Promise<WorkerWorld> => {
  const world = await living();
  await world.tell(exit);
  return world;
};
const reached = { awaitingBudget, resting, crashLooping, backingOff } as const;
const spawning = (): Promise<WorkerWorld> => living({ spawning: "hangs" });
const adopting = async (): Promise<WorkerWorld> => {
  const world = make({ adopting: "hangs" });
  await world.send(adopt);
  return world;
};

describe("a worker's start", () => {
  it("spawns, shakes hands and reports the connection", async () => {
    const world = await living();
    expect(world.states).toEqual(["stopped", "spawning", "living.handshaking", "living.idle"]);
    expect(world.parent.reports).toMatchObject([
      { type: "worker.connected", workerId: "w", isAdopted: false, worker: { ref: { pid: 1 } } },
    ]);
    expect(world.watchedPid).toBe(1);
  });
  it("takes up the recorded process instead of spawning", async () => {
    const world = make({ hasLeftover: true });
    await world.send(adopt);
    expect(world.state()).toBe("living.idle");
    expect(world.spawnCount).toBe(0);
    expect(world.watchedPid).toBe(99);
    expect(world.parent.reports).toMatchObject([
      { type: "worker.connected", isAdopted: true, worker: { ref: { pid: 99 } } },
    ]);
  });
  it.each([
    ["there is none to take up", {}],
    ["it cannot be taken up", { hasLeftover: true, adopting: "fails" }],
  ] as const)("spawns a process of its own when %s", async (_, set) => {
    const world = make(set);
    await world.send(adopt);
    expect(world.states).toEqual(["stopped", "adopting", "spawning", "living.handshaking", "living.idle"]);
    expect(world.parent.reports).toMatchObject([{ isAdopted: false, worker: { ref: { pid: 1 } } }]);
  });
  it("waits fifteen seconds for a process to be taken up", async () => {
    const world = await adopting();
    await world.clock.advance(15 * secondMs - 1);
    expect(world.state()).toBe("adopting");
    await world.clock.advance(1);
    expect(world.state()).toBe("living.idle");
    expect(world.spawnCount).toBe(1);
  });
  it("is also brought about by a restart", async () => {
    const world = make();
    await world.send(restart(false));
    expect(world.state()).toBe("living.idle");
    expect(world.spawnCount).toBe(1);
  });
  it.each([
    ["fails", 0],
    ["hangs", 30 * secondMs],
  ] as const)("that %s is told as a death, and tried again without the budget", async (answer, limitMs) => {
    const world = await living({ spawning: answer });
    if (limitMs > 0) {
      await world.clock.advance(limitMs - 1);
      expect(world.state()).toBe("spawning");
      await world.clock.advance(1);
    }
    expect(world.state()).toBe("backingOff");
    await world.clock.advance(secondMs - 1);
    expect(world.state()).toBe("backingOff");
    await world.clock.advance(1);
    expect(world.spawnCount).toBe(2);
    expect(world.parent.ofType("worker.exited")[0]).toMatchObject({ isExpected: false, exit: null });
    expect(world.parent.ofType("budget.request")).toEqual([]);
  });
  it("gives up a process that never shakes hands after two minutes", async () => {
    const world = await living({ shaking: "hangs" });
    await world.clock.advance(2 * minuteMs - 1);
    expect(world.state()).toBe("living.handshaking");
    await world.clock.advance(1);
    expect(world.stops).toEqual([{ shape: "silent", reason: "it did not shake hands in time" }]);
    expect(world.parent.ofType("worker.exited")).toMatchObject([{ evidence: { silentForMs: 2 * minuteMs } }]);
    expect(world.state()).toBe("backingOff");
  });
  it("gives up a process whose handshake fails", async () => {
    const world = await living({ shaking: "fails" });
    expect(world.stops).toEqual([{ shape: "silent", reason: "it did not shake hands" }]);
    expect(world.parent.ofType("worker.exited")).toMatchObject([{ evidence: { during: "its handshake" } }]);
    expect(world.state()).toBe("backingOff");
  });
  it("gives up a process that cannot be watched", async () => {
    const world = await living({ canWatch: false });
    expect(world.stops).toEqual([{ shape: "ladder", reason: "its watch failed" }]);
    expect(world.parent.ofType("worker.exited")).toMatchObject([{ evidence: { during: "its watch" } }]);
    expect(world.state()).toBe("backingOff");
  });
});

describe("a living worker", () => {
  it("is busy from the beginning of a job to its end", async () => {
    const world = await living();
    await world.send({ type: "job.begun" });
    expect(world.state()).toBe("living.busy");
    expect(world.actor.getSnapshot().hasTag("busy")).toBe(true);
    await world.send({ type: "job.ended" });
    expect(world.state()).toBe("living.idle");
    expect(world.actor.getSnapshot().hasTag("busy")).toBe(false);
  });
  it("is stopped without being asked first when it falls silent", async () => {
    const world = await living();
    await world.tell({ type: "worker.fellSilent", silentForMs: 10_000, processState: "T", mainThreadIdleMs: 3_000 });
    expect(world.stops).toEqual([{ shape: "silent", reason: "it fell silent" }]);
    expect(world.parent.ofType("worker.exited").at(-1)).toMatchObject({
      isExpected: false,
      evidence: { silentForMs: 10_000, processState: "T", mainThreadIdleMs: 3_000 },
    });
    expect(world.state()).toBe("backingOff");
  });
  it("is stopped without a job when its main thread stands still, whatever its heartbeats say", async () => {
    const world = await living();
    await world.tell({ type: "worker.stoodStill", mainThreadIdleMs: 300_000 });
    expect(world.stops).toEqual([{ shape: "silent", reason: "its main thread stood still" }]);
    expect(world.parent.ofType("worker.exited").at(-1)).toMatchObject({
      isExpected: false,
      evidence: { stalledForMs: 300_000, mainThreadIdleMs: 300_000 },
    });
    expect(world.state()).toBe("backingOff");
  });
  it("is left alone with a job whose step takes long: the limit of its phase decides", async () => {
    const world = await living();
    await world.send({ type: "job.begun" });
    await world.tell({ type: "worker.stoodStill", mainThreadIdleMs: 300_000 });
    expect(world.state()).toBe("living.busy");
    expect(world.stops).toEqual([]);
  });
  it("restarts at once when the asker has paid for it, and the end of its process was meant", async () => {
    const world = await living();
    await world.send(restart(true));
    expect(world.state()).toBe("living.idle");
    expect(world.stops).toEqual([{ shape: "ladder", reason: "a rung" }]);
    expect(world.watchedPid).toBe(2);
    expect(world.parent.types()).toEqual(["worker.connected", "worker.exited", "worker.connected"]);
    expect(world.parent.ofType("worker.exited")).toMatchObject([{ isExpected: true, exit: null }]);
  });
  it("is restarted by its own back-off and the budget when nobody has paid", async () => {
    const world = await living();
    await world.send(restart(false));
    expect(world.state()).toBe("backingOff");
    await world.clock.advance(secondMs);
    expect(world.parent.types().at(-1)).toBe("budget.request");
  });
});

describe("a worker whose process died", () => {
  it("says so and comes back by itself after 1, 2 and 4 seconds", async () => {
    const world = await living();
    world.states.length = 0;
    expect([await dieAndWait(world), await dieAndWait(world), await dieAndWait(world)]).toEqual([1_000, 2_000, 4_000]);
    expect(world.spawnCount).toBe(4);
    const round = ["backingOff", "awaitingBudget", "spawning", "living.handshaking", "living.idle"];
    expect(world.states).toEqual([...round, ...round, ...round]);
    expect(world.parent.ofType("worker.exited")[0]).toMatchObject({
      isExpected: false,
      evidence: { exitSignal: "SIGKILL" },
    });
  });
  it("begins its back-off anew after ten healthy minutes", async () => {
    const world = await living();
    await dieAndWait(world);
    await dieAndWait(world);
    await world.clock.advance(11 * minuteMs);
    expect(await dieAndWait(world)).toBe(1_000);
  });
  it("is started without the budget's answer when none comes within five seconds", async () => {
    const world = await awaitingBudget();
    await world.clock.advance(5 * secondMs - 1);
    expect(world.state()).toBe("awaitingBudget");
    await world.clock.advance(1);
    expect(world.state()).toBe("living.idle");
    expect(world.spawnCount).toBe(2);
  });
  it("waits for the window when the budget is spent, and asks again", async () => {
    const world = await resting();
    await world.clock.advance(10 * minuteMs - 1);
    expect(world.state()).toBe("resting");
    await world.clock.advance(1);
    expect(world.state()).toBe("awaitingBudget");
    expect(world.parent.ofType("budget.request")).toHaveLength(2);
  });
  it("rests in a crash loop after five deaths in ten minutes, and says until when", async () => {
    const world = await crashLooping();
    expect(world.state()).toBe("crashLooping");
    expect(world.parent.ofType("worker.crashLooped")).toMatchObject([{ deathCount: 5 }]);
    const untilMs = world.clock.nowMs() + 10 * minuteMs;
    expect(world.parent.reports.at(-1)).toEqual({ type: "worker.waiting", workerId: "w", untilMs });
    await world.clock.advance(10 * minuteMs - 1);
    expect(world.state()).toBe("crashLooping");
    const { spawnCount } = world;
    const askedCount = world.parent.ofType("budget.request").length;
    await world.clock.advance(1);
    expect(world.state()).toBe("living.idle");
    expect(world.spawnCount).toBe(spawnCount + 1);
    expect(world.parent.ofType("budget.request")).toHaveLength(askedCount);
  });
  it.each([
    ["its rest is over", (world: WorkerWorld) => world.clock.advance(10 * minuteMs)],
    ["a look back starts it", (world: WorkerWorld) => world.send(restart(false))],
  ] as const)("has one start after a crash loop when %s: the next death rests it again", async (_, begin) => {
    const world = await crashLooping();
    await begin(world);
    expect(world.state()).toBe("living.idle");
    await world.tell(exit);
    expect(world.state()).toBe("crashLooping");
    expect(world.parent.ofType("worker.crashLooped")).toHaveLength(2);
  });
  it("has its back-off anew after a crash loop when an operator starts it, or when it was sound for ten minutes", async () => {
    const started = await crashLooping();
    await started.send(start);
    expect(await dieAndWait(started)).toBe(1_000);
    const sound = await crashLooping();
    await sound.clock.advance(20 * minuteMs);
    expect(await dieAndWait(sound)).toBe(1_000);
  });
  it("spends no budget on starts that never answer, however many there are", async () => {
    const world = await living({ shaking: "hangs" });
    for (let start = 0; start < 5; start += 1) {
      await world.tell({ ...exit, evidence: { exitCode: 1 } });
      await world.clock.advanceUntil(() => world.state() !== "backingOff", minuteMs);
    }
    expect(world.state()).toBe("crashLooping");
    expect(world.spawnCount).toBe(5);
    expect(world.parent.ofType("budget.request")).toEqual([]);
  });
  it("names the end of each wait: back-off, budget, crash loop", async () => {
    const world = await resting();
    const now = world.clock.nowMs();
    expect(world.parent.ofType("worker.waiting").map(({ untilMs }) => untilMs)).toEqual([now, now + 10 * minuteMs]);
  });
  it.each([
    ["resting", start],
    ["resting", restart(false)],
    ["crashLooping", start],
    ["crashLooping", restart(false)],
    ["backingOff", restart(false)],
  ] as const)("and that is %s comes back at once when it is asked to", async (state, event) => {
    const world = await reached[state]();
    expect(world.state()).toBe(state);
    const { spawnCount } = world;
    await world.send(event);
    expect(world.state()).toBe("living.idle");
    expect(world.spawnCount).toBe(spawnCount + 1);
    expect(world.watchedPid).toBe(world.spawnCount);
  });
});

const unstartable = async (): Promise<WorkerWorld> => {
  const world = await living({ shaking: "hangs" });
  await world.tell({ ...exit, evidence: { exitCode: 78 } });
  return world;
};

describe("a stop", () => {
  it("is reported also when there is no process", async () => {
    const world = make();
    await world.send(stop);
    expect(world.parent.reports).toEqual([{ type: "worker.stopped", workerId: "w" }]);
  });
  it("ends the process in the asked shape, and nothing comes back by itself", async () => {
    const world = await living();
    await world.send(stop);
    expect(world.state()).toBe("stopped");
    expect(world.stops).toEqual([{ shape: "quick", reason: "asked to stop" }]);
    expect(world.parent.types()).toEqual(["worker.connected", "worker.exited", "worker.stopped"]);
    expect(world.actor.getSnapshot().context.ref).toBeNull();
    await world.clock.advance(60 * minuteMs);
    expect(world.state()).toBe("stopped");
  });
  it.each([
    ["backingOff", backingOff],
    ["awaitingBudget", awaitingBudget],
    ["resting", resting],
    ["crashLooping", crashLooping],
    ["unstartable", unstartable],
    ["spawning", spawning],
    ["adopting", adopting],
  ] as const)("ends the wait of a worker that is %s", async (state, reach) => {
    const world = await reach();
    expect(world.state()).toBe(state);
    const { spawnCount } = world;
    await world.send(stop);
    expect(world.state()).toBe("stopped");
    expect(world.parent.types().at(-1)).toBe("worker.stopped");
    await world.clock.advance(60 * minuteMs);
    expect(world.spawnCount).toBe(spawnCount);
  });
  it("that comes during a restart's stop ends in no process", async () => {
    const world = await living({ stopping: "hangs" });
    await world.send(restart(true));
    await world.send(stop);
    await world.clock.advance(minuteMs);
    expect(world.state()).toBe("stopped");
    expect(world.spawnCount).toBe(1);
  });
  it.each([
    ["hangs", minuteMs],
    ["fails", 0],
  ] as const)("ladder that %s is taken for done: what was to follow follows", async (stopping, waitMs) => {
    const stopped = await living({ stopping });
    await stopped.send(stop);
    await stopped.clock.advance(Math.max(0, waitMs - 1));
    expect(stopped.state()).toBe(waitMs > 0 ? "stopping" : "stopped");
    await stopped.clock.advance(1);
    expect(stopped.state()).toBe("stopped");
    expect(stopped.parent.types().at(-1)).toBe("worker.stopped");
    expect(stopped.actor.getSnapshot().context.ref).toBeNull();
    const restarted = await living({ stopping });
    await restarted.send(restart(false));
    await restarted.clock.advance(waitMs);
    expect(restarted.state()).toBe("backingOff");
    expect(restarted.actor.getSnapshot().context.deathsAtMs).toHaveLength(1);
  });
});
