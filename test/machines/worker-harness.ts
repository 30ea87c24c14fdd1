/**
 * Runs the worker machine on a virtual clock with processes that a test steers: they start, hang, fail or are left over
 * as it says.
 */
import { type Actor, createActor, fromCallback, fromPromise } from "xstate";
import { toActorClock } from "../../src/core/clock.ts";
import { WorkerError } from "../../src/core/errors.ts";
import type { ProcessRef } from "../../src/core/ports/worker.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { workerMachine } from "../../src/machines/worker.machine.ts";
import type { ConnectedWorker, StopShape, WorkerEvent, WorkerReport } from "../../src/machines/worker-types.ts";
import { pathOfValue } from "../../src/telemetry/transitions.ts";
import { connectedWorker, processRef } from "./exploration-samples.ts";
import { createListeningParent, type ListeningParent } from "./listening-parent.ts";

type Answer = "answers" | "hangs" | "fails" | "is refused";

/** Nothing outside answers within the same turn; a machine that asks in circles must not hold up the clock. */
async function given<Value>(answer: Answer, value: Value, clock: VirtualClock): Promise<Value> {
  await clock.turn();
  if (answer === "hangs") return new Promise(() => undefined);
  if (answer === "is refused") throw new WorkerError("WORKER_CONFIGURATION", "The worker's program does not exist.");
  if (answer === "fails") throw new Error("it did not work");
  return value;
}

/** The processes around one worker machine. */
export interface WorkerWorld {
  readonly clock: VirtualClock;
  readonly actor: Actor<typeof workerMachine>;
  readonly parent: ListeningParent<WorkerReport>;
  readonly state: () => string;
  /** Every state that was seen from outside, without repetitions in a row. */
  readonly states: string[];
  /** Sends one event and lets every answer come. */
  readonly send: (event: WorkerEvent) => Promise<void>;
  /** What the watch of the process in hand says. */
  readonly tell: (event: WorkerEvent) => Promise<void>;
  /** An earlier supervisor's process still runs. */
  hasLeftover: boolean;
  spawning: Answer;
  shaking: Answer;
  adopting: Answer;
  stopping: Answer;
  canWatch: boolean;
  canWatchProgram: boolean;
  /** Its program changes on the disk. */
  readonly change: () => Promise<void>;
  spawnCount: number;
  /** The process that is watched now. */
  watchedPid: number | null;
  readonly stops: { readonly shape: StopShape; readonly reason: string }[];
}

const refOf = (pid: number): ProcessRef => ({ ...processRef, pid });
const connected = (ref: ProcessRef): ConnectedWorker => ({ ...connectedWorker, ref });

function provide(
  world: Omit<WorkerWorld, "actor" | "tell" | "change">,
  listen: (sendBack: (event: WorkerEvent) => void) => void,
  listenToProgram: typeof listen,
) {
  const { clock } = world;
  return workerMachine.provide({
    actors: {
      spawnProcess: fromPromise<ProcessRef, { workerId: string }>(() => {
        world.spawnCount += 1;
        return given(world.spawning, refOf(world.spawnCount), clock);
      }),
      handshake: fromPromise<ConnectedWorker, { ref: ProcessRef }>(({ input }) =>
        given(world.shaking, connected(input.ref), clock),
      ),
      adoptProcess: fromPromise<ConnectedWorker | null, { workerId: string }>(() =>
        given(world.adopting, world.hasLeftover ? connected(refOf(99)) : null, clock),
      ),
      watchProcess: fromCallback<WorkerEvent, { ref: ProcessRef }>(({ input, sendBack }) => {
        if (!world.canWatch) throw new Error("its process cannot be watched");
        world.watchedPid = input.ref.pid;
        listen(sendBack);
        return () => {
          world.watchedPid = null;
        };
      }),
      watchProgram: fromCallback<WorkerEvent, { workerId: string }>(({ sendBack }) => {
        if (!world.canWatchProgram) throw new Error("its program cannot be watched");
        listenToProgram(sendBack);
      }),
      stopProcess: fromPromise<void, { ref: ProcessRef; shape: StopShape; reason: string }>(
        ({ input: { shape, reason } }) => {
          world.stops.push({ shape, reason });
          return given(world.stopping, undefined, clock);
        },
      ),
    },
  });
}

/** A worker machine that was not asked for anything yet; `set` prepares the world before it starts. */
export function createWorker(set: Partial<WorkerWorld> = {}): WorkerWorld {
  const clock = createVirtualClock();
  const parent = createListeningParent<WorkerReport>();
  let watch: (event: WorkerEvent) => void = () => undefined;
  let watchProgram: (event: WorkerEvent) => void = () => undefined;
  const states: string[] = [];
  const world = {
    clock,
    parent,
    states,
    hasLeftover: false,
    spawning: "answers",
    shaking: "answers",
    adopting: "answers",
    stopping: "answers",
    canWatch: true,
    canWatchProgram: true,
    spawnCount: 0,
    watchedPid: null,
    stops: [],
    state: () => pathOfValue(actor.getSnapshot().value),
    send: async (event: WorkerEvent) => {
      actor.send(event);
      await clock.settle();
    },
    tell: async (event: WorkerEvent) => {
      watch(event);
      await clock.settle();
    },
    change: async () => {
      watchProgram({ type: "program.changed" });
      await clock.settle();
    },
    ...set,
  } satisfies Omit<WorkerWorld, "actor">;
  const machine = provide(
    world,
    (sendBack) => {
      watch = sendBack;
    },
    (sendBack) => {
      watchProgram = sendBack;
    },
  );
  const actor: WorkerWorld["actor"] = createActor(machine, {
    clock: toActorClock(clock),
    input: { workerId: "w", parent: parent.ref, clock, draws: [0.5] },
  });
  actor.subscribe({
    next: ({ value }) => {
      const state = pathOfValue(value);
      if (states.at(-1) !== state) states.push(state);
    },
    error: (thrown) => Promise.reject(thrown),
  });
  actor.start();
  return Object.assign(world, { actor });
}
