/** Everything that the circuit breaker's chart names: guards, actions and delays. It has no effects. */
import { assign, sendTo, setup } from "xstate";
import type { Attribution, MachineTag } from "../core/words.ts";
import { countsAgainstWorker, openForMs } from "../recovery/breaker.ts";
import {
  type CircuitBreakerContext,
  type CircuitBreakerEvent,
  type CircuitBreakerInput,
  type CircuitBreakerReport,
  defaultCircuitBreakerLimits,
} from "./circuit-breaker-types.ts";

/** The context of a breaker that begins, or was open when the service ended. */
export const contextOf = (input: CircuitBreakerInput): CircuitBreakerContext => ({
  workerId: input.workerId,
  parent: input.parent,
  clock: input.clock,
  limits: { ...defaultCircuitBreakerLimits, ...input.limits },
  faultCount: 0,
  openingCount: input.resume?.openingCount ?? 0,
  openUntilMs: input.resume?.untilMs ?? null,
  heldBy: [],
});

export const circuitBreakerSetup = setup({
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
});
