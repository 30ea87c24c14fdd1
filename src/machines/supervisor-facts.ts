/**
 * What the supervisor knows of its workers and incidents, and how the service's mode follows from it. It is told by
 * its children and never asks them, so that all of it is of one moment.
 */
import type { Fault } from "../core/fault.ts";
import type { BreakerState, FailureType, Mode, ModelId, WorkerCondition } from "../core/words.ts";
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
   * `checking`: an operator asked or a job failed, and a test render decides whether there is anything to repair · `returning`: the main
   * model passed its proof, and one job is let through before all are · `setAside`: about no worker as it is configured,
   * but a model beside a worker's own, which could not be loaded; nobody works on it, its next load decides.
   */
  readonly stage: "checking" | "working" | "returning" | "standingIn" | "exhausted" | "setAside";
  readonly fault: Fault;
  readonly openedAtMs: number;
  /** When the fault came that opened the incident, or that joined it last. */
  readonly lastFaultAtMs: number;
  /** Climbs as last reported: an actor that is started again goes on from here. */
  readonly climbCount: number;
  readonly lookBackCount: number;
}

export type WorkersFacts = Readonly<Record<string, WorkerFacts>>;
export type OpenIncidents = Readonly<Record<string, OpenIncident>>;

/** A worker that renders now, or that comes back by itself. */
function isRoute(worker: WorkerFacts, incidents: readonly OpenIncident[], workerId: string): boolean {
  if (worker.process === "stopped" || worker.process === "crashLooping" || worker.breaker === "open") return false;
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
