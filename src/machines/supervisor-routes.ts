import { canaryRequest, peakBytes } from "../core/model-catalog.ts";
import { askBudget } from "../recovery/budget.ts";
import { classify } from "../recovery/classify.ts";
import { climbEndedRow, lookBackRow, rungStartedRow } from "./incident-rows.ts";
import type { RecoveryReport } from "./recovery-types.ts";
import { modeFrom, type WorkerFacts } from "./supervisor-facts.ts";
import {
  closeIncident,
  closeUnwanted,
  cooldownKey,
  noteIncident,
  openOrJoin,
  takeModelBack,
} from "./supervisor-incidents.ts";
import { intakeHandlers, noteStopped, recycleIfAsked, releaseIfPaused } from "./supervisor-intake.ts";
import {
  childIds,
  type Handlers,
  join,
  nothing,
  type Route,
  send,
  tell,
  toIncidents,
  updateWorker,
} from "./supervisor-route.ts";
import type { SupervisorContext, SupervisorEvent } from "./supervisor-types.ts";

const about = (event: {
  readonly incidentId: string;
  readonly workerId: string;
}): { readonly id: string; readonly workerId: string } => ({
  id: event.incidentId,
  workerId: event.workerId,
});

function answerBudget(context: SupervisorContext, asker: string, workerId: string, action: string): Route {
  if (context.isDrilling) return send(asker, { type: "budget.granted" });
  const answer = askBudget(context.budgetSpentAtMs, context.clock.nowMs(), context.limits.budget);
  if (answer.kind === "refused") {
    return join(
      send(asker, { type: "budget.refused", retryAtMs: answer.retryAtMs }),
      tell({ type: "budget.exhausted", workerId, action, retryAtMs: answer.retryAtMs }),
    );
  }
  return join(
    { ...nothing, change: { budgetSpentAtMs: answer.spentAtMs } },
    tell({ type: "budget.spent", spentAtMs: answer.spentAtMs, workerId, action }),
    send(asker, { type: "budget.granted" }),
  );
}

/** Health compares what the card holds beside this with the rest of the card. */
function noteKnown(context: SupervisorContext, workerId: string, knownBytes: number): Route {
  const { deviceUuid = null } = context.workers[workerId] ?? {};
  if (deviceUuid === null) return nothing;
  return join(
    updateWorker(context, workerId, { knownBytes }),
    send(childIds.health, { type: "envelope.changed", workerId, deviceUuid, knownBytes }),
  );
}

