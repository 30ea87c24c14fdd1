/**
 * The parent: starts every other machine, routes between them, opens incidents, keeps budget and cooldowns.
 * Life: starting → running → draining {finishing → settling → stopping} → stopped.
 * Survives: a child that dies by error (it is started again, three times in ten minutes), and its own restart: durable facts
 * come back as absolute times in `input.resumed`.
 */
import { enqueueActions, fromCallback, setup } from "xstate";
import { present, withoutNulls } from "../core/present.ts";
import { minuteMs, secondMs } from "../core/units.ts";
import type { MachineTag } from "../core/words.ts";
import { circuitBreakerMachine } from "./circuit-breaker.machine.ts";
import { healthMonitorMachine } from "./health-monitor.machine.ts";
import { modelLoaderMachine } from "./model-loader.machine.ts";
import { pipelineMachine } from "./pipeline.machine.ts";
import { recoveryMachine } from "./recovery.machine.ts";
import type { RecoveryResume } from "./recovery-types.ts";
import { type OpenIncident, unknownWorker } from "./supervisor-facts.ts";
import { abandonIncident, incidentsOf } from "./supervisor-incidents.ts";
import { childIds, type IncidentSpawn, join, nothing, type Route } from "./supervisor-route.ts";
import { routeOf, withMode } from "./supervisor-routes.ts";
import {
  nothingResumed,
  type ResumedIncident,
  type SupervisedWorker,
  type SupervisorContext,
  type SupervisorEvent,
  type SupervisorFact,
  type SupervisorInput,
  type SupervisorLimits,
} from "./supervisor-types.ts";
import { workerMachine } from "./worker.machine.ts";
import type { StopShape } from "./worker-types.ts";

export const defaultSupervisorLimits: SupervisorLimits = {
  drainMs: minuteMs,
  respawnMs: secondMs,
  respawnCount: 3,
  respawnWindowMs: 10 * minuteMs,
};

const limitsOf = (context: SupervisorContext): SupervisorLimits => ({
  ...defaultSupervisorLimits,
  ...context.limits.supervisor,
});

/** `xstate.error.actor.worker-0/pipeline` → `worker-0/pipeline`. */
const failedChildId = (type: string): string => type.replace("xstate.error.actor.", "");

const incidentIdOf = (childId: string): string => childId.replace(childIds.recovery(""), "");

const supervisorSetup = setup({
  types: {
    context: {} as SupervisorContext,
    events: {} as SupervisorEvent,
    input: {} as SupervisorInput,
    output: {} as { readonly epoch: number },
    tags: {} as MachineTag,
  },
  actors: {
    worker: workerMachine,
    modelLoader: modelLoaderMachine,
    pipeline: pipelineMachine,
    circuitBreaker: circuitBreakerMachine,
    healthMonitor: healthMonitorMachine,
    recovery: recoveryMachine,
    /** Writes facts to the store, in order, and tells those who listen. */
    recorder: fromCallback<SupervisorFact, undefined>(() => {
      throw new Error("recorder was not provided");
    }),
  },
  delays: {
    drainMs: ({ context }) => limitsOf(context).drainMs,
    finishMs: ({ context }) => context.finishMs,
    startMs: () => 0,
  },
});

interface Enqueue {
  assign(change: Partial<SupervisorContext>): void;
  sendTo(target: string, event: never): void;
}

