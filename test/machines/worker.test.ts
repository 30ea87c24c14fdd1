import { afterEach, describe, expect, it } from "vitest";
import { type Actor, createActor, fromCallback, fromPromise } from "xstate";
import { toActorClock } from "../../src/core/clock.ts";
import type { ProcessRef } from "../../src/core/ports/worker.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { loadProfiles, modelIds, phases, recoveryActions } from "../../src/core/words.ts";
import { workerMachine } from "../../src/machines/worker.machine.ts";
import type { ConnectedWorker, StopShape, WorkerEvent, WorkerReport } from "../../src/machines/worker-types.ts";
import { pathOfValue } from "../../src/telemetry/transitions.ts";
import { createListeningParent } from "./listening-parent.ts";

const identity = {
  pid: 7,
  kind: "simulator",
  isSimulated: true,
  device: { uuid: "SIM-0", name: "card", totalBytes: 1 },
  models: modelIds,
  profiles: loadProfiles,
  actions: recoveryActions,
  phases,
};
const attach = {
  jobId: null,
  fence: null,
  phase: null,
  step: null,
  of: null,
  result: null,
  failure: null,
  residentModel: null,
  profile: null,
};

interface World {
  readonly clock: VirtualClock;
  readonly actor: Actor<typeof workerMachine>;
  readonly reports: readonly WorkerReport[];
  readonly stops: StopShape[];
  spawnCount: number;
  tell: (event: WorkerEvent) => void;
}

const running: World[] = [];
afterEach(() => {
  for (const world of running.splice(0)) world.actor.stop();
});

function makeWorld(options: { recorded?: boolean; isMute?: boolean } = {}): World {
  const clock = createVirtualClock();
  const world: Partial<World> = { clock, stops: [], spawnCount: 0, tell: () => undefined };
  const refOf = (pid: number): ProcessRef => ({ workerId: "w", pid, startTicks: 1, bootId: "b", socketPath: "s", token: "t" });
  const connected = (ref: ProcessRef): ConnectedWorker => ({ ref, identity, attach, lease: null });
  const machine = workerMachine.provide({
    actors: {
      spawnProcess: fromPromise<ProcessRef, { workerId: string }>(async () => {
        world.spawnCount = (world.spawnCount ?? 0) + 1;
        return refOf(world.spawnCount);
      }),
      handshake: fromPromise<ConnectedWorker, { ref: ProcessRef }>(({ input }) =>
        options.isMute === true ? new Promise(() => undefined) : Promise.resolve(connected(input.ref)),
      ),
      adoptProcess: fromPromise<ConnectedWorker | null, { workerId: string }>(async () =>
        options.recorded === true ? connected(refOf(99)) : null,
      ),
      watchProcess: fromCallback<WorkerEvent, { ref: ProcessRef }>(({ sendBack }) => {
        world.tell = sendBack;
      }),
      stopProcess: fromPromise<void, { ref: ProcessRef; shape: StopShape; reason: string }>(async ({ input }) => {
        world.stops?.push(input.shape);
      }),
    },
  });
  const parent = createListeningParent<WorkerReport>();
  const actor = createActor(machine, { clock: toActorClock(clock), input: { workerId: "w", parent: parent.ref, clock, draws: [0.5] } });
  actor.subscribe({ error: (thrown) => Promise.reject(thrown) });
  actor.start();
  const made = Object.assign(world, { actor, reports: parent.reports }) as World;
  running.push(made);
  return made;
}

const stateOf = ({ actor }: World): string => pathOfValue(actor.getSnapshot().value);
const exit: WorkerEvent = {
  type: "process.exited",
  exit: { code: null, signal: "SIGKILL", logTail: "" },
  evidence: { exitSignal: "SIGKILL" },
};

async function start(world: World): Promise<void> {
  world.actor.send({ type: "worker.start" });
  await world.clock.settle();
}

/** Dies, and comes back as soon as its back-off and the budget allow; the wait in ms. */
async function dieAndWait(world: World): Promise<number> {
  world.tell(exit);
  await world.clock.settle();
  const before = world.clock.nowMs();
  const isDone = (): boolean => stateOf(world) === "awaitingBudget" || stateOf(world) === "crashLooping";
  await world.clock.advanceUntil(isDone, 3_600_000);
  if (stateOf(world) === "awaitingBudget") world.actor.send({ type: "budget.granted" });
  await world.clock.settle();
  return world.clock.nowMs() - before;
}

