/** What the reports of an incident mean for its worker, and what an operator asks of recovery. */
import { countsAgainstWorker } from "../recovery/breaker.ts";
import { faultOfOrder } from "../recovery/classify.ts";
import { blameRow, climbEndedRow, lookBackRow, rungStartedRow } from "./incident-rows.ts";
import type { RecoveryReport } from "./recovery-types.ts";
import { childIds, type Send } from "./supervisor-children.ts";
import {
  closeIncident,
  closeUnwanted,
  cooldownKey,
  noteIncident,
  noteVainLadder,
  openOrJoin,
} from "./supervisor-incidents.ts";
import { releaseIfPaused } from "./supervisor-intake.ts";
import { type Handlers, join, nothing, type Route, send, tell } from "./supervisor-route.ts";
import { endOldTrials, tryRung } from "./supervisor-trials.ts";
import type { SupervisorContext } from "./supervisor-types.ts";
import { startUnstartable } from "./supervisor-unstartable.ts";

const about = (event: {
  readonly incidentId: string;
  readonly workerId: string;
}): { readonly id: string; readonly workerId: string } => ({
  id: event.incidentId,
  workerId: event.workerId,
});

type CanaryReport = Extract<RecoveryReport, { type: "canary.passed" | "canary.failed" }>;

const canaryAnswered = (event: CanaryReport): Route => tell({ type: event.type, ...about(event), data: {} });

/** Nothing is tried any more but looking back. */
const nowWaits =
  (stage: "standingIn" | "exhausted") =>
  (
    context: SupervisorContext,
    event: Extract<RecoveryReport, { type: "incident.stoodIn" | "incident.exhausted" }>,
  ): Route => {
    const { climbCount, lookBackCount, lookBackAtMs } = event;
    return join(
      noteIncident(context, event.incidentId, { stage, climbCount, lookBackCount, lookBackAtMs }),
      tell({ type: event.type, ...about(event), data: lookBackRow(event) }),
    );
  };

function blameSettled(context: SupervisorContext, event: Extract<RecoveryReport, { type: "blame.settled" }>): Route {
  const { incidentId, workerId, blame, jobIds, signature, isClimbInVain } = event;
  const told = tell({ type: "blame.settled", ...about(event), data: blameRow(event) });
  if (blame !== "route") {
    const noted = noteIncident(context, incidentId, { blame });
    return join(told, join(noted, isClimbInVain ? noteVainLadder(context, workerId, signature) : nothing));
  }
  return join(told, noteIncident(context, incidentId, { stage: "working", jobIds, blame }));
}

const toPipeline =
  (type: "pipeline.resume" | "pipeline.suspend" | "pipeline.standIn") =>
  (_: SupervisorContext, event: Extract<RecoveryReport, { type: typeof type }>) =>
    send(childIds.pipeline(event.workerId), { type, by: event.incidentId });

export const recoveryHandlers: Handlers = {
  "pipeline.suspend": toPipeline("pipeline.suspend"),
  "pipeline.resume": toPipeline("pipeline.resume"),
  "pipeline.standIn": toPipeline("pipeline.standIn"),
  "pipeline.admit": (context, { incidentId, workerId, admission }) =>
    join(
      admission === "one"
        ? join(
            noteIncident(context, incidentId, { stage: "returning" }),
            tell({ type: "incident.returning", id: incidentId }),
          )
        : nothing,
      send(childIds.pipeline(workerId), { type: "pipeline.admit", admission }),
    ),
  "model.load": (_, { workerId }) => send(childIds.loader(workerId), { type: "model.ensure" }),
  "breaker.hold": (_, { workerId, incidentId }) =>
    send(childIds.breaker(workerId), { type: "breaker.hold", workerId, incidentId }),
  "breaker.release": (context, { workerId, incidentId, isResolved }) => {
    const { isActedOn = false, isOrdered = false, fault } = context.incidents[incidentId] ?? {};
    const isOfWorker = fault !== undefined && countsAgainstWorker(fault);
    const isRepair = isResolved && isActedOn && !isOrdered && isOfWorker;
    return send(childIds.breaker(workerId), { type: "breaker.release", workerId, incidentId, isResolved, isRepair });
  },
  "rung.started": (context, event) =>
    join(
      noteIncident(context, event.incidentId, { stage: "working", climbCount: event.climb, isActedOn: true }),
      tell({ type: "rung.started", ...about(event), data: rungStartedRow(event) }),
    ),
  "rung.ended": (context, event) => {
    const { failureType, climb, result } = event;
    return join(tell({ type: "rung.ended", ...about(event), failureType, climb, result }), tryRung(context, event));
  },
  "blame.settled": blameSettled,
  "climb.ended": (_, event) => tell({ type: "climb.ended", ...about(event), data: climbEndedRow(event) }),
  "cooldown.started": (context, event) => {
    const cooldowns = { ...context.cooldowns, [cooldownKey(event.workerId, event.failureType)]: event.untilMs };
    return join(
      { ...nothing, change: { cooldowns } },
      tell({ type: "cooldown.started", cooldowns, id: event.incidentId, untilMs: event.untilMs }),
    );
  },
  // A look back that succeeded is work again; an operator's check that did is over.
  "canary.passed": (context, event) =>
    join(
      context.incidents[event.incidentId]?.stage === "checking"
        ? nothing
        : noteIncident(context, event.incidentId, { stage: "working" }),
      canaryAnswered(event),
    ),
  "canary.failed": (_, event) => canaryAnswered(event),
  "incident.stoodIn": nowWaits("standingIn"),
  "incident.exhausted": nowWaits("exhausted"),
  "incident.resolved": (context, event) => {
    const closed = closeIncident(context, event.incidentId, "resolved", event.climbCount);
    return join(closed, releaseIfPaused({ ...context, ...closed.change }, event.workerId));
  },
  "recovery.trigger": (context, { workerId, failureType, isForced, orderId }) =>
    openOrJoin(context, {
      workerId,
      orderId,
      fault: faultOfOrder(failureType),
      model: null,
      jobId: null,
      origin: isForced ? "forced" : "manual",
    }),
  "recovery.reset": (context) =>
    join(
      {
        ...nothing,
        change: { cooldowns: {} },
        facts: [{ type: "cooldown.started", cooldowns: {}, id: "", untilMs: 0 }],
        sends: Object.keys(context.incidents).map((id): Send => [childIds.recovery(id), { type: "recovery.reset" }]),
      },
      startUnstartable(context),
      ...Object.keys(context.workers).map((id) => send(childIds.breaker(id), { type: "breaker.reset" })),
    ),
  "incidents.sweep": (context) => join(closeUnwanted(context), endOldTrials(context)),
};