const workerHandlers: Handlers = {
  "worker.connected": (context, { workerId, worker, isAdopted }) => {
    const { attach, identity, ref, lease } = worker;
    const connected = updateWorker(context, workerId, {
      process: "connected",
      isProven: false,
      rest: "none",
      deviceUuid: identity.device.uuid,
    });
    // A render that goes on was planned by an earlier supervisor; its formula stands for what that one knew.
    const knownBytes =
      lease === null ? 0 : peakBytes(lease.spec.request.model, lease.spec.request, attach.profile ?? "full");
    const known = noteKnown({ ...context, ...connected.change }, workerId, knownBytes);
    return join(
      connected,
      known,
      tell({
        type: "worker.connected",
        workerId,
        data: { pid: ref.pid, adopted: isAdopted, device: identity.device.name },
      }),
      send(childIds.pipeline(workerId), { type: "worker.connected", adopted: lease }),
      send(childIds.loader(workerId), {
        type: "worker.connected",
        residentModel: attach.residentModel,
        profile: attach.profile,
        isAdopted,
      }),
      toIncidents(context, workerId, { type: "worker.connected", workerId }),
      lease === null ? releaseIfPaused({ ...context, ...known.change }, workerId) : nothing,
    );
  },
  "worker.exited": (context, { workerId, exit, evidence, isExpected }) => {
    const jobId = context.workers[workerId]?.jobId ?? null;
    const down = updateWorker(context, workerId, { process: "down", isProven: false });
    const code = exit?.code ?? null;
    const signal = exit?.signal ?? null;
    const told = join(
      down,
      tell({
        type: "worker.exited",
        workerId,
        data: {
          code,
          signal,
          expected: isExpected,
          ...(evidence.silentForMs === undefined ? {} : { silent_for_ms: evidence.silentForMs }),
        },
      }),
      send(childIds.pipeline(workerId), { type: "worker.exited", evidence, isExpected }),
      send(childIds.loader(workerId), { type: "worker.exited" }),
    );
    if (isExpected) return told;
    const fault = classify(evidence);
    return join(
      told,
      send(childIds.breaker(workerId), { type: "fault.counted", workerId, attribution: fault.attribution }),
      openOrJoin({ ...context, ...down.change }, { workerId, fault, model: null, jobId, origin: "workerDeath" }),
    );
  },
  "worker.crashLooped": (context, { workerId, deathCount }) =>
    join(
      updateWorker(context, workerId, { process: "crashLooping" }),
      tell({ type: "worker.crashLooped", workerId, data: { deaths: deathCount } }),
      toIncidents(context, workerId, { type: "worker.crashLooped", workerId }),
    ),
  "worker.stopped": (context, { workerId }) => {
    const stopped = noteStopped(context, workerId);
    return join(
      stopped,
      tell({
        type: "worker.stopped",
        workerId,
        data: { resting: stopped.change.workers?.[workerId]?.process === "resting" },
      }),
      toIncidents(context, workerId, { type: "worker.stopped", workerId }),
    );
  },
  "worker.restart": (_, event) => {
    const isRecovery = "incidentId" in event;
    return send(childIds.worker(event.workerId), {
      type: "worker.restart",
      reason: event.reason,
      isBudgeted: isRecovery ? event.isBudgeted : false,
      shape: isRecovery ? "ladder" : "silent",
    });
  },
  "budget.request": (context, event) =>
    "incidentId" in event
      ? answerBudget(context, childIds.recovery(event.incidentId), event.workerId, event.action)
      : answerBudget(context, childIds.worker(event.workerId), event.workerId, event.action),
  "model.proven": (context, { workerId, model, profile }) => {
    const proven = updateWorker(context, workerId, { isProven: true });
    const knownBytes = Math.max(
      context.workers[workerId]?.knownBytes ?? 0,
      peakBytes(model, canaryRequest(model), profile),
    );
    return join(
      proven,
      noteKnown({ ...context, ...proven.change }, workerId, knownBytes),
      tell({ type: "model.proven", workerId, data: { model, profile } }),
      send(childIds.pipeline(workerId), { type: "model.proven", model }),
      send(childIds.breaker(workerId), { type: "canary.passed", workerId }),
      toIncidents(context, workerId, { type: "model.proven", workerId, model }),
      takeModelBack(context, workerId, model),
    );
  },
  "model.loadFailed": (context, { workerId, model, fault }) =>
    join(
      updateWorker(context, workerId, { isProven: false }),
      tell({ type: "model.loadFailed", workerId, data: { model, code: fault.code, message: fault.message } }),
      send(childIds.pipeline(workerId), { type: "model.lost" }),
      send(childIds.breaker(workerId), { type: "canary.failed", workerId }),
      toIncidents(context, workerId, { type: "model.loadFailed", workerId, model }),
    ),
  // Its worker serves on with the model of its own: no incident suspends it, and its breaker counts nothing.
  "model.setAside": (context, { workerId, model, fault }) =>
    join(
      updateWorker(context, workerId, { isProven: false }),
      tell({ type: "model.setAside", workerId, data: { model, code: fault.code, message: fault.message } }),
      send(childIds.pipeline(workerId), { type: "model.lost" }),
      openOrJoin(context, { workerId, fault, model, jobId: null, origin: "setAside" }),
    ),
  "model.unloaded": (context, { workerId }) =>
    join(
      updateWorker(context, workerId, { isProven: false }),
      send(childIds.pipeline(workerId), { type: "model.lost" }),
    ),
};