const supervisor = supervisorSetup.extend({
  guards: {
    mayJobsEnd: (_, params: { finishMs: number }) => params.finishMs > 0,
    isNobodyBusy: ({ context }) => Object.values(context.workers).every((worker) => worker.jobId === null),
    areAllSettled: ({ context }) => Object.values(context.workers).every((worker) => worker.isPipelineStopped),
    areAllStopped: ({ context }) =>
      Object.values(context.workers).every((worker) => worker.process === "stopped" || worker.process === "resting"),
  },
  actions: {
    spawnSubsystems: enqueueActions(({ context, enqueue, self }) => {
      enqueue.spawnChild("recorder", { id: childIds.recorder });
      const { clock, limits } = context;
      enqueue.spawnChild("healthMonitor", {
        id: childIds.health,
        input: {
          parent: self,
          clock,
          gpuExpectation: context.gpuExpectation,
          ...present({ limits: limits.health }),
        },
      });
      for (const worker of context.configured) {
        const { id: workerId } = worker;
        enqueue.spawnChild("circuitBreaker", {
          id: childIds.breaker(workerId),
          input: breakerInput(context, workerId, self),
        });
        enqueue.spawnChild("modelLoader", { id: childIds.loader(workerId), input: loaderInput(context, worker, self) });
        enqueue.spawnChild("pipeline", {
          id: childIds.pipeline(workerId),
          input: pipelineInput(context, workerId, self),
        });
        enqueue.spawnChild("worker", { id: childIds.worker(workerId), input: workerInput(context, workerId, self) });
        enqueue.sendTo(childIds.worker(workerId), { type: "worker.adopt" });
      }
      for (const { id, resume } of context.resumed.incidents) {
        const incident = context.incidents[id];
        if (incident !== undefined && incident.stage !== "setAside")
          resumeRecovery({ context, enqueue, self }, incident, resume);
      }
    }),
    route: enqueueActions(({ context, event, enqueue, self }) => {
      carryOut({ context, enqueue, self }, routeOf(context, event, false));
    }),
    routeWhileDraining: enqueueActions(({ context, event, enqueue, self }) => {
      carryOut({ context, enqueue, self }, { ...routeOf(context, event, true), spawns: [] });
    }),
    noteCrash: enqueueActions(({ context, event, enqueue, self }) => {
      const childId = failedChildId(event.type);
      const nowMs = context.clock.nowMs();
      const { respawnCount, respawnWindowMs, respawnMs } = limitsOf(context);
      const recent = [...(context.crashes[childId] ?? []), nowMs].filter((atMs) => nowMs - atMs < respawnWindowMs);
      const message = "error" in event && event.error instanceof Error ? event.error.message : "no message";
      const isRespawned = recent.length <= respawnCount;
      const isRecorder = childId === childIds.recorder;
      enqueue.stopChild(childId);
      // At once: until it is back every fact would be lost.
      if (isRecorder && isRespawned) enqueue.spawnChild("recorder", { id: childIds.recorder });
      const fact: SupervisorFact = { type: isRespawned ? "child.crashed" : "child.abandoned", childId, message };
      if (!isRecorder || isRespawned) enqueue.sendTo(childIds.recorder, fact);
      const noted: Route = { ...nothing, change: { crashes: { ...context.crashes, [childId]: recent } } };
      const abandoned = isRespawned ? nothing : abandonIncident(context, incidentIdOf(childId));
      carryOut({ context, enqueue, self }, withMode(context, join(abandoned, noted), context.mode === "draining"));
      if (isRespawned && !isRecorder)
        enqueue.raise({ type: "child.respawn", childId }, { delay: respawnMs, id: `respawn-${childId}-${nowMs}` });
    }),
    respawnChild: enqueueActions(({ context, enqueue, self }, params: { childId: string }) => {
      const [workerId = "", kind = ""] = params.childId.split("/");
      const worker = context.configured.find((candidate) => candidate.id === workerId);
      const { clock, limits } = context;
      const facts = context.workers[workerId] ?? unknownWorker;
      if (params.childId === childIds.health) {
        enqueue.spawnChild("healthMonitor", {
          id: childIds.health,
          input: {
            parent: self,
            clock,
            gpuExpectation: context.gpuExpectation,
            ...present({ limits: limits.health }),
          },
        });
      }
      const incident = context.incidents[incidentIdOf(params.childId)];
      if (incident !== undefined) {
        const { climbCount, lookBackCount } = incident;
        resumeRecovery({ context, enqueue, self }, incident, {
          kind: "standingIn",
          untilMs: clock.nowMs(),
          climbCount,
          lookBackCount,
        });
      }
      if (worker === undefined) return;
      if (kind === "circuit-breaker") {
        enqueue.spawnChild("circuitBreaker", { id: params.childId, input: breakerInput(context, workerId, self) });
        for (const { id, stage } of incidentsOf(context, workerId))
          if (stage !== "returning") enqueue.sendTo(params.childId, { type: "breaker.hold", workerId, incidentId: id });
      }
      if (kind === "model-loader") {
        enqueue.spawnChild("modelLoader", { id: params.childId, input: loaderInput(context, worker, self) });
        if (facts.process === "connected")
          enqueue.sendTo(params.childId, {
            type: "worker.connected",
            residentModel: null,
            profile: null,
            isAdopted: false,
          });
      }
      if (kind === "pipeline") {
        enqueue.spawnChild("pipeline", { id: params.childId, input: pipelineInput(context, workerId, self) });
        if (facts.process === "connected") enqueue.sendTo(params.childId, { type: "worker.connected", adopted: null });
        if (facts.isProven) enqueue.sendTo(params.childId, { type: "model.proven", model: worker.model });
      }
      if (kind === "worker") {
        enqueue.spawnChild("worker", { id: params.childId, input: workerInput(context, workerId, self) });
        enqueue.sendTo(params.childId, { type: "worker.adopt" });
      }
    }),
    letJobsEnd: enqueueActions(({ context, enqueue, self }, params: { shape: StopShape; finishMs: number }) => {
      const sends = context.configured.map(({ id }) => ({
        to: childIds.pipeline(id),
        event: { type: "pipeline.pause" },
      }));
      const facts: SupervisorFact[] = [{ type: "mode.changed", from: context.mode, to: "draining" }];
      carryOut(
        { context, enqueue, self },
        { change: { stopShape: params.shape, finishMs: params.finishMs, mode: "draining" }, sends, facts, spawns: [] },
      );
    }),
    beginDrain: enqueueActions(({ context, enqueue, self }, params: { shape: StopShape | null }) => {
      const sends = [
        ...Object.keys(context.incidents).map((id) => ({
          to: childIds.recovery(id),
          event: { type: "recovery.stop" },
        })),
        ...context.configured.map(({ id }) => ({ to: childIds.pipeline(id), event: { type: "pipeline.stop" } })),
        { to: childIds.health, event: { type: "monitor.stop" } },
      ];
      const facts: SupervisorFact[] =
        context.mode === "draining" ? [] : [{ type: "mode.changed", from: context.mode, to: "draining" }];
      const stopShape = params.shape ?? context.stopShape;
      carryOut({ context, enqueue, self }, { change: { stopShape, mode: "draining" }, sends, facts, spawns: [] });
    }),
    stopWorkers: enqueueActions(({ context, enqueue, self }) => {
      const sends = context.configured.map(({ id }) => ({
        to: childIds.worker(id),
        event: { type: "worker.stop", shape: context.stopShape },
      }));
      carryOut({ context, enqueue, self }, { change: {}, sends, facts: [], spawns: [] });
    }),
  },
});

