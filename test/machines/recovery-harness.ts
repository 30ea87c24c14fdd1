/**
 * Runs one incident on a virtual clock in a small world with something broken and one action that repairs it. Tests ask
 * how the ladder was climbed.
 */
import { type Actor, createActor, fromPromise } from "xstate";
import { toActorClock } from "../../src/core/clock.ts";
import type { ActionEvidence } from "../../src/core/fault.ts";
import { gibibyte } from "../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import type { FailureType, RecoveryAction } from "../../src/core/words.ts";
import { recoveryMachine } from "../../src/machines/recovery.machine.ts";
import type {
  PerformActionInput,
  ProbeAnswer,
  RecoveryInput,
  RecoveryReport,
  RecoveryTarget,
  RungEvidence,
  StandInAnswer,
} from "../../src/machines/recovery-types.ts";
import { classify } from "../../src/recovery/classify.ts";
import { defaultLadders } from "../../src/recovery/ladders.ts";
import { type RungFacts, unknownFacts } from "../../src/recovery/preconditions.ts";
import { createListeningParent, type ListeningParent } from "./listening-parent.ts";

type Verdict = ProbeAnswer["verdict"];

/** A small model of the world around one worker: what is broken, and what repairs it. */
export interface World {
  /** The rung that repairs the fault; null = nothing does. */
  cure: RecoveryAction | null;
  isBroken: boolean;
  /** Actions that never return. */
  hanging: readonly RecoveryAction[];
  /** Actions that end in an error. */
  failing: readonly RecoveryAction[];
  facts: RungFacts;
  canProbe: boolean;
  /** The failed size still fails, although a test render passes. */
  isSizeBroken: boolean;
  /** The loader proves the model that it is asked for. */
  doesModelLoad: boolean;
  standInPlays: boolean;
  isBudgetSpent: boolean;
  /** The worker that is restarted comes back. */
  doesWorkerReturn: boolean;
  /** The running phase ends when the pipeline is asked to suspend. */
  doesPhaseEnd: boolean;
  readonly performed: RecoveryAction[];
  heavyGrantCount: number;
}

const measured = (action: RecoveryAction, isCure: boolean): ActionEvidence => ({
  action,
  before: { atMs: 0, deviceFreeBytes: gibibyte, workerReservedBytes: 0, workerAllocatedBytes: 40 * gibibyte },
  applied: [action],
  after: {
    atMs: 0,
    deviceFreeBytes: isCure ? 30 * gibibyte : gibibyte,
    workerReservedBytes: 0,
    workerAllocatedBytes: 20 * gibibyte,
  },
});

function provide(world: World, clock: VirtualClock) {
  const verdict = (): Verdict => (world.isBroken ? "failed" : "passed");
  const probe = async (): Promise<ProbeAnswer> => {
    await clock.sleep(1_000);
    if (!world.canProbe) throw new Error("the connection ended");
    return { verdict: verdict(), reason: "by the world" };
  };
  return recoveryMachine.provide({
    actors: {
      examine: fromPromise<RungFacts, RecoveryTarget>(async () => world.facts),
      performAction: fromPromise<RungEvidence, PerformActionInput>(async ({ input: { action } }) => {
        world.performed.push(action);
        if (world.hanging.includes(action)) return new Promise<never>(() => undefined);
        await clock.sleep(500);
        if (world.failing.includes(action)) throw new Error("the worker refused");
        const isCure = world.cure === action;
        if (isCure) world.isBroken = false;
        return {
          evidence: measured(action, isCure),
          neededBytes: 10 * gibibyte,
          filesMatch: isCure,
          isConditionGone: isCure,
          error: null,
        };
      }),
      proveEnvelope: fromPromise<ProbeAnswer, RecoveryTarget>(async ({ input }) =>
        input.jobId === null
          ? { verdict: "unknown", reason: "no job" }
          : { ...(await probe()), ...(world.isSizeBroken ? { verdict: "failed" as const } : {}) },
      ),
      runCanary: fromPromise<ProbeAnswer, RecoveryTarget>(probe),
      renderStandIn: fromPromise<StandInAnswer, RecoveryTarget>(async () => {
        await clock.sleep(800);
        return { plays: world.standInPlays, isAwaited: true, reason: "by the world" };
      }),
    },
  });
}

export interface Incident {
  readonly actor: Actor<typeof recoveryMachine>;
  readonly clock: VirtualClock;
  readonly world: World;
  readonly parent: ListeningParent<RecoveryReport>;
  readonly is: (state: Parameters<ReturnType<Actor<typeof recoveryMachine>["getSnapshot"]>["matches"]>[0]) => boolean;
  readonly hasTag: (tag: "mock" | "servable" | "recovering") => boolean;
  /** Rungs that have ended, as `action outcome`. */
  readonly rungs: () => readonly string[];
  readonly until: (isDone: () => boolean, limitMs?: number) => Promise<boolean>;
}

export const w0 = { workerId: "w0" } as const;

/** Starts one incident; the parent answers budget, suspension, restart and model requests as the supervisor would. */
export function openIncident(
  failureType: FailureType,
  input: Partial<RecoveryInput> = {},
  set: Partial<World> = {},
): Incident {
  const clock = createVirtualClock();
  const world: World = {
    cure: null,
    isBroken: true,
    hanging: [],
    failing: [],
    facts: unknownFacts,
    canProbe: true,
    isSizeBroken: false,
    doesModelLoad: true,
    standInPlays: true,
    isBudgetSpent: false,
    doesWorkerReturn: true,
    doesPhaseEnd: true,
    performed: [],
    heavyGrantCount: 0,
    ...set,
  };
  const parent = createListeningParent<RecoveryReport>();
  const actor = createActor(provide(world, clock), {
    clock: toActorClock(clock),
    input: {
      incidentId: "i1",
      ...w0,
      model: "T2V-A14B",
      jobId: null,
      origin: "fault",
      fault: classify({ message: "odd" }),
      failureType,
      ladder: defaultLadders[failureType],
      parent: parent.ref,
      clock,
      ...input,
    },
  });
  parent.onReport = (report) => answer(report, actor, world, clock);
  actor.start();
  return {
    actor,
    clock,
    world,
    parent,
    is: (state) => actor.getSnapshot().matches(state),
    hasTag: (tag) => actor.getSnapshot().hasTag(tag),
    rungs: () => parent.ofType("rung.ended").map(({ result }) => `${result.action} ${result.outcome}`),
    until: (isDone, limitMs = 3_600_000) => clock.advanceUntil(isDone, limitMs),
  };
}

function answer(report: RecoveryReport, actor: Incident["actor"], world: World, clock: VirtualClock): void {
  const later = (send: () => void, delayMs: number): unknown => clock.setTimer(send, delayMs);
  if (report.type === "pipeline.suspend" && world.doesPhaseEnd)
    later(() => actor.send({ type: "pipeline.suspended", ...w0 }), 10);
  if (report.type === "budget.request") {
    if (!world.isBudgetSpent) world.heavyGrantCount += 1;
    const reply = world.isBudgetSpent
      ? ({ type: "budget.refused", retryAtMs: clock.nowMs() + 600_000 } as const)
      : ({ type: "budget.granted" } as const);
    later(() => actor.send(reply), 1);
  }
  if (report.type === "worker.restart" && world.doesWorkerReturn) {
    if (world.cure === "restart_pipeline") world.isBroken = false;
    later(() => actor.send({ type: "worker.connected", ...w0 }), 3_000);
  }
  if (report.type === "model.load" && world.doesModelLoad)
    later(() => actor.send({ type: "model.proven", ...w0, model: "T2V-A14B" }), 2_000);
}
