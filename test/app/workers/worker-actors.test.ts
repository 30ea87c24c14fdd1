import { expect, it } from "vitest";
import { createActor } from "xstate";
import { type WorkerNeeds, workerActors } from "../../../src/app/workers/worker-actors.ts";
import { createWorkerLinks } from "../../../src/app/workers/worker-links.ts";
import { toActorClock } from "../../../src/core/clock.ts";
import { WorkerError } from "../../../src/core/errors.ts";
import type { ProcessExit, ProcessRef, WorkerHost } from "../../../src/core/ports/worker.ts";
import { createVirtualClock } from "../../../src/core/virtual-clock.ts";
import { workerMachine } from "../../../src/machines/worker.machine.ts";
import type { WorkerReport } from "../../../src/machines/worker-types.ts";
import { silentLogger } from "../../harness/silent-logger.ts";
import { createListeningParent } from "../../machines/listening-parent.ts";

const ref: ProcessRef = { workerId: "w0", pid: 7, startTicks: 1, bootId: "b", socketPath: "s", token: "t" };

/** A worker machine at its real actors, around a process that a handshake finds dead before its end is told. */
function startWithDyingProcess() {
  const clock = createVirtualClock();
  const parent = createListeningParent<WorkerReport>();
  const stopped: string[] = [];
  let tellExit: ((exit: ProcessExit) => void) | null = null;
  const host: Partial<WorkerHost> = {
    findRecorded: async () => null,
    spawn: async () => ref,
    connect: () =>
      Promise.reject(new WorkerError("WORKER_EXITED", "the worker process has ended", { retryable: true })),
    onExit: (_, listener) => {
      tellExit = listener;
      return () => undefined;
    },
    isGone: () => true,
    forget: async () => undefined,
    stateLetter: () => null,
    signal: () => stopped.push("signal") > 0,
  };
  const supervision = { loadingSilenceMs: 60_000, silenceMs: 60_000, stillnessMs: 60_000 };
  const parts = { clock, host, links: createWorkerLinks(), logger: silentLogger, probe: {}, config: { supervision } };
  const actor = createActor(workerMachine.provide({ actors: workerActors(parts as unknown as WorkerNeeds) }), {
    input: { workerId: "w0", parent: parent.ref, clock },
    clock: toActorClock(clock),
  }).start();
  return { clock, parent, actor, stopped, tellExit: (exit: ProcessExit) => tellExit?.(exit) };
}

it("the end of a process during its handshake is told once, as it was, whoever notices it first", async () => {
  const world = startWithDyingProcess();
  world.actor.send({ type: "worker.start" });
  await world.clock.advance(10);
  expect(world.actor.getSnapshot().value).toEqual({ living: "handshaking" });
  world.tellExit({ code: null, signal: "SIGKILL", logTail: "the last words" });
  await world.clock.advance(10);
  expect(world.parent.ofType("worker.exited")).toMatchObject([
    { isExpected: false, exit: { signal: "SIGKILL" }, evidence: { exitSignal: "SIGKILL", logTail: "the last words" } },
  ]);
  expect(world.stopped).toEqual([]);
  world.actor.stop();
});
