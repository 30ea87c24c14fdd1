/** The supervisor's children: what each is called, and what each can be told. */
import type { CircuitBreakerEvent } from "./circuit-breaker-types.ts";
import type { HealthMonitorEvent } from "./health-monitor-types.ts";
import type { ModelLoaderEvent } from "./model-loader-types.ts";
import type { PipelineEvent } from "./pipeline-types.ts";
import type { RecoveryEvent } from "./recovery-types.ts";
import type { SupervisorFact } from "./supervisor-types.ts";
import type { WorkerEvent } from "./worker-types.ts";

/** The shape of a child's id tells its kind, so that the type check knows what may be sent to it. */
interface ChildEvents {
  readonly [worker: `${string}/worker`]: WorkerEvent;
  readonly [loader: `${string}/model-loader`]: ModelLoaderEvent;
  readonly [pipeline: `${string}/pipeline`]: PipelineEvent;
  readonly [breaker: `${string}/circuit-breaker`]: CircuitBreakerEvent;
  readonly [recovery: `recovery/${string}`]: RecoveryEvent;
  readonly "health-monitor": HealthMonitorEvent;
  readonly recorder: SupervisorFact;
}

export type ChildId = keyof ChildEvents;

export const childIds = {
  worker: (workerId: string): `${string}/worker` => `${workerId}/worker`,
  loader: (workerId: string): `${string}/model-loader` => `${workerId}/model-loader`,
  pipeline: (workerId: string): `${string}/pipeline` => `${workerId}/pipeline`,
  breaker: (workerId: string): `${string}/circuit-breaker` => `${workerId}/circuit-breaker`,
  recovery: (incidentId: string): `recovery/${string}` => `recovery/${incidentId}`,
  health: "health-monitor",
  recorder: "recorder",
} as const;

/** Which actor stands behind which id. */
export type SupervisedChildren = {
  [worker: `${string}/worker`]: "worker";
  [loader: `${string}/model-loader`]: "modelLoader";
  [pipeline: `${string}/pipeline`]: "pipeline";
  [breaker: `${string}/circuit-breaker`]: "circuitBreaker";
  [recovery: `recovery/${string}`]: "recovery";
  "health-monitor": "healthMonitor";
  recorder: "recorder";
};

/**
 * A child and what it is sent: a pair, because only a pair that is handed on whole keeps the event with a child that
 * knows it.
 */
export type Send = { readonly [Id in ChildId]: readonly [to: Id, event: ChildEvents[Id]] }[ChildId];

interface Parent {
  readonly children: Readonly<Record<string, { getSnapshot(): { readonly status: string } } | undefined>>;
}

/** A child that was stopped stays among the children, at its end. */
export const isRunning = ({ children }: Parent, childId: string): boolean =>
  children[childId]?.getSnapshot().status === "active";
