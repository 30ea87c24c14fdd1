/** What the supervisor's actions do: routes are carried out, children are started, and started again when they die. */
import type { PipelineEvent } from "./pipeline-types.ts";
import type { RecoveryResume } from "./recovery-types.ts";
import { type Around, limitsOf } from "./supervisor-base.ts";
import { childIds, isRunning, type Send } from "./supervisor-children.ts";
import { isUnattended, type OpenIncident, unknownWorker } from "./supervisor-facts.ts";
import { abandonIncident, incidentsOf } from "./supervisor-incidents.ts";
import {
  breakerInput,
  healthInput,
  loaderInput,
  pipelineInput,
  recoveryInput,
  workerInput,
} from "./supervisor-inputs.ts";
import { recycleHolder } from "./supervisor-intake.ts";
import { type IncidentSpawn, join, nothing, type Route, updateWorker } from "./supervisor-route.ts";
import { withMode } from "./supervisor-routes.ts";
import type { SupervisedWorker, SupervisorContext, SupervisorEvent, SupervisorFact } from "./supervisor-types.ts";
import type { StopShape } from "./worker-types.ts";

/** `xstate.error.actor.worker-0/pipeline` → `worker-0/pipeline`. */
const failedChildId = (type: string): string => type.replace("xstate.error.actor.", "");

const incidentIdOf = (childId: string): string => childId.replace(childIds.recovery(""), "");

const sendTo = ({ enqueue }: Around, ...[childId, event]: Send): void => enqueue.sendTo(childId, event);

/**
 * Carries a route out. Facts go first: they are written before anybody acts on them. A child that is down is told
 * nothing.
 */
export function carryOut(around: Around, route: Route): void {
  const { enqueue, self } = around;
  const { children } = self.getSnapshot();
  enqueue.assign(route.change);
  if (children[childIds.recorder] !== undefined)
    for (const fact of route.facts) sendTo(around, childIds.recorder, fact);
  for (const spawn of route.spawns) spawnRecovery(around, spawn);
  for (const one of route.sends) if (children[one[0]] !== undefined) sendTo(around, ...one);
}

function spawnRecovery(around: Around, spawn: IncidentSpawn): void {
  around.enqueue.spawnChild("recovery", {
    id: childIds.recovery(spawn.incident.id),
    input: recoveryInput(around, spawn),
  });
}

/** It looks back when its time comes: a test render decides whether there is anything left to repair. */
function resumeRecovery(around: Around, incident: OpenIncident, resume: RecoveryResume): void {
  const { fault } = incident;
  spawnRecovery(around, { incident, origin: "fault", fault, isClimbInVain: false, cooldownUntilMs: null, resume });
}

const spawnHealthMonitor = (around: Around): void =>
  around.enqueue.spawnChild("healthMonitor", { id: childIds.health, input: healthInput(around) });

const spawnBreaker = (around: Around, workerId: string): void =>
  around.enqueue.spawnChild("circuitBreaker", {
    id: childIds.breaker(workerId),
    input: breakerInput(around, workerId),
  });

const spawnLoader = (around: Around, worker: SupervisedWorker): void =>
  around.enqueue.spawnChild("modelLoader", { id: childIds.loader(worker.id), input: loaderInput(around, worker) });

const spawnPipeline = (around: Around, workerId: string): void =>
  around.enqueue.spawnChild("pipeline", { id: childIds.pipeline(workerId), input: pipelineInput(around, workerId) });

/** A worker begins by taking up what an earlier supervisor left. */
function spawnWorker(around: Around, workerId: string): void {
  around.enqueue.spawnChild("worker", { id: childIds.worker(workerId), input: workerInput(around, workerId) });
  sendTo(around, childIds.worker(workerId), { type: "worker.adopt" });
}

