/**
 * Owns whether one worker may be given jobs, judged by the faults that it made in a row.
 * Life: closed → open → halfOpen {awaitingCanary → awaitingJob} → closed; held while an incident on the worker is open.
 * Survives a restart by `input.resume` with an absolute deadline.
 */
import { type ActorRef, assign, type Snapshot, sendTo, setup } from "xstate";
import type { Clock } from "../core/clock.ts";
import { hourMs, minuteMs } from "../core/units.ts";
import type { Attribution, MachineTag } from "../core/words.ts";
import { type BreakerLimits, countsAgainstWorker, defaultBreakerLimits, openForMs } from "../recovery/breaker.ts";

export interface CircuitBreakerLimits extends BreakerLimits {
  /** A hold that is not renewed by then is over; longer than the longest rung (a download, two hours). */
  readonly holdMs: number;
  readonly canaryMs: number;
  /** How long half-open waits for the one job before it trusts the canary. */
  readonly trialJobMs: number;
}

export const defaultCircuitBreakerLimits: CircuitBreakerLimits = {
  ...defaultBreakerLimits,
  holdMs: 3 * hourMs,
  canaryMs: 5 * minuteMs,
  trialJobMs: 10 * minuteMs,
};

export type CircuitBreakerReport =
  | {
      readonly type: "breaker.opened";
      readonly workerId: string;
      readonly untilMs: number;
      readonly openingCount: number;
    }
  | { readonly type: "breaker.halfOpened"; readonly workerId: string }
  | { readonly type: "breaker.closed"; readonly workerId: string };

export interface CircuitBreakerInput {
  readonly workerId: string;
  readonly parent: ActorRef<Snapshot<unknown>, CircuitBreakerReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly limits?: Partial<CircuitBreakerLimits>;
  /** The breaker was open when the service ended. */
  readonly resume?: { readonly untilMs: number; readonly openingCount: number };
}

export interface CircuitBreakerContext {
  readonly workerId: string;
  readonly parent: ActorRef<Snapshot<unknown>, CircuitBreakerReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly limits: CircuitBreakerLimits;
  /** Counted faults in a row. */
  readonly faultCount: number;
  /** Openings in a row, without a closing between. */
  readonly openingCount: number;
  readonly openUntilMs: number | null;
  readonly heldBy: readonly string[];
}

export type CircuitBreakerEvent =
  | { readonly type: "breaker.hold"; readonly workerId: string; readonly incidentId: string }
  /** `isResolved`: the incident ended because a probe passed. */
  | {
      readonly type: "breaker.release";
      readonly workerId: string;
      readonly incidentId: string;
      readonly isResolved: boolean;
    }
  | { readonly type: "fault.counted"; readonly workerId: string; readonly attribution: Attribution }
  | { readonly type: "canary.passed"; readonly workerId: string }
  | { readonly type: "canary.failed"; readonly workerId: string }
  | { readonly type: "job.ended"; readonly workerId: string; readonly isSuccessful: boolean };

