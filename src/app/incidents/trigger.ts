/**
 * An operator's trigger: sent, followed until its climb ends or the caller's patience does, and answered with what was
 * tried and proven instead of "started".
 */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { RungResult } from "../../core/fault.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { FailureType } from "../../core/words.ts";
import { cooldownKey } from "../../machines/supervisor-incidents.ts";
import { routesOf } from "../../machines/supervisor-standing.ts";
import type { SupervisorContext, SupervisorFact } from "../../machines/supervisor-types.ts";
import type { Supervisor } from "../../machines/supervisor-view.ts";
import { isOpen } from "../../recovery/promise.ts";
import type { RecoveryOrder, RecoveryTriggered } from "../../server/server-ports.ts";
import type { FactHub } from "./fact-hub.ts";
import { answerOf, cooldownSentence, stopSentence, type TriggerEnding } from "./trigger-answer.ts";

interface TriggerNeeds {
  readonly clock: Clock;
  readonly store: Pick<Store, "events">;
  readonly config: Pick<Config, "workers">;
}

interface Means {
  readonly parts: TriggerNeeds;
  readonly supervisor: Pick<Supervisor, "send" | "getSnapshot">;
  readonly hub: FactHub;
}

/** A job that waits is begun now, or when the one in hand has ended. */
export const isRealGenerationOn = (context: SupervisorContext): boolean =>
  context.mode !== "draining" && !context.isDiskShort && routesOf(context).some(isOpen);

type IncidentFact = Extract<SupervisorFact, { readonly id: string }>;

/** What was heard of one order; it ends when nothing of its climb is left to be heard. */
interface Progress {
  readonly incidentId: string | null;
  readonly rungs: readonly RungResult[];
  readonly hasTestPassed: boolean;
  readonly isRungOpen: boolean;
  readonly isClimbing: boolean;
  readonly ending: TriggerEnding | null;
}

const begun: Progress = {
  incidentId: null,
  rungs: [],
  hasTestPassed: false,
  isRungOpen: false,
  isClimbing: false,
  ending: null,
};

/** Where the incident stands after this fact of it. */
function afterFact(before: Progress, fact: IncidentFact): Progress {
  switch (fact.type) {
    case "rung.started":
      return { ...before, isRungOpen: true, isClimbing: before.isClimbing || fact.data.climb > 0, ending: null };
    case "rung.ended": {
      const isClimbing = before.isClimbing || fact.climb > 0;
      return { ...before, rungs: [...before.rungs, fact.result], isRungOpen: false, isClimbing };
    }
    case "climb.ended":
      return { ...before, isClimbing: false };
    case "canary.passed":
      return { ...before, hasTestPassed: true };
    case "canary.failed":
      return { ...before, hasTestPassed: false };
    case "incident.returning":
      return { ...before, ending: "returning" };
    case "incident.stoodIn":
      return { ...before, ending: "standingIn" };
    case "incident.exhausted":
      return { ...before, ending: "exhausted" };
    case "incident.closed":
      return { ...before, ending: fact.status, isRungOpen: false, isClimbing: false };
    default:
      return before;
  }
}

/** The rung of the stand-in ends after the stand-in was announced; a climb that is proven goes on until a job has passed. */
function isOver({ ending, isRungOpen, isClimbing }: Progress): boolean {
  if (ending === null || isRungOpen) return false;
  return ending === "returning" || !isClimbing;
}

let orderCount = 0;

