import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createActor, toPromise } from "xstate";
import { workerActors } from "../../../src/app/workers/worker-actors.ts";
import type { ProcessRef } from "../../../src/core/ports/worker.ts";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import type { ConnectedWorker } from "../../../src/machines/worker-types.ts";
import type { SimWorker } from "../../simulation/sim-worker.ts";
import { type AppWorld, createAppWorld, settled, workerId } from "../app-world.ts";
import { listenTo } from "../listen-to.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld({ "supervision.silence": "10s", "supervision.loadingSilence": "60s" });
});
afterEach(() => world.close());

/** A worker of an earlier supervisor, whose connection ended with it. */
async function leftWorker(): Promise<{ readonly worker: SimWorker; readonly ref: ProcessRef }> {
  const started = await world.connect();
  world.links.close(workerId);
  return started;
}

const adopt = (): Promise<ConnectedWorker | null> => {
  const { adoptProcess } = workerActors({ ...world, epoch: 2 });
  return settled(world, toPromise(createActor(adoptProcess, { input: { workerId } }).start()));
};

async function beginRender(worker: SimWorker) {
  const lease = await world.claimNew();
  const { jobId, fence, spec } = lease;
  const outputPath = `staging/${jobId}-${fence}-result`;
  worker.model = "T2V-A14B";
  worker.profile = "model-offload";
  worker.generate({ jobId, fence, request: spec.request, workflow: null, outputPath, checkpointDir: jobId });
  return lease;
}

describe("adopting what an earlier supervisor left", () => {
  it("finds nothing where nothing was left", async () => {
    expect(await adopt()).toBeNull();
  });

  it("takes the attempt in hand over, so that an older supervisor has no right to it", async () => {
    const { worker } = await leftWorker();
    const lease = await beginRender(worker);
    const adopted = await adopt();
    expect(adopted?.lease).toMatchObject({ jobId: lease.jobId, fence: lease.fence });
    expect(await world.store.jobs.releaseOlderEpochs(2)).toEqual([]);
    expect(await world.stateOf(lease.jobId)).toBe("running");
  });

  it("frees the card of a job that somebody else has by now", async () => {
    const { worker } = await leftWorker();
    const lease = await beginRender(worker);
    await world.store.jobs.release(lease, "taken back");
    const adopted = await adopt();
    expect(adopted).toMatchObject({ lease: null });
    expect(worker.attach().jobId).toBeNull();
  });

  it("drops a kept result that is nobody's any more", async () => {
    const { worker } = await leftWorker();
    const lease = await beginRender(worker);
    await world.clock.advance(2 * minuteMs);
    expect(worker.attach().result).not.toBeNull();
    await world.store.jobs.release(lease, "taken back");
    await adopt();
    expect(worker.attach().result).toBeNull();
  });

  it("remembers in which memory mode the worker holds its model", async () => {
    const { worker } = await leftWorker();
    worker.profile = "tiling";
    await adopt();
    expect(world.profiles.of(workerId)).toBe("tiling");
  });

  it("lets a process that was stopped go on, and adopts it", async () => {
    const { worker, ref } = await leftWorker();
    worker.isStopped = true;
    expect(await adopt()).toMatchObject({ ref: { pid: ref.pid } });
    expect(worker.isStopped).toBe(false);
  });

  it("ends a worker whose render has stood still for long: the next one would wait as long again", async () => {
    const { worker } = await leftWorker();
    await beginRender(worker);
    worker.freeze();
    await world.clock.advance(2 * 60 * minuteMs);
    const { jobId, fence } = worker.attach();
    expect([jobId === null, fence === null]).toEqual([false, false]);
    expect(await adopt()).toBeNull();
    expect(worker.isAlive).toBe(false);
    expect(world.lines).toContainEqual(expect.objectContaining({ event: "worker.notAdopted", workerId }));
  });

  it("ends a worker that does not answer within ten seconds", async () => {
    const { worker } = await leftWorker();
    worker.isConnectable = false;
    const beganAtMs = world.clock.nowMs();
    expect(await adopt()).toBeNull();
    expect(worker.isAlive).toBe(false);
    expect(world.clock.nowMs() - beganAtMs).toBeGreaterThanOrEqual(10 * secondMs);
  });
});

