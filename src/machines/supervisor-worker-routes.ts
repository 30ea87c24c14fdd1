/** What the reports of a worker and its loader mean for everybody else: the process, its budget, and the model it holds. */
import type { Lease } from "../core/job.ts";
import { canaryRequest, peakBytes } from "../core/model-figures.ts";
import { present } from "../core/present.ts";
import type { LoadProfile } from "../core/words.ts";
import { askBudget } from "../recovery/budget.ts";
import { classify } from "../recovery/classify.ts";
import { childIds } from "./supervisor-children.ts";
import { openOrJoin, takeModelBack } from "./supervisor-incidents.ts";
import { noteStopped, releaseIfPaused } from "./supervisor-intake.ts";
import {
  type Handlers,
  join,
  noteKnown,
  nothing,
  type Route,
  send,
  tell,
  toIncidents,
  updateWorker,
} from "./supervisor-route.ts";
import { jobHasFailed } from "./supervisor-trials.ts";
import type { SupervisorContext, SupervisorEvent } from "./supervisor-types.ts";
import { closeUnstartable, noteNotStarted } from "./supervisor-unstartable.ts";
import type { WorkerEvent } from "./worker-types.ts";

type BudgetRequest = Extract<SupervisorEvent, { type: "budget.request" }>;
type BudgetAnswer = Extract<WorkerEvent, { type: "budget.granted" | "budget.refused" }>;

function answerBudget(context: SupervisorContext, { workerId, action, ...asker }: BudgetRequest): Route {
  const answer = (event: BudgetAnswer): Route =>
    "incidentId" in asker ? send(childIds.recovery(asker.incidentId), event) : send(childIds.worker(workerId), event);
  if (context.isDrilling) return answer({ type: "budget.granted" });
  const asked = askBudget(context.budgetSpentAtMs, context.clock.nowMs(), context.limits.budget);
  if (asked.kind === "refused") {
    const { retryAtMs } = asked;
    return join(
      answer({ type: "budget.refused", retryAtMs }),
      tell({ type: "budget.exhausted", workerId, action, retryAtMs }),
    );
  }
  return join(
    { ...nothing, change: { budgetSpentAtMs: asked.spentAtMs } },
    tell({ type: "budget.spent", spentAtMs: asked.spentAtMs, workerId, action }),
    answer({ type: "budget.granted" }),
  );
}

const plannedBytes = ({ catalog }: SupervisorContext, { spec }: Lease, profile: LoadProfile): number =>
  peakBytes(catalog.entryOf(spec.request.model), spec.request, profile);

export const workerHandlers: Handlers = {
  "worker.connected": (context, { workerId, worker, isAdopted }) => {
    const { attach, identity, ref, lease } = worker;
    const connected = updateWorker(context, workerId, {
      process: "connected",
      isProven: false,
      rest: "none",
      startsAtMs: null,
      deviceUuid: identity.device.uuid,
    });
    // A render that goes on was planned by an earlier supervisor; its formula stands for what that one knew.
    const knownBytes = lease === null ? 0 : plannedBytes(context, lease, attach.profile ?? "full");
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
          ...present({ silent_for_ms: evidence.silentForMs }),
        },
      }),
      send(childIds.pipeline(workerId), { type: "worker.exited", evidence, isExpected }),
      send(childIds.loader(workerId), { type: "worker.exited" }),
    );
    if (isExpected) return told;
    const fault = classify(evidence);
    const started = closeUnstartable({ ...context, ...down.change }, workerId, "abandoned");
    return join(
      told,
      started,
      openOrJoin(
        { ...context, ...down.change, ...started.change },
        { workerId, fault, model: null, jobId, origin: "workerDeath" },
      ),
      jobHasFailed(context, jobId, fault),
    );
  },
  "worker.notStarted": noteNotStarted,
  "worker.waiting": (context, { workerId, untilMs }) => updateWorker(context, workerId, { startsAtMs: untilMs }),
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
  "budget.request": answerBudget,
  "model.proven": (context, { workerId, model, profile, trial }) => {
    const proven = updateWorker(context, workerId, { isProven: true });
    const entry = context.catalog.entryOf(model);
    const knownBytes = Math.max(
      context.workers[workerId]?.knownBytes ?? 0,
      peakBytes(entry, canaryRequest(entry), profile),
    );
    const takenBack = takeModelBack(context, workerId, model);
    return join(
      proven,
      noteKnown({ ...context, ...proven.change }, workerId, knownBytes),
      tell({
        type: "model.proven",
        workerId,
        data: { model, profile, ...(trial === null ? {} : { rendered: trial.what }) },
      }),
      send(childIds.pipeline(workerId), { type: "model.proven", model }),
      trial === null ? nothing : send(childIds.breaker(workerId), { type: "canary.passed", workerId, ...trial }),
      toIncidents(context, workerId, { type: "model.proven", workerId, model }),
      takenBack,
      closeUnstartable({ ...context, ...takenBack.change }, workerId, "resolved"),
    );
  },
  "model.loadRetried": (_, { workerId, model, fault, tryNumber, tryCount, retryAtMs }) =>
    tell({
      type: "model.loadRetried",
      workerId,
      data: {
        model,
        code: fault.code,
        message: fault.message,
        try_number: tryNumber,
        try_count: tryCount,
        retry_at_ms: retryAtMs,
      },
    }),
  "model.loadFailed": (context, { workerId, model, fault }) =>
    join(
      updateWorker(context, workerId, { isProven: false }),
      tell({ type: "model.loadFailed", workerId, data: { model, code: fault.code, message: fault.message } }),
      send(childIds.pipeline(workerId), { type: "model.lost" }),
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