type Arguments = { readonly context: SupervisorContext; readonly enqueue: unknown; readonly self: unknown };

// biome-ignore lint/suspicious/noExplicitAny: the enqueuer's own type is not exported and differs by action
type AnyEnqueue = any;

type Limits = SupervisorContext["limits"];

/** What every child of a worker is given, at the start and when it is started again. */
function childInput(context: SupervisorContext, workerId: string, self: unknown, limits: Limits[keyof Limits]) {
  return { workerId, parent: self, clock: context.clock, ...present({ limits }) };
}

function breakerInput(context: SupervisorContext, workerId: string, self: unknown): never {
  const resume = context.breakers[workerId];
  return {
    ...childInput(context, workerId, self, context.limits.breaker),
    ...present({ resume }),
  } as never;
}

const pipelineInput = (context: SupervisorContext, workerId: string, self: unknown): never =>
  ({ ...childInput(context, workerId, self, context.limits.pipeline), isPaused: context.pause !== null }) as never;

const workerInput = (context: SupervisorContext, workerId: string, self: unknown): never =>
  ({ ...childInput(context, workerId, self, context.limits.worker), draws: context.draws }) as never;

function loaderInput(context: SupervisorContext, worker: SupervisedWorker, self: unknown): never {
  const { id, model, profile } = worker;
  return { ...childInput(context, id, self, context.limits.loader), model, profile } as never;
}

function spawnRecovery(
  { context, enqueue, self }: Arguments,
  { incident, origin, fault, jobId, cooldownUntilMs, resume }: IncidentSpawn,
): void {
  const { recovery } = context.limits;
  (enqueue as AnyEnqueue).spawnChild("recovery", {
    id: childIds.recovery(incident.id),
    input: {
      incidentId: incident.id,
      workerId: incident.workerId,
      model: incident.model,
      jobId,
      origin,
      fault,
      failureType: incident.failureType,
      ladder: context.ladders[incident.failureType],
      cooldownUntilMs,
      ...withoutNulls({ resume }),
      parent: self,
      clock: context.clock,
      ...present({ limits: recovery }),
    },
  });
}

/** It looks back when its time comes: a test render decides whether there is anything left to repair. */
function resumeRecovery(around: Arguments, incident: OpenIncident, resume: RecoveryResume): void {
  spawnRecovery(around, {
    incident,
    origin: "fault",
    fault: incident.fault,
    jobId: null,
    cooldownUntilMs: null,
    resume,
  });
}

/**
 * An incident that came back is about the worker as it is configured now. One about another model, or about a worker that is
 * gone, is set aside: it keeps nobody from serving, and ends when that model is proven or when nobody has wanted it for long.
 */