const jobHandlers: Handlers = {
  "job.begun": (context, { workerId, jobId }) =>
    join(
      updateWorker(context, workerId, { jobId }),
      send(childIds.worker(workerId), { type: "job.begun" }),
      toIncidents(context, workerId, { type: "job.begun", workerId, jobId }),
    ),
  "job.ended": (context, { workerId, jobId, isSuccessful }) => {
    const ended =
      context.workers[workerId]?.jobId === jobId ? updateWorker(context, workerId, { jobId: null }) : nothing;
    return join(
      ended,
      send(childIds.worker(workerId), { type: "job.ended" }),
      send(childIds.breaker(workerId), { type: "job.ended", workerId, isSuccessful }),
      toIncidents(context, workerId, { type: "job.ended", workerId, isSuccessful }),
      releaseIfPaused({ ...context, ...ended.change }, workerId),
    );
  },
  "fault.raised": (context, event) => {
    const { fault, workerId, model, jobId } = event.report;
    return join(
      event.isHealthOnly
        ? nothing
        : send(childIds.breaker(workerId), { type: "fault.counted", workerId, attribution: fault.attribution }),
      openOrJoin(context, { workerId, fault, model, jobId, origin: event.isHealthOnly ? "health" : "fault" }),
    );
  },
  "render.planned": (context, { workerId, peakBytes: planned }) =>
    noteKnown(context, workerId, Math.max(context.workers[workerId]?.knownBytes ?? 0, planned)),
  // No budget: that a job wants another model or memory mode is work and no repair, and a spent budget must not stop the work.
  "model.wanted": (_, { workerId, model, profile }) =>
    send(childIds.loader(workerId), { type: "model.load", model, profile }),
  "pipeline.suspended": (context, { workerId }) =>
    join(recycleIfAsked(context, workerId), toIncidents(context, workerId, { type: "pipeline.suspended", workerId })),
  // The pipeline has its worker restarted; the incident waits for that like for any other death, and proves it.
  "pipeline.stalled": (context, { workerId, jobId, evidence }) => {
    const fault = classify(evidence);
    const { stalledForMs, mainThreadIdleMs } = evidence;
    return join(
      tell({
        type: "pipeline.stalled",
        workerId,
        data: {
          job_id: jobId,
          ...(stalledForMs === undefined ? {} : { stalled_for_ms: stalledForMs }),
          main_thread_idle_ms: mainThreadIdleMs ?? null,
        },
      }),
      send(childIds.breaker(workerId), { type: "fault.counted", workerId, attribution: fault.attribution }),
      openOrJoin(context, { workerId, fault, model: null, jobId, origin: "workerDeath" }),
    );
  },
  "pipeline.stopped": (context, { workerId }) =>
    updateWorker(context, workerId, { isPipelineStopped: true, jobId: null }),
};

type CanaryReport = Extract<RecoveryReport, { type: "canary.passed" | "canary.failed" }>;

const canaryAnswered = (event: CanaryReport): Route =>
  join(
    tell({ type: event.type, ...about(event), data: {} }),
    send(childIds.breaker(event.workerId), { type: event.type, workerId: event.workerId }),
  );

/** Nothing is tried any more but looking back. */
const nowWaits =
  (stage: "standingIn" | "exhausted") =>
  (
    context: SupervisorContext,
    event: Extract<RecoveryReport, { type: "incident.stoodIn" | "incident.exhausted" }>,
  ): Route => {
    const { climbCount, lookBackCount } = event;
    return join(
      noteIncident(context, event.incidentId, { stage, climbCount, lookBackCount }),
      tell({ type: event.type, ...about(event), data: lookBackRow(event) }),
    );
  };

const toPipeline =
  (type: "pipeline.resume" | "pipeline.suspend" | "pipeline.standIn") =>
  (_: SupervisorContext, event: Extract<RecoveryReport, { type: typeof type }>) =>
    send(childIds.pipeline(event.workerId), { type, by: event.incidentId });

