/**
 * What the circuit breaker of a worker understands, remembers and reports. While an incident holds it open, the worker
 * gets no jobs; the hold ends by itself should the incident's actor be lost.
 */
import type { ActorRef, Snapshot } from "xstate";
import type { Clock } from "../core/clock.ts";
import { hourMs, minuteMs } from "../core/units.ts";
import { type BreakerLimits, defaultBreakerLimits } from "../recovery/breaker.ts";

export interface CircuitBreakerLimits extends BreakerLimits {
  /** A hold that is not renewed by then is over; longer than the longest rung (a download, two hours). */
  readonly holdMs: number;
  /** Longer than the loader takes to answer, so that only a loader that is lost gives none. */
  readonly canaryMs: number;
  /** How long half-open waits for the one job before it trusts the canary. */
  readonly trialJobMs: number;
}

export const defaultCircuitBreakerLimits: CircuitBreakerLimits = {
  ...defaultBreakerLimits,
  holdMs: 3 * hourMs,
  canaryMs: 20 * minuteMs,
  trialJobMs: 10 * minuteMs,
};

export type CircuitBreakerReport =
  | {
      readonly type: "breaker.opened";
      readonly workerId: string;
      readonly untilMs: number;
      readonly openingCount: number;
      /** What it opened for, as a sentence's end. */
      readonly because: string;
    }
  | { readonly type: "breaker.halfOpened"; readonly workerId: string }
  /** Its test render passed: one job may begin. */
  | { readonly type: "breaker.trusted"; readonly workerId: string }
  /** `because`: what was seen of it on its trial, as a sentence's end; empty where it was on none. */
  | { readonly type: "breaker.closed"; readonly workerId: string; readonly because: string };

/** A test render of the size of a job that was here, or the small one where none is known. */
export type TestSize = "job" | "canary";

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
  /** Openings in a row, without a closing between. */
  readonly openingCount: number;
  readonly openUntilMs: number | null;
  /** The end of its last opening; one that comes long after it is a first one again. */
  readonly lastOpenUntilMs: number | null;
  /** When incidents of this worker ended in which something was repaired. */
  readonly repairsAtMs: readonly number[];
  /** It has opened, and has not closed since. */
  readonly isOnTrial: boolean;
  readonly because: string;
  readonly heldBy: readonly string[];
}

export type CircuitBreakerEvent =
  | { readonly type: "breaker.hold"; readonly workerId: string; readonly incidentId: string }
  /** `isResolved`: the incident ended because a probe passed · `isRepair`: after something was done for it. */
  | {
      readonly type: "breaker.release";
      readonly workerId: string;
      readonly incidentId: string;
      readonly isResolved: boolean;
      readonly isRepair: boolean;
    }
  /** An operator's reset: what was is forgotten, and a test render decides at once. */
  | { readonly type: "breaker.reset" }
  /** The test render that was asked for, and no other. One that fails opens an incident, which holds the breaker. */
  | { readonly type: "canary.passed"; readonly workerId: string; readonly size: TestSize; readonly what: string }
  | { readonly type: "job.ended"; readonly workerId: string; readonly isSuccessful: boolean };