function openedOf(
  { resume, ...incident }: ResumedIncident,
  workers: readonly SupervisedWorker[],
  nowMs: number,
): OpenIncident {
  const worker = workers.find(({ id }) => id === incident.workerId);
  const isOfWorker = worker !== undefined && (incident.model === null || incident.model === worker.model);
  const stage = !isOfWorker ? "setAside" : resume.kind === "exhausted" ? "exhausted" : "standingIn";
  return {
    ...incident,
    stage,
    lastFaultAtMs: nowMs,
    climbCount: resume.climbCount,
    lookBackCount: resume.lookBackCount,
  };
}

/** Facts first: they are written before anybody acts on them. A child that is down is told nothing. */
function carryOut({ context, enqueue, self }: Arguments, route: Route): void {
  const queue = enqueue as Enqueue & AnyEnqueue;
  const { children } = (self as { getSnapshot(): { children: Record<string, unknown> } }).getSnapshot();
  queue.assign(route.change);
  if (children[childIds.recorder] !== undefined)
    for (const fact of route.facts) queue.sendTo(childIds.recorder, fact as never);
  for (const spawn of route.spawns) spawnRecovery({ context, enqueue, self }, spawn);
  for (const { to, event } of route.sends) if (children[to] !== undefined) queue.sendTo(to, event as never);
}

export const supervisorMachine = supervisor.createMachine({
  id: "supervisor",
  context: ({ input }) => ({
    epoch: input.epoch,
    configured: input.workers,
    ladders: input.ladders,
    clock: input.clock,
    gpuExpectation: input.gpuExpectation,
    limits: input.limits ?? {},
    resumed: input.resumed ?? nothingResumed,
    draws: input.draws ?? [],
    workers: Object.fromEntries(input.workers.map(({ id }) => [id, unknownWorker])),
    incidents: Object.fromEntries(
      (input.resumed?.incidents ?? []).map((incident) => [
        incident.id,
        openedOf(incident, input.workers, input.clock.nowMs()),
      ]),
    ),
    incidentCount: 0,
    budgetSpentAtMs: input.resumed?.budgetSpentAtMs ?? [],
    cooldowns: input.resumed?.cooldowns ?? {},
    breakers: input.resumed?.breakers ?? {},
    crashes: {},
    mode: "loading",
    areStandInsHeld: false,
    pause: input.resumed?.pause ?? null,
    drain: input.resumed?.drain ?? null,
    isDrilling: false,
    stopShape: "ladder",
    finishMs: 0,
  }),
  output: ({ context }) => ({ epoch: context.epoch }),
  initial: "starting",
  states: {
    starting: {
      description: "Starts the machines of every worker.",
      tags: ["loading"],
      entry: { type: "spawnSubsystems" },
      after: { startMs: { target: "running" } },
      on: { "*": { actions: { type: "route" } } },
    },
    running: {
      description: "Everything runs; reports are routed and incidents opened.",
      tags: ["servable"],
      on: {
        "service.drain": [
          {
            guard: { type: "mayJobsEnd", params: ({ event }) => ({ finishMs: event.finishMs }) },
            target: "draining.finishing",
            actions: { type: "letJobsEnd", params: ({ event }) => ({ shape: event.shape, finishMs: event.finishMs }) },
          },
          { target: "draining", actions: { type: "beginDrain", params: ({ event }) => ({ shape: event.shape }) } },
        ],
        "child.respawn": { actions: { type: "respawnChild", params: ({ event }) => ({ childId: event.childId }) } },
        "xstate.error.actor.*": { actions: { type: "noteCrash" } },
        "*": { actions: { type: "route" } },
      },
    },
    draining: {
      description:
        "The service stops: jobs in hand may end where that was asked for, attempts are written down, then workers end.",
      initial: "settling",
      on: {
        "xstate.error.actor.*": { actions: { type: "noteCrash" } },
        "*": { actions: { type: "routeWhileDraining" } },
      },
      states: {
        finishing: {
          description: "Jobs in hand may end, for so long as was allowed; no other begins.",
          always: {
            guard: "isNobodyBusy",
            target: "settling",
            actions: { type: "beginDrain", params: { shape: null } },
          },
          after: { finishMs: { target: "settling", actions: { type: "beginDrain", params: { shape: null } } } },
        },
        settling: {
          description: "Pipelines write down how their attempts ended.",
          always: { guard: "areAllSettled", target: "stopping" },
          after: { drainMs: { target: "stopping" } },
        },
        stopping: {
          description: "Workers keep a last checkpoint and end.",
          entry: { type: "stopWorkers" },
          always: { guard: "areAllStopped", target: "#supervisor.stopped" },
          after: { drainMs: { target: "#supervisor.stopped" } },
        },
      },
    },
    stopped: { type: "final", description: "Nothing runs any more." },
  },
});
