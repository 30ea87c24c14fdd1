/**
 * What the supervisor knows of its workers and incidents. It is told by its children and never asks them, so that all of
 * it is of one moment.
 */
import type { Fault } from "../core/fault.ts";
import type { Blame, BreakerState, FailureType, ModelId, WorkerCondition } from "../core/words.ts";
import type { EnvelopeBytes } from "../recovery/health.ts";

/** What the supervisor knows of one worker, from the reports of its children. */
export interface WorkerFacts {
  readonly process: WorkerCondition;
  readonly isProven: boolean;
  readonly breaker: BreakerState;
  readonly jobId: string | null;
  readonly deviceUuid: string | null;
  readonly isPipelineStopped: boolean;
  /** What this process may hold on its card without being an issue: model, and the largest render since its start. */
  readonly knownBytes: number;
  /** `asked`: told to end, because its card is wanted or it was idle for long · `recalled`: wanted again before it had ended. */
  readonly rest: "none" | "asked" | "recalled";
  /** It ends on purpose, and starts anew, as soon as no job is in its hand. */
  readonly isRecycling: boolean;
  /** When its process is started again by itself; null while nothing waits for that. */
  readonly startsAtMs: number | null;
}

export const unknownWorker: WorkerFacts = {
  process: "down",
  isProven: false,
  breaker: "closed",
  jobId: null,
  deviceUuid: null,
  isPipelineStopped: false,
  knownBytes: 0,
  rest: "none",
  isRecycling: false,
  startsAtMs: null,
};

export interface OpenIncident {
  readonly id: string;
  readonly key: string;
  readonly workerId: string;
  readonly failureType: FailureType;
  /** The model that failed; null where the fault is about none: then it is the worker's own. */
  readonly model: ModelId | null;
  /** The jobs whose failure it is; none where no job failed. */
  readonly jobIds: readonly string[];
  /**
   * `checking`: an operator asked, a job failed, or a climb has just ended, and a test render decides whether there is
   * anything to repair · `returning`: the main
   * model passed its proof, and one job is let through before all are · `setAside`: about no worker as it is configured,
   * but a model beside a worker's own, which could not be loaded; nobody works on it, its next load decides · `unstartable`:
   * its worker cannot start until a person mends something; nobody works on it, its next start decides.
   */
  readonly stage: "checking" | "working" | "returning" | "standingIn" | "exhausted" | "setAside" | "unstartable";
  readonly fault: Fault;
  readonly openedAtMs: number;
  /** When the fault came that opened the incident, or that joined it last. */
  readonly lastFaultAtMs: number;
  /** Climbs as last reported: an actor that is started again goes on from here. */
  readonly climbCount: number;
  readonly lookBackCount: number;
  /** When it looks back by itself, as last reported; null while it does not wait for that. */
  readonly lookBackAtMs: number | null;
  /** Who was found to blame, where that was asked. */
  readonly blame?: Blame;
  /** An operator's order, which says nothing of the worker. */
  readonly isOrdered?: boolean;
  /** A rung ran for it, or its process was started again. */
  readonly isActedOn?: boolean;
}

/** By this key an incident is known again after a restart of the service. */
export const unstartableKey = (workerId: string): string => `${workerId}|unstartable`;

/** It has no actor, and keeps nobody from serving. */
export const isUnattended = ({ stage }: Pick<OpenIncident, "stage">): boolean =>
  stage === "setAside" || stage === "unstartable";

export type WorkersFacts = Readonly<Record<string, WorkerFacts>>;
export type OpenIncidents = Readonly<Record<string, OpenIncident>>;

/** What is known to be held on each card, as health takes it into account. */
export const envelopesOf = (workers: WorkersFacts): EnvelopeBytes =>
  Object.fromEntries(
    Object.values(workers).flatMap(({ deviceUuid, knownBytes }) =>
      deviceUuid === null ? [] : [[deviceUuid, knownBytes]],
    ),
  );
