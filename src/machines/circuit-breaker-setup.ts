/** Everything that the circuit breaker's chart names: guards, actions and delays. It has no effects. */
import { assign, sendTo, setup } from "xstate";
import type { MachineTag } from "../core/words.ts";
import { openForMs, recentRepairs } from "../recovery/breaker.ts";
import {
  type CircuitBreakerContext,
  type CircuitBreakerEvent,
  type CircuitBreakerInput,
  type CircuitBreakerReport,
  defaultCircuitBreakerLimits,
  type TestSize,
} from "./circuit-breaker-types.ts";

/** The context of a breaker that begins, or was open when the service ended. */
export const contextOf = (input: CircuitBreakerInput): CircuitBreakerContext => ({
  workerId: input.workerId,
  parent: input.parent,
  clock: input.clock,
  limits: { ...defaultCircuitBreakerLimits, ...input.limits },
  openingCount: input.resume?.openingCount ?? 0,
  openUntilMs: input.resume?.untilMs ?? null,
  lastOpenUntilMs: input.resume?.untilMs ?? null,
  repairsAtMs: [],
  isOnTrial: input.resume !== undefined,
  because: "",
  heldBy: [],
});

/** The trial after a wait has failed: the next wait is longer. */
export const openedByTrial = { type: "countOpening" as const, params: { because: "it did not stand its trial" } };

export const circuitBreakerSetup = setup({
  types: {
    context: {} as CircuitBreakerContext,
    events: {} as CircuitBreakerEvent,
    input: {} as CircuitBreakerInput,
    tags: {} as MachineTag,
  },
  guards: {
    wasOpen: ({ context }) => context.openUntilMs !== null,
    isOfJobSize: (_, params: { size: TestSize }) => params.size === "job",
    jobSucceeded: (_, params: { isSuccessful: boolean }) => params.isSuccessful,
    isLastHolder: ({ context }, params: { incidentId: string }) =>
      context.heldBy.every((id) => id === params.incidentId),
    isFlapping: ({ context }, params: { incidentId: string; isRepair: boolean }) =>
      params.isRepair &&
      context.heldBy.every((id) => id === params.incidentId) &&
      (context.isOnTrial ||
        recentRepairs(context.repairsAtMs, context.clock.nowMs(), context.limits).length + 1 >=
          context.limits.repairCount),
    isLastHolderOnTrial: ({ context }, params: { incidentId: string }) =>
      context.isOnTrial && context.heldBy.every((id) => id === params.incidentId),
    isLastHolderAndResolved: ({ context }, params: { incidentId: string; isResolved: boolean }) =>
      params.isResolved && context.heldBy.every((id) => id === params.incidentId),
  },
  actions: {
    endTrial: assign((_, params: { because: string }) => ({ isOnTrial: false, because: params.because })),
    forgetRepairs: assign({ repairsAtMs: [], openingCount: 0 }),
    noteRepair: assign(({ context }, params: { isRepair: boolean }) => {
      const nowMs = context.clock.nowMs();
      const recent = recentRepairs(context.repairsAtMs, nowMs, context.limits);
      return { repairsAtMs: (params.isRepair ? [...recent, nowMs] : recent).slice(-context.limits.repairCount) };
    }),
    countOpening: assign(({ context }, params: { because: string }) => {
      const { clock, limits, lastOpenUntilMs } = context;
      const isFirst = lastOpenUntilMs === null || clock.nowMs() - lastOpenUntilMs > limits.longestOpenMs;
      const openingCount = isFirst ? 1 : context.openingCount + 1;
      const openUntilMs = clock.nowMs() + openForMs(openingCount, limits);
      return {
        openingCount,
        openUntilMs,
        lastOpenUntilMs: openUntilMs,
        isOnTrial: true,
        because: params.because,
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
      ({ context: { workerId, openingCount, openUntilMs, clock, because } }): CircuitBreakerReport => ({
        type: "breaker.opened",
        workerId,
        because,
        openingCount,
        untilMs: openUntilMs ?? clock.nowMs(),
      }),
    ),
    reportHalfOpened: sendTo(
      ({ context }) => context.parent,
      ({ context }): CircuitBreakerReport => ({ type: "breaker.halfOpened", workerId: context.workerId }),
    ),
    reportTrusted: sendTo(
      ({ context }) => context.parent,
      ({ context }): CircuitBreakerReport => ({ type: "breaker.trusted", workerId: context.workerId }),
    ),
    reportClosed: sendTo(
      ({ context }) => context.parent,
      ({ context }): CircuitBreakerReport => ({
        type: "breaker.closed",
        workerId: context.workerId,
        because: context.because,
      }),
    ),
  },
  delays: {
    openMs: ({ context }) => Math.max(0, (context.openUntilMs ?? 0) - context.clock.nowMs()),
    holdMs: ({ context }) => context.limits.holdMs,
    canaryMs: ({ context }) => context.limits.canaryMs,
    trialJobMs: ({ context }) => context.limits.trialJobMs,
  },
});