const recoveryHandlers: Handlers = {
  "pipeline.suspend": toPipeline("pipeline.suspend"),
  "pipeline.resume": toPipeline("pipeline.resume"),
  "pipeline.standIn": toPipeline("pipeline.standIn"),
  "pipeline.admit": (context, { incidentId, workerId, admission }) =>
    join(
      admission === "one" ? noteIncident(context, incidentId, { stage: "returning" }) : nothing,
      send(childIds.pipeline(workerId), { type: "pipeline.admit", admission }),
    ),
  "model.load": (_, { workerId }) => send(childIds.loader(workerId), { type: "model.ensure" }),
  "breaker.hold": (_, { workerId, incidentId }) =>
    send(childIds.breaker(workerId), { type: "breaker.hold", workerId, incidentId }),
  "breaker.release": (_, { workerId, incidentId, isResolved }) =>
    send(childIds.breaker(workerId), { type: "breaker.release", workerId, incidentId, isResolved }),
  "rung.started": (context, event) =>
    join(
      noteIncident(context, event.incidentId, { stage: "working", climbCount: event.climb }),
      tell({ type: "rung.started", ...about(event), data: rungStartedRow(event) }),
    ),
  "rung.ended": (_, event) =>
    tell({
      type: "rung.ended",
      ...about(event),
      failureType: event.failureType,
      climb: event.climb,
      result: event.result,
    }),
  "climb.ended": (_, event) => tell({ type: "climb.ended", ...about(event), data: climbEndedRow(event) }),
  "cooldown.started": (context, event) => {
    const cooldowns = { ...context.cooldowns, [cooldownKey(event.workerId, event.failureType)]: event.untilMs };
    return join(
      { ...nothing, change: { cooldowns } },
      tell({ type: "cooldown.started", cooldowns, id: event.incidentId, untilMs: event.untilMs }),
    );
  },
  // A look back that succeeded is work again; an operator's check that did is over.
  "canary.passed": (context, event: CanaryReport) =>
    join(
      context.incidents[event.incidentId]?.stage === "checking"
        ? nothing
        : noteIncident(context, event.incidentId, { stage: "working" }),
      canaryAnswered(event),
    ),
  "canary.failed": (_, event: CanaryReport) => canaryAnswered(event),
  "incident.stoodIn": nowWaits("standingIn"),
  "incident.exhausted": nowWaits("exhausted"),
  "incident.resolved": (context, event) => {
    const closed = closeIncident(context, event.incidentId, "resolved", event.climbCount);
    return join(closed, releaseIfPaused({ ...context, ...closed.change }, event.workerId));
  },
  "recovery.trigger": (context, { workerId, failureType, isForced, fault }) =>
    openOrJoin(context, {
      workerId,
      fault: { ...fault, failureType },
      model: null,
      jobId: null,
      origin: isForced ? "forced" : "manual",
    }),
  "recovery.reset": (context) => ({
    ...nothing,
    change: { cooldowns: {} },
    facts: [{ type: "cooldown.started", cooldowns: {}, id: "", untilMs: 0 }],
    sends: Object.keys(context.incidents).map((id) => ({
      to: childIds.recovery(id),
      event: { type: "recovery.reset" },
    })),
  }),
  "asides.sweep": closeUnwanted,
};

function breakerMoved(
  context: SupervisorContext,
  workerId: string,
  breaker: WorkerFacts["breaker"],
  resume: { untilMs: number; openingCount: number } | null,
): Route {
  const { [workerId]: _former, ...others } = context.breakers;
  const breakers = resume === null ? others : { ...others, [workerId]: resume };
  const type = breaker === "closed" ? "breaker.closed" : breaker === "open" ? "breaker.opened" : "breaker.halfOpened";
  const admission = breaker === "closed" ? "all" : breaker === "open" ? "none" : "one";
  return join(
    updateWorker(context, workerId, { breaker }),
    { ...nothing, change: { breakers } },
    tell({ type, workerId, breakers }),
    send(childIds.pipeline(workerId), { type: "pipeline.admit", admission }),
    breaker === "halfOpen" ? send(childIds.loader(workerId), { type: "model.verify" }) : nothing,
  );
}

const otherHandlers: Handlers = {
  "breaker.opened": (context, { workerId, untilMs, openingCount }) =>
    breakerMoved(context, workerId, "open", { untilMs, openingCount }),
  "breaker.halfOpened": (context, { workerId }) =>
    breakerMoved(context, workerId, "halfOpen", context.breakers[workerId] ?? null),
  "breaker.closed": (context, { workerId }) => breakerMoved(context, workerId, "closed", null),
  "health.changed": (_, { health }) => tell({ type: "health.changed", health }),
  "health.checked": (_, { health }) => tell({ type: "health.checked", health }),
  "health.check": () => send(childIds.health, { type: "health.check" }),
  "standIns.hold": () => ({ ...nothing, change: { areStandInsHeld: true } }),
  "standIns.release": () => ({ ...nothing, change: { areStandInsHeld: false } }),
};

const handlers: Handlers = {
  ...workerHandlers,
  ...jobHandlers,
  ...recoveryHandlers,
  ...otherHandlers,
  ...intakeHandlers,
};

/** What one event means for everybody else. */
export function routeOf(context: SupervisorContext, event: SupervisorEvent, isDraining: boolean): Route {
  const handle = handlers[event.type] as ((context: SupervisorContext, event: SupervisorEvent) => Route) | undefined;
  const route = handle === undefined ? nothing : handle(context, event);
  return withMode(context, route, isDraining);
}

/** The new mode follows from the new facts. */
export function withMode(context: SupervisorContext, route: Route, isDraining: boolean): Route {
  const next = { ...context, ...route.change };
  const mode = modeFrom(next.workers, next.incidents, isDraining);
  if (mode === context.mode) return route;
  return join(route, { ...nothing, change: { mode } }, tell({ type: "mode.changed", from: context.mode, to: mode }));
}
