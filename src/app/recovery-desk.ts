import type { Actor } from "xstate";
import { isoOf } from "../core/clock.ts";
import type { Fault } from "../core/fault.ts";
import { secondMs } from "../core/units.ts";
import type { FailureType } from "../core/words.ts";
import type { supervisorMachine } from "../machines/supervisor.machine.ts";
import type { SupervisorFact } from "../machines/supervisor-types.ts";
import type { HealthView, RecoveryOrder, RecoveryPort, RecoveryReset, RecoveryTriggered } from "../server/server-ports.ts";
import { healthViewOf, readHealth, type StatusParts } from "./service-status.ts";

const resetWaitMs = 10 * secondMs;

function operatorFault(failureType: FailureType): Fault {
  return {
    code: "WORKER_ERROR",
    attribution: "worker",
    failureType,
    confidence: 1,
    decidedBy: "an operator asked",
    message: `An operator asked for the recovery of ${failureType}.`,
    contextPoisoned: false,
    retryable: true,
    operatorAction: null,
    evidence: {},
  };
}

/** Every fact passes here; waiters look at each and are done, or are given up by their own timer. */
export interface FactHub {
  publish(fact: SupervisorFact): void;
  subscribe(listener: (fact: SupervisorFact) => void): () => void;
}

export function createFactHub(): FactHub {
  const listeners = new Set<(fact: SupervisorFact) => void>();
  return {
    publish: (fact) => {
      for (const listener of listeners) listener(fact);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

type Supervisor = Pick<Actor<typeof supervisorMachine>, "send" | "getSnapshot">;
type RungEnded = Extract<SupervisorFact, { type: "rung.ended" }>;

function answerOf(supervisor: Supervisor, incidentId: string | null, rungs: readonly RungEnded[], isPending: boolean): RecoveryTriggered {
  const { mode } = supervisor.getSnapshot().context;
  const effective = rungs.findLast((rung) => rung.result.outcome === "effective");
  const isStandingIn = effective?.result.action === "fallback_to_mock";
  const actions = rungs.map(({ result }) => ({ action: result.action, outcome: result.outcome, reason: result.reason }));
  const hasNothingRun = actions.every(({ outcome }) => outcome === "skipped");
  const common = { isPending, incidentId, isStandingIn, isRealGenerationEnabled: mode === "ready" || mode === "degraded", actions };
  if (isPending) return { ...common, isSuccess: false, message: "Recovery is under way; look at the incident for its end." };
  if (effective !== undefined) return { ...common, isSuccess: true, message: `Recovery successful using ${effective.result.action}` };
  if (hasNothingRun) return { ...common, isSuccess: true, message: "Nothing to repair: test render passed" };
  return { ...common, isSuccess: false, message: `All recovery strategies failed for ${rungs.at(-1)?.failureType ?? "this failure"}` };
}

export function createRecoveryDesk(parts: StatusParts, supervisor: Supervisor, hub: FactHub): RecoveryPort {
  const { clock } = parts;

  const follow = (order: RecoveryOrder, workerId: string): Promise<RecoveryTriggered> =>
    new Promise((resolve) => {
      let incidentId: string | null = null;
      const rungs: RungEnded[] = [];
      const end = (isPending: boolean): void => {
        unsubscribe();
        clock.clearTimer(timer);
        resolve(answerOf(supervisor, incidentId, rungs, isPending));
      };
      const unsubscribe = hub.subscribe((fact) => {
        if (fact.type === "incident.opened" && fact.workerId === workerId) incidentId ??= fact.id;
        if (fact.type === "incident.joined") incidentId ??= fact.id;
        if (fact.type === "rung.ended" && fact.id === incidentId) rungs.push(fact);
        const isOver =
          (fact.type === "incident.closed" || fact.type === "incident.stoodIn" || fact.type === "incident.exhausted") &&
          fact.id === incidentId;
        if (isOver) end(false);
      });
      const timer = clock.setTimer(() => end(true), order.waitMs);
      supervisor.send({
        type: "recovery.trigger",
        failureType: order.failureType,
        isForced: order.isForced,
        workerId,
        fault: operatorFault(order.failureType),
      });
    });

  const leadWorker = (): string => parts.config.workers[0]?.id ?? "";
  return {
    trigger: async (order) => {
      const workerId = leadWorker();
      const { context } = supervisor.getSnapshot();
      const leftMs = (context.cooldowns[`${workerId}/${order.failureType}`] ?? 0) - clock.nowMs();
      if (leftMs > 0 && !order.isForced) {
        const message = `Recovery cooldown active for ${order.failureType} (${Math.ceil(leftMs / secondMs)}s remaining)`;
        return {
          isSuccess: false,
          isPending: false,
          message,
          incidentId: null,
          isStandingIn: context.mode === "mock",
          isRealGenerationEnabled: context.mode === "ready",
          actions: [],
        };
      }
      await parts.store.events.append([
        { kind: "recovery.triggered", actor: order.by, workerId, data: { failure_type: order.failureType, forced: order.isForced } },
      ]);
      return follow(order, workerId);
    },
    reset: async (by): Promise<RecoveryReset> => {
      await parts.store.events.append([{ kind: "recovery.reset", actor: by, data: { at: isoOf(clock.nowMs()) } }]);
      const hadIncidents = Object.keys(supervisor.getSnapshot().context.incidents).length > 0;
      supervisor.send({ type: "recovery.reset" });
      const isReady = (): boolean => supervisor.getSnapshot().context.mode === "ready";
      const untilMs = clock.nowMs() + resetWaitMs;
      while (hadIncidents && !isReady() && clock.nowMs() < untilMs) await clock.sleep(200);
      const probe = isReady() ? "passed" : "running";
      const message = isReady()
        ? "Recovery state has been reset and real generation re-enabled"
        : "Recovery state has been reset; a test render decides whether the main model can serve";
      return { isMockDisabled: supervisor.getSnapshot().context.mode !== "mock", isRealGenerationEnabled: isReady(), probe, message };
    },
    checkHealth: async (): Promise<HealthView> => {
      const before = readHealth(supervisor.getSnapshot())?.measuredAtMs ?? null;
      supervisor.send({ type: "health.check" });
      const untilMs = clock.nowMs() + resetWaitMs;
      while (clock.nowMs() < untilMs && before === null && readHealth(supervisor.getSnapshot())?.measuredAtMs === null)
        await clock.sleep(50);
      const report = readHealth(supervisor.getSnapshot());
      const { mode } = supervisor.getSnapshot().context;
      const isServing = mode === "ready" || mode === "degraded";
      if (report === null) {
        return {
          overallStatus: "error",
          cpuRatio: null,
          memoryRatio: null,
          vramRatio: null,
          isGpuAvailable: false,
          isModelLoadingFunctional: isServing,
          isGenerationPipelineFunctional: isServing,
          issues: ["The health monitor does not run."],
          recommendations: [],
          checkedAtMs: clock.nowMs(),
        };
      }
      return healthViewOf(report, { isProven: isServing, isConnected: isServing });
    },
  };
}