it("whatever is recorded and alive ends before another process starts", async () => {
  const { worker, ref } = await leftWorker();
  const spawned = await settled(
    world,
    toPromise(createActor(workerActors(world).spawnProcess, { input: { workerId } }).start()),
  );
  expect(worker.isAlive).toBe(false);
  expect(spawned.pid).not.toBe(ref.pid);
  expect(world.workers.get(workerId)?.isAlive).toBe(true);
});

describe("watching a process", () => {
  async function watch() {
    const { worker, ref } = await world.connect();
    return { worker, told: listenTo(workerActors(world).watchProcess, { ref }) };
  }

  it("tells how it ended, and that nobody has its connection any more", async () => {
    const { worker, told } = await watch();
    worker.die({ code: 1, signal: null, logTail: "the last words" });
    await world.clock.settle();
    expect(told.ofType("process.exited")).toMatchObject([
      { exit: { code: 1 }, evidence: { exitCode: 1, isOwnSignal: false, logTail: "the last words" } },
    ]);
    expect(world.links.get(workerId)).toBeNull();
  });

  it("a worker without a heartbeat is silent after the time for loading, until it has rendered a step", async () => {
    const { worker, told } = await watch();
    worker.isStopped = true;
    await world.clock.advance(50 * secondMs);
    expect(told.types()).toEqual([]);
    await world.clock.advance(20 * secondMs);
    expect(told.ofType("worker.fellSilent")).toMatchObject([{ processState: "T" }]);
  });

  it("while it renders the shorter time counts", async () => {
    const { worker, told } = await watch();
    await beginRender(worker);
    await world.clock.advance(3 * secondMs);
    worker.isStopped = true;
    await world.clock.advance(15 * secondMs);
    expect(told.ofType("worker.fellSilent")).toHaveLength(1);
  });

  it("a main thread that does nothing is told after five minutes, and again as it lasts", async () => {
    const { worker, told } = await watch();
    worker.freeze();
    await world.clock.advance(6 * minuteMs);
    expect(told.ofType("worker.stoodStill")).toHaveLength(1);
    await world.clock.advance(5 * minuteMs);
    expect(told.ofType("worker.stoodStill")).toHaveLength(2);
    expect(told.ofType("worker.fellSilent")).toEqual([]);
  });

  it("says nothing more once it is over", async () => {
    const { worker, told } = await watch();
    told.stop();
    worker.die({ code: null, signal: "SIGKILL" });
    await world.clock.advance(2 * minuteMs);
    expect(told.types()).toEqual([]);
  });
});

it("a handshake with a process that has ended leaves the telling to its watch", async () => {
  const { worker, ref } = await leftWorker();
  worker.die({ code: null, signal: "SIGKILL" });
  const handshake = createActor(workerActors(world).handshake, { input: { ref } }).start();
  await world.clock.advance(minuteMs);
  expect(handshake.getSnapshot().status).toBe("active");
  handshake.stop();
});

it.each([
  ["ladder", 30_000],
  ["quick", 1_000],
  ["silent", 0],
] as const)(
  "a stop of the shape %s asks a worker that hangs for %i ms before it is made to end",
  async (shape, askedMs) => {
    const { worker, ref } = await world.connect();
    worker.freeze();
    const beganAtMs = world.clock.nowMs();
    await settled(
      world,
      toPromise(createActor(workerActors(world).stopProcess, { input: { ref, shape, reason: "a test" } }).start()),
    );
    expect(worker.isAlive).toBe(false);
    const tookMs = world.clock.nowMs() - beganAtMs;
    expect([tookMs >= askedMs, tookMs < askedMs + 10 * secondMs]).toEqual([true, true]);
    expect(world.lines).toContainEqual(expect.objectContaining({ event: "worker.processEnded", workerId }));
  },
);
