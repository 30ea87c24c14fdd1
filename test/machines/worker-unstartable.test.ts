import { afterEach, describe, expect, it } from "vitest";
import type { WorkerEvent } from "../../src/machines/worker-types.ts";
import { createWorker, type WorkerWorld } from "./worker-harness.ts";

const running: WorkerWorld[] = [];
afterEach(() => {
  for (const world of running.splice(0)) world.actor.stop();
});

const minuteMs = 60_000;
const start: WorkerEvent = { type: "worker.start" };
const restart: WorkerEvent = { type: "worker.restart", reason: "a look back", isBudgeted: false };
const exit: WorkerEvent = {
  type: "process.exited",
  exit: { code: null, signal: "SIGKILL", logTail: "" },
  evidence: { exitSignal: "SIGKILL" },
};
const living = async (set: Partial<WorkerWorld> = {}): Promise<WorkerWorld> => {
  const world = createWorker(set);
  running.push(world);
  await world.send(start);
  return world;
};

const refusal = { exitCode: 78, logTail: "starting\nSet ENGINE_URL to the engine's address.\n" };
const refused: WorkerEvent = {
  type: "process.exited",
  exit: { code: 78, signal: null, logTail: refusal.logTail },
  evidence: refusal,
};
const unstartable = async (): Promise<WorkerWorld> => {
  const world = await living({ shaking: "hangs" });
  await world.tell(refused);
  return world;
};

describe("a worker that only a person can mend", () => {
  it.each([
    ["code 78", refusal],
    ["a package that is missing", { exitCode: 1, logTail: "ModuleNotFoundError: No module named 'torch'" }],
    ["a module of its own that is missing", { exitCode: 1, logTail: "/usr/bin/python3: No module named painter" }],
    [
      "a program that its script does not find",
      { exitCode: 127, logTail: "env: 'python9': No such file or directory" },
    ],
  ])("ends with %s: that is told in its own words, counted as no death, and not repeated", async (_, evidence) => {
    const world = await living({ shaking: "hangs" });
    await world.tell({ type: "process.exited", exit: { code: 78, signal: null, logTail: "" }, evidence });
    expect(world.state()).toBe("unstartable");
    expect(world.parent.types()).toEqual(["worker.notStarted"]);
    const words = evidence.logTail.trimEnd().split("\n").at(-1);
    expect(world.parent.ofType("worker.notStarted")[0]?.fault.message).toContain(words);
    expect(world.actor.getSnapshot().context.deathsAtMs).toEqual([]);
    await world.clock.advance(60 * minuteMs - 1);
    expect([world.state(), world.spawnCount]).toEqual(["unstartable", 1]);
    await world.clock.advance(1);
    expect(world.spawnCount).toBe(2);
  });
  it.each([
    ["it cannot be started", { spawning: "is refused" }],
    ["it speaks another protocol", { shaking: "is refused" }],
  ] as const)("is known also when %s", async (_, set) => {
    const world = await living(set);
    expect(world.state()).toBe("unstartable");
    expect(world.parent.types()).toEqual(["worker.notStarted"]);
    expect(world.actor.getSnapshot().context.ref).toBeNull();
  });
  it("is none that ends with 78 in the middle of its life: a job may have brought that about, and its next start tells", async () => {
    const world = await living();
    world.shaking = "hangs";
    await world.tell(refused);
    expect(world.state()).toBe("backingOff");
    expect(await world.clock.advanceUntil(() => world.state() === "living.handshaking", minuteMs)).toBeTruthy();
    await world.tell(refused);
    expect(world.state()).toBe("unstartable");
  });
  it("is none that lacks a package after it has answered: a lighter rung helps", async () => {
    const world = await living();
    await world.tell({ ...refused, evidence: { exitCode: 1, logTail: "ImportError: No module named 'accelerate'" } });
    expect(world.state()).toBe("backingOff");
  });
  it.each([{ type: "program.changed" }, start, restart] as const)("is tried again at once on $type", async (event) => {
    const world = await unstartable();
    world.shaking = "answers";
    await (event.type === "program.changed" ? world.change() : world.send(event));
    expect(world.state()).toBe("living.idle");
    expect(world.parent.ofType("budget.request")).toEqual([]);
    await world.tell(exit);
    expect(await world.clock.advanceUntil(() => world.state() === "awaitingBudget", minuteMs)).toBeTruthy();
  });
  it("tells its newest reason after each try", async () => {
    const world = await unstartable();
    await world.change();
    expect(world.state()).toBe("living.handshaking");
    await world.tell({ ...refused, evidence: { exitCode: 78, logTail: "The folder of models is missing." } });
    expect(world.parent.ofType("worker.notStarted").map(({ fault }) => fault.message)).toEqual([
      "Set ENGINE_URL to the engine's address.",
      "The folder of models is missing.",
    ]);
  });
  it("waits on when its program cannot be watched", async () => {
    const world = await living({ shaking: "hangs", canWatchProgram: false });
    await world.tell(refused);
    expect(world.state()).toBe("unstartable");
  });
});