export const circuitBreakerMachine = setup({
  types: {
    context: {} as CircuitBreakerContext,
    events: {} as CircuitBreakerEvent,
    input: {} as CircuitBreakerInput,
    tags: {} as MachineTag,
  },
  guards: {
    wasOpen: ({ context }) => context.openUntilMs !== null,
    counts: (_, params: { attribution: Attribution }) => countsAgainstWorker(params),
    isLastStraw: ({ context }, params: { attribution: Attribution }) =>
      countsAgainstWorker(params) && context.faultCount + 1 >= context.limits.faultCount,
    jobSucceeded: (_, params: { isSuccessful: boolean }) => params.isSuccessful,
    isLastHolder: ({ context }, params: { incidentId: string }) =>
      context.heldBy.every((id) => id === params.incidentId),
    isLastHolderAndResolved: ({ context }, params: { incidentId: string; isResolved: boolean }) =>
      params.isResolved && context.heldBy.every((id) => id === params.incidentId),
  },
  actions: {
    countFault: assign({ faultCount: ({ context }) => Math.min(context.faultCount + 1, context.limits.faultCount) }),
    forgetFaults: assign({ faultCount: 0, openingCount: 0 }),
    /** The canary is trusted only so far: one more fault opens it again. */
    keepOneStraw: assign({ faultCount: ({ context }) => Math.max(0, context.limits.faultCount - 1) }),
    countOpening: assign(({ context }) => {
      const openingCount = context.openingCount + 1;
      return {
        openingCount,
        faultCount: 0,
        openUntilMs: context.clock.nowMs() + openForMs(openingCount, context.limits),
      };
    }),
    clearOpening: assign({ openUntilMs: null }),
    addHolder: assign({
      heldBy: ({ context }, params: { incidentId: string }) => [
        ...context.heldBy.filter((id) => id !== params.incidentId),
        params.incidentId,
      ],
    }),
    removeHolder: assign({
      heldBy: ({ context }, params: { incidentId: string }) => context.heldBy.filter((id) => id !== params.incidentId),
    }),
    dropHolders: assign({ heldBy: [] }),
    reportOpened: sendTo(
      ({ context }) => context.parent,
      ({ context: { workerId, openingCount, openUntilMs, clock } }): CircuitBreakerReport => ({
        type: "breaker.opened",
        workerId,
        openingCount,
        untilMs: openUntilMs ?? clock.nowMs(),
      }),
    ),
    reportHalfOpened: sendTo(
      ({ context }) => context.parent,
      ({ context }): CircuitBreakerReport => ({ type: "breaker.halfOpened", workerId: context.workerId }),
    ),
    reportClosed: sendTo(
      ({ context }) => context.parent,
      ({ context }): CircuitBreakerReport => ({ type: "breaker.closed", workerId: context.workerId }),
    ),
  },
  delays: {
    openMs: ({ context }) => Math.max(0, (context.openUntilMs ?? 0) - context.clock.nowMs()),
    holdMs: ({ context }) => context.limits.holdMs,
    canaryMs: ({ context }) => context.limits.canaryMs,
    trialJobMs: ({ context }) => context.limits.trialJobMs,
  },
}).createMachine({
  id: "circuitBreaker",
  context: ({ input }) => ({
    workerId: input.workerId,
    parent: input.parent,
    clock: input.clock,
    limits: { ...defaultCircuitBreakerLimits, ...input.limits },
    faultCount: 0,
    openingCount: input.resume?.openingCount ?? 0,
    openUntilMs: input.resume?.untilMs ?? null,
    heldBy: [],
  }),
  initial: "closed",
  on: {
    "breaker.hold": {
      target: ".held",
      actions: { type: "addHolder", params: ({ event }) => ({ incidentId: event.incidentId }) },
    },
  },
  states: {
    closed: {
      description: "The worker is given jobs; counted faults in a row would open the breaker.",
      tags: ["servable"],
      always: { guard: "wasOpen", target: "open" },
      on: {
        "fault.counted": [
          {
            guard: { type: "isLastStraw", params: ({ event }) => event },
            target: "open",
            actions: ["countOpening", "reportOpened"],
          },
          { guard: { type: "counts", params: ({ event }) => event }, actions: "countFault" },
        ],
        "job.ended": { guard: { type: "jobSucceeded", params: ({ event }) => event }, actions: "forgetFaults" },
      },
    },
    open: {
      description: "Too many faults in a row: the worker is given nothing until the wait is over.",
      tags: ["degraded"],
      exit: "clearOpening",
      after: { openMs: { target: "halfOpen" } },
    },
    halfOpen: {
      description: "The wait is over: one test render, then one job, decide.",
      tags: ["degraded"],
      initial: "awaitingCanary",
      entry: "reportHalfOpened",
      on: {
        "canary.failed": { target: "open", actions: ["countOpening", "reportOpened"] },
        "fault.counted": {
          guard: { type: "counts", params: ({ event }) => event },
          target: "open",
          actions: ["countOpening", "reportOpened"],
        },
      },
      states: {
        awaitingCanary: {
          description: "A test render is asked for; nothing else is admitted.",
          on: { "canary.passed": { target: "awaitingJob" } },
          after: { canaryMs: { target: "#circuitBreaker.open", actions: ["countOpening", "reportOpened"] } },
        },
        awaitingJob: {
          description: "The test render passed; one job is admitted.",
          tags: ["servable"],
          on: {
            "job.ended": {
              guard: { type: "jobSucceeded", params: ({ event }) => event },
              target: "#circuitBreaker.closed",
              actions: ["forgetFaults", "reportClosed"],
            },
          },
          after: { trialJobMs: { target: "#circuitBreaker.closed", actions: ["keepOneStraw", "reportClosed"] } },
        },
      },
    },
    held: {
      description:
        "An incident on this worker is open: recovery decides what is admitted, and its test renders do not count.",
      tags: ["recovering"],
      on: {
        "breaker.release": [
          {
            guard: { type: "isLastHolderAndResolved", params: ({ event }) => event },
            target: "closed",
            actions: ["dropHolders", "forgetFaults", "reportClosed"],
          },
          { guard: { type: "isLastHolder", params: ({ event }) => event }, target: "halfOpen", actions: "dropHolders" },
          { actions: { type: "removeHolder", params: ({ event }) => ({ incidentId: event.incidentId }) } },
        ],
      },
      after: { holdMs: { target: "halfOpen", actions: "dropHolders" } },
    },
  },
});
