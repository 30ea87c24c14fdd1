/** What the supervisor gives its children at their start, and again when they are started anew. */
import type { ActorRef, Snapshot } from "xstate";
import { present, withoutNulls } from "../core/present.ts";
import type { CircuitBreakerInput } from "./circuit-breaker-types.ts";
import type { HealthMonitorInput } from "./health-monitor-types.ts";
import type { ModelLoaderInput } from "./model-loader-types.ts";
import type { PipelineInput } from "./pipeline-types.ts";
import type { RecoveryInput } from "./recovery-types.ts";
import type { IncidentSpawn } from "./supervisor-route.ts";
import type { SupervisedWorker, SupervisorContext, SupervisorEvent } from "./supervisor-types.ts";
import type { WorkerInput } from "./worker-types.ts";

interface Parent {
  readonly context: SupervisorContext;
  readonly self: ActorRef<Snapshot<unknown>, SupervisorEvent>;
}

/** What each child of a worker is given; limits that are not set are left to the child's own. */
function common<Limits>({ context, self }: Parent, limits: Limits | undefined) {
  return { parent: self, clock: context.clock, ...present({ limits }) };
}

export const healthInput = (parent: Parent): HealthMonitorInput => ({
  ...common(parent, parent.context.limits.health),
  gpuExpectation: parent.context.gpuExpectation,
});

export function breakerInput(parent: Parent, workerId: string): CircuitBreakerInput {
  const resume = parent.context.breakers[workerId];
  return { ...common(parent, parent.context.limits.breaker), workerId, ...present({ resume }) };
}

export const loaderInput = (parent: Parent, { id, model, profile }: SupervisedWorker): ModelLoaderInput => ({
  ...common(parent, parent.context.limits.loader),
  workerId: id,
  model,
  profile,
});

export const pipelineInput = (parent: Parent, workerId: string): PipelineInput => ({
  ...common(parent, parent.context.limits.pipeline),
  workerId,
  isPaused: parent.context.pause !== null,
});

export const workerInput = (parent: Parent, workerId: string): WorkerInput => ({
  ...common(parent, parent.context.limits.worker),
  workerId,
  draws: parent.context.draws,
});

export function recoveryInput(
  parent: Parent,
  { incident, origin, fault, isClimbInVain, cooldownUntilMs, resume }: IncidentSpawn,
): RecoveryInput {
  return {
    incidentId: incident.id,
    workerId: incident.workerId,
    model: incident.model,
    jobIds: incident.jobIds,
    origin,
    fault,
    failureType: incident.failureType,
    ladder: parent.context.ladders[incident.failureType],
    isClimbInVain,
    cooldownUntilMs,
    ...withoutNulls({ resume }),
    ...common(parent, parent.context.limits.recovery),
  };
}