describe("the worker machine", () => {
  it("spawns, shakes hands and reports the connection", async () => {
    const world = makeWorld();
    await start(world);
    expect(stateOf(world)).toBe("living.idle");
    expect(world.reports).toMatchObject([{ type: "worker.connected", workerId: "w", isAdopted: false }]);
  });

  it("takes up the recorded process instead of spawning", async () => {
    const world = makeWorld({ recorded: true });
    world.actor.send({ type: "worker.adopt" });
    await world.clock.settle();
    expect(stateOf(world)).toBe("living.idle");
    expect(world.spawnCount).toBe(0);
    expect(world.reports).toMatchObject([{ type: "worker.connected", isAdopted: true, worker: { ref: { pid: 99 } } }]);
  });

  it("comes back by itself after 1, 2 and 4 seconds", async () => {
    const world = makeWorld();
    await start(world);
    expect([await dieAndWait(world), await dieAndWait(world), await dieAndWait(world)]).toEqual([1_000, 2_000, 4_000]);
    expect(world.spawnCount).toBe(4);
  });

  it("begins its back-off anew after ten healthy minutes", async () => {
    const world = makeWorld();
    await start(world);
    await dieAndWait(world);
    await dieAndWait(world);
    await world.clock.advance(11 * 60_000);
    expect(await dieAndWait(world)).toBe(1_000);
  });

  it("rests in a crash loop after five deaths in ten minutes, and an operator's start ends it", async () => {
    const world = makeWorld();
    await start(world);
    for (let death = 0; death < 5; death += 1) await dieAndWait(world);
    expect(stateOf(world)).toBe("crashLooping");
    expect(world.reports.at(-1)).toMatchObject({ type: "worker.crashLooped", deathCount: 5 });
    await start(world);
    expect(stateOf(world)).toBe("living.idle");
  });

  it("waits for the window when the budget is spent", async () => {
    const world = makeWorld();
    await start(world);
    world.tell(exit);
    await world.clock.advanceUntil(() => stateOf(world) === "awaitingBudget", 60_000);
    world.actor.send({ type: "budget.refused", retryAtMs: world.clock.nowMs() + 600_000 });
    await world.clock.advance(599_000);
    expect(stateOf(world)).toBe("resting");
    await world.clock.advance(2_000);
    expect(stateOf(world)).toBe("awaitingBudget");
  });

  it("stops a silent process without asking it first", async () => {
    const world = makeWorld();
    await start(world);
    world.tell({ type: "worker.fellSilent", silentForMs: 10_000, processState: "T" });
    await world.clock.settle();
    expect(world.stops).toEqual(["silent"]);
    expect(world.reports.at(-1)).toMatchObject({
      type: "worker.exited",
      isExpected: false,
      evidence: { silentForMs: 10_000, processState: "T" },
    });
  });

  it("gives up a process that never shakes hands", async () => {
    const world = makeWorld({ isMute: true });
    await start(world);
    expect(stateOf(world)).toBe("living.handshaking");
    await world.clock.advance(61_000);
    expect(world.stops).toEqual(["silent"]);
  });

  it("restarts at once when the asker has paid for it", async () => {
    const world = makeWorld();
    await start(world);
    world.actor.send({ type: "worker.restart", reason: "a rung", isBudgeted: true });
    await world.clock.settle();
    expect(stateOf(world)).toBe("living.idle");
    expect(world.spawnCount).toBe(2);
    expect(world.reports.map((report) => report.type)).not.toContain("budget.request");
  });

  it("reports that it has stopped when asked to stop, also without a process", async () => {
    const world = makeWorld();
    world.actor.send({ type: "worker.stop", shape: "quick" });
    expect(world.reports).toEqual([{ type: "worker.stopped", workerId: "w" }]);
    await start(world);
    world.actor.send({ type: "worker.stop", shape: "quick" });
    await world.clock.settle();
    expect(stateOf(world)).toBe("stopped");
    expect(world.stops).toEqual(["quick"]);
  });
});