export function spawnSubsystems(around: Around): void {
  const { context, enqueue } = around;
  enqueue.spawnChild("recorder", { id: childIds.recorder });
  spawnHealthMonitor(around);
  for (const worker of context.configured) {
    spawnBreaker(around, worker.id);
    spawnLoader(around, worker);
    spawnPipeline(around, worker.id);
    spawnWorker(around, worker.id);
  }
  for (const { id, resume } of context.resumed.incidents) {
    const incident = context.incidents[id];
    if (incident !== undefined && !isUnattended(incident)) resumeRecovery(around, incident, resume);
  }
}

/** A child died by an error: it is started again after a moment, unless it has died too often of late. */
export function noteCrash(around: Around, event: SupervisorEvent): void {
  const { context, enqueue, self } = around;
  const childId = failedChildId(event.type);
  const nowMs = context.clock.nowMs();
  const { respawnCount, respawnWindowMs, respawnMs } = limitsOf(context);
  const recent = [...(context.crashes[childId] ?? []), nowMs].filter((atMs) => nowMs - atMs < respawnWindowMs);
  const message = "error" in event && event.error instanceof Error ? event.error.message : "no message";
  const isRespawned = recent.length <= respawnCount;
  const isRecorder = childId === childIds.recorder;
  enqueue.stopChild(childId);
  // The recorder is started again at once: until it is back every fact would be lost.
  if (isRecorder && isRespawned) enqueue.spawnChild("recorder", { id: childIds.recorder });
  const fact: SupervisorFact = { type: isRespawned ? "child.crashed" : "child.abandoned", childId, message };
  // A recorder that was given up hears nothing any more; one that has just been started is not among the children yet.
  const isHeard = isRecorder ? isRespawned : isRunning(self.getSnapshot(), childIds.recorder);
  if (isHeard) sendTo(around, childIds.recorder, fact);
  const noted: Route = { ...nothing, change: { crashes: { ...context.crashes, [childId]: recent } } };
  // The job in a pipeline's hand is told of by nobody any more: its lease runs out, and another attempt takes it up.
  const owner = context.configured.find(({ id }) => childId === childIds.pipeline(id));
  const freed = owner === undefined ? nothing : updateWorker(context, owner.id, { jobId: null });
  const abandoned = isRespawned ? nothing : abandonIncident(context, incidentIdOf(childId));
  carryOut(around, withMode(context, join(join(abandoned, noted), freed), context.mode === "draining"));
  if (isRespawned && !isRecorder)
    enqueue.raise({ type: "child.respawn", childId }, { delay: respawnMs, id: `respawn-${childId}-${nowMs}` });
}

/** Starts one child again and tells it what its siblings know already. One that runs stays the only one of its name. */
export function respawnChild(around: Around, childId: string): void {
  if (isRunning(around.self.getSnapshot(), childId)) return;
  const { incidents, clock, configured } = around.context;
  const incident = incidents[incidentIdOf(childId)];
  const worker = configured.find(({ id }) => childId.startsWith(`${id}/`));
  if (childId === childIds.health) spawnHealthMonitor(around);
  else if (incident !== undefined) {
    const { stage, climbCount, lookBackCount } = incident;
    const kind = stage === "standingIn" || stage === "exhausted" ? stage : "atWork";
    resumeRecovery(around, incident, { kind, untilMs: clock.nowMs(), climbCount, lookBackCount });
  } else if (worker !== undefined) respawnOf(around, worker, childId);
}

/** What keeps jobs from a worker, as its new pipeline has to know it before it hears that it may work. */
function heldBackBy(context: SupervisorContext, workerId: string): readonly PipelineEvent[] {
  const { breaker, isRecycling } = context.workers[workerId] ?? unknownWorker;
  const incidents = incidentsOf(context, workerId);
  const suspend = (by: string): PipelineEvent => ({ type: "pipeline.suspend", by });
  const isLookingBack = incidents.some(({ stage }) => stage === "standingIn" || stage === "exhausted");
  const isOnTrial = breaker === "halfOpen" || incidents.some(({ stage }) => stage === "returning");
  const admission = breaker === "open" ? "none" : isOnTrial ? "one" : "all";
  return [
    { type: "pipeline.admit", admission },
    ...incidents.filter(({ stage }) => stage !== "returning").map(({ id }) => suspend(id)),
    ...(isRecycling ? [suspend(recycleHolder)] : []),
    ...(isLookingBack ? [{ type: "pipeline.standIn" } as const] : []),
  ];
}

