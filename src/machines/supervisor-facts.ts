/**
 * What the supervisor knows of its workers and incidents, and how the service's mode follows from it. It is told by
 * its children and never asks them, so that all of it is of one moment.
 */
import type { Fault } from "../core/fault.ts";
import type { BreakerState, FailureType, Mode, ModelId, WorkerCondition } from "../core/words.ts";
import type { EnvelopeBytes } from "../recovery/health.ts";
import { type ModeFacts, modeOf } from "../recovery/mode.ts";

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
  /**
   * `checking`: an operator asked, or a climb has just ended, and a test render decides whether there is anything to repair · `returning`: the main
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
  /** When its next test render looks whether the fault is gone; absent while it is worked on. */
  readonly lookBackAtMs?: number;
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

const downConditions: readonly WorkerCondition[] = ["stopped", "crashLooping", "unstartable"];

/** What is known to be held on each card, as health takes it into account. */
export const envelopesOf = (workers: WorkersFacts): EnvelopeBytes =>
  Object.fromEntries(
    Object.values(workers).flatMap(({ deviceUuid, knownBytes }) =>
      deviceUuid === null ? [] : [[deviceUuid, knownBytes]],
    ),
  );

/** A worker that renders now, or that comes back by itself. */
function isRoute(worker: WorkerFacts, incidents: readonly OpenIncident[], workerId: string): boolean {
  if (downConditions.includes(worker.process) || worker.breaker === "open") return false;
  const isCutOff = ({ stage }: OpenIncident): boolean => stage === "standingIn" || stage === "exhausted";
  return !incidents.some((incident) => incident.workerId === workerId && isCutOff(incident));
}

export const isUsable = (worker: WorkerFacts): boolean =>
  worker.process === "connected" && worker.isProven && worker.breaker !== "open";

function modeFactsOf(workers: WorkersFacts, incidents: OpenIncidents, isDraining: boolean): ModeFacts {
  const open = Object.values(incidents);
  const all = Object.entries(workers);
  const usableCount = all.filter(([, worker]) => isUsable(worker)).length;
  return {
    isDraining,
    hasRealRoute: all.some(([workerId, worker]) => isRoute(worker, open, workerId)),
    isRecoveringLead: open.some((incident) => incident.stage === "working"),
    isReduced: usableCount > 0 && usableCount < all.length,
    isLeadReady: usableCount > 0,
    hasOpenIncident: open.length > 0,
    hasLeadProofPassed: usableCount > 0,
  };
}

export const modeFrom = (workers: WorkersFacts, incidents: OpenIncidents, isDraining: boolean): Mode =>
  modeOf(modeFactsOf(workers, incidents, isDraining));