/** Sends the trigger and listens until its climb is over, or until the caller's patience is. */
function follow({ parts, supervisor, hub }: Means, order: RecoveryOrder, workerId: string): Promise<RecoveryTriggered> {
  const { failureType, isForced, waitMs } = order;
  const { clock } = parts;
  orderCount += 1;
  const orderId = `order-${orderCount}`;
  return new Promise((resolve) => {
    let progress = begun;
    const end = (ending: TriggerEnding): void => {
      unsubscribe();
      clock.clearTimer(timer);
      const { context } = supervisor.getSnapshot();
      const cooldownMs = (context.cooldowns[cooldownKey(workerId, failureType)] ?? 0) - clock.nowMs();
      const { incidentId, rungs, hasTestPassed, isRungOpen } = progress;
      const isUntouched = rungs.length === 0 && !isRungOpen;
      const behindJobId = isUntouched ? (context.workers[workerId]?.jobId ?? null) : null;
      const isRealGenerationEnabled = isRealGenerationOn(context);
      resolve(
        answerOf({
          failureType,
          ending,
          incidentId,
          rungs,
          hasTestPassed,
          behindJobId,
          cooldownMs,
          isRealGenerationEnabled,
        }),
      );
    };
    const begin = (fact: Extract<SupervisorFact, { readonly type: "incident.opened" | "incident.joined" }>): void => {
      if (fact.orderId !== orderId) return;
      progress = { ...progress, incidentId: fact.id };
      const isReturning = supervisor.getSnapshot().context.incidents[fact.id]?.stage === "returning";
      if (fact.type === "incident.joined" && isReturning) end("returningAlready");
    };
    const unsubscribe = hub.subscribe((fact) => {
      if (fact.type === "mode.changed" && fact.to === "draining") end("draining");
      if (fact.type === "incident.opened" || fact.type === "incident.joined") begin(fact);
      else if ("id" in fact && fact.id === progress.incidentId) {
        progress = afterFact(progress, fact);
        if (progress.ending !== null && isOver(progress)) end(progress.ending);
      }
    });
    const timer = clock.setTimer(() => end("pending"), waitMs);
    supervisor.send({ type: "recovery.trigger", failureType, isForced, workerId, orderId });
  });
}

/** Whom a trigger is about when it names nobody: the worker that has this trouble, or any, and else the first one. */
function troubledWorker({ parts, supervisor }: Means, failureType: FailureType): string {
  const open = Object.values(supervisor.getSnapshot().context.incidents).filter(({ stage }) => stage !== "setAside");
  const incident = open.find((candidate) => candidate.failureType === failureType) ?? open[0];
  return incident?.workerId ?? parts.config.workers[0]?.id ?? "";
}

/** Why nothing is tried at all; null when it is. */
function refusalOf({ parts, supervisor }: Means, order: RecoveryOrder, workerId: string): string | null {
  const { cooldowns, mode, workers } = supervisor.getSnapshot().context;
  if (mode === "draining") return stopSentence;
  if (workers[workerId]?.process === "resting")
    return `${workerId} rests and has given its card back; it is started again when it is wanted`;
  if (workers[workerId]?.process === "unstartable")
    return `${workerId} cannot start until a person mends what its incident names; it is tried once more now`;
  const leftMs = (cooldowns[cooldownKey(workerId, order.failureType)] ?? 0) - parts.clock.nowMs();
  return leftMs > 0 && !order.isForced ? cooldownSentence(order.failureType, leftMs) : null;
}

export async function trigger(means: Means, order: RecoveryOrder): Promise<RecoveryTriggered> {
  const { parts, supervisor } = means;
  const workerId = order.workerId ?? troubledWorker(means, order.failureType);
  const refusal = refusalOf(means, order, workerId);
  if (refusal !== null) {
    supervisor.send({ type: "workers.startAgain" });
    const { context } = supervisor.getSnapshot();
    return {
      isSuccess: false,
      isPending: false,
      message: refusal,
      incidentId: null,
      isStandingIn: context.mode === "mock",
      isRealGenerationEnabled: isRealGenerationOn(context),
      actions: [],
    };
  }
  const data = { failure_type: order.failureType, forced: order.isForced };
  await parts.store.events.append([{ kind: "recovery.triggered", actor: order.by, workerId, data }]);
  return follow(means, order, workerId);
}