function respawnOf(around: Around, worker: SupervisedWorker, childId: string): void {
  const { context } = around;
  const { id: workerId, model } = worker;
  const { process, isProven, breaker: breakerState } = context.workers[workerId] ?? unknownWorker;
  const [breaker, loader, pipeline] = [
    childIds.breaker(workerId),
    childIds.loader(workerId),
    childIds.pipeline(workerId),
  ];
  switch (childId) {
    case breaker:
      spawnBreaker(around, workerId);
      for (const { id, stage } of incidentsOf(context, workerId))
        if (stage !== "returning") sendTo(around, breaker, { type: "breaker.hold", workerId, incidentId: id });
      break;
    case loader: {
      spawnLoader(around, worker);
      const unknownModel = { residentModel: null, profile: null, isAdopted: false };
      if (breakerState === "halfOpen") sendTo(around, loader, { type: "model.verify" });
      if (process === "connected") sendTo(around, loader, { type: "worker.connected", ...unknownModel });
      break;
    }
    case pipeline:
      spawnPipeline(around, workerId);
      for (const one of heldBackBy(context, workerId)) sendTo(around, pipeline, one);
      if (process === "connected") sendTo(around, pipeline, { type: "worker.connected", adopted: null });
      if (isProven) sendTo(around, pipeline, { type: "model.proven", model });
      break;
    case childIds.worker(workerId):
      spawnWorker(around, workerId);
  }
}

const toAll = (ids: readonly string[], one: (id: string) => Send): readonly Send[] => ids.map(one);
const workerIds = ({ context }: Around): readonly string[] => context.configured.map(({ id }) => id);

/** No job begins any more; those in hand may end within the time that was allowed. */
export function letJobsEnd(
  around: Around,
  { shape, finishMs }: { readonly shape: StopShape; readonly finishMs: number },
): void {
  const { mode, clock } = around.context;
  carryOut(around, {
    change: { stopShape: shape, finishUntilMs: clock.nowMs() + finishMs, mode: "draining" },
    sends: toAll(workerIds(around), (id) => [childIds.pipeline(id), { type: "pipeline.pause" }]),
    facts: [{ type: "mode.changed", from: mode, to: "draining" }],
    spawns: [],
  });
}

/** Who asks again while jobs end may shorten their time, and never lengthens it. */
export function hurryJobs(
  around: Around,
  { shape, finishMs }: { readonly shape: StopShape; readonly finishMs: number },
): void {
  const { finishUntilMs, clock } = around.context;
  around.enqueue.assign({ stopShape: shape, finishUntilMs: Math.min(finishUntilMs, clock.nowMs() + finishMs) });
}

/** @param shape how workers are to end; null: as it was said before */
export function beginDrain(around: Around, shape: StopShape | null): void {
  const { mode, stopShape, incidents } = around.context;
  carryOut(around, {
    change: { stopShape: shape ?? stopShape, mode: "draining" },
    sends: [
      ...toAll(Object.keys(incidents), (id) => [childIds.recovery(id), { type: "recovery.stop" }]),
      ...toAll(workerIds(around), (id) => [childIds.pipeline(id), { type: "pipeline.stop" }]),
      [childIds.health, { type: "monitor.stop" }],
    ],
    facts: mode === "draining" ? [] : [{ type: "mode.changed", from: mode, to: "draining" }],
    spawns: [],
  });
}

export function stopWorkers(around: Around): void {
  const { stopShape } = around.context;
  const sends = toAll(workerIds(around), (id) => [childIds.worker(id), { type: "worker.stop", shape: stopShape }]);
  carryOut(around, { ...nothing, sends });
}
