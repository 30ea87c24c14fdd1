/**
 * Recovery as operators ask for it: trigger, reset, health. A trigger waits a while for its incident, so that the
 * answer tells what was tried and proven instead of "started".
 */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Store } from "../../core/ports/event-log.ts";
import { secondMs } from "../../core/units.ts";
import type { FailureType } from "../../core/words.ts";
import { cooldownKey } from "../../machines/supervisor-incidents.ts";
import type { SupervisorFact } from "../../machines/supervisor-types.ts";
import type { Supervisor as WholeSupervisor } from "../../machines/supervisor-view.ts";
import type {
  HealthView,
  RecoveryOrder,
  RecoveryPort,
  RecoveryReset,
  RecoveryTriggered,
} from "../../server/server-ports.ts";
import type { Logger } from "../../telemetry/logger.ts";

const answerWithinMs = 10 * secondMs;
/** So long a trigger waits for the job in its worker's hand before it says that it is queued behind it. */
const phaseEndMs = 30 * secondMs;

/** Every fact passes here; waiters look at each and are done, or are given up by their own timer. */
export interface FactHub {
  publish(fact: SupervisorFact): void;
  subscribe(listener: (fact: SupervisorFact) => void): () => void;
}

/** A listener that fails holds up neither the others nor the record. */
export function createFactHub(logger: Pick<Logger, "error">): FactHub {
  const listeners = new Set<(fact: SupervisorFact) => void>();
  const tell = (listener: (fact: SupervisorFact) => void, fact: SupervisorFact): void => {
    try {
      listener(fact);
    } catch (thrown) {
      logger.error({ event: "fact.notTold", fact: fact.type, message: messageOf(thrown) });
    }
  };
  return {
    publish: (fact) => {
      for (const listener of listeners) tell(listener, fact);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

type Supervisor = Pick<WholeSupervisor, "send" | "getSnapshot">;

/** What the health monitor knows, as others may show it. */
export interface HealthReader {
  isMonitored(): boolean;
  /** When it last measured; null before that, or without a monitor. */
  measuredAtMs(): number | null;
  /** Health as the monitor last judged it; null without a monitor. */
  view(isServing: boolean): HealthView | null;
}

export interface RecoveryNeeds {
  readonly clock: Clock;
  readonly store: Pick<Store, "events">;
  readonly config: Pick<Config, "workers">;
  readonly health: HealthReader;
  /** Models that were set aside are tried again by the next job that wants them. */
  readonly unavailableModels: { retryAll(): void };
}

type RungEnded = Extract<SupervisorFact, { type: "rung.ended" }>;

function answerOf(
  supervisor: Supervisor,
  incidentId: string | null,
  rungs: readonly RungEnded[],
  isPending: boolean,
): RecoveryTriggered {
  const { mode } = supervisor.getSnapshot().context;
  const effective = rungs.findLast((rung) => rung.result.outcome === "effective");
  const isStandingIn = effective?.result.action === "fallback_to_mock";
  const actions = rungs.map(({ result }) => ({
    action: result.action,
    outcome: result.outcome,
    reason: result.reason,
  }));
  const hasNothingRun = actions.every(({ outcome }) => outcome === "skipped");
  const common = {
    isPending,
    incidentId,
    isStandingIn,
    isRealGenerationEnabled: mode === "ready" || mode === "degraded",
    actions,
  };
  const jobInHand = behindJob(supervisor, incidentId);
  if (isPending && jobInHand !== null)
    return { ...common, isSuccess: false, message: `Recovery queued behind job ${jobInHand}` };
  if (isPending)
    return { ...common, isSuccess: false, message: "Recovery is under way; look at the incident for its end." };
  if (effective !== undefined)
    return { ...common, isSuccess: true, message: `Recovery successful using ${effective.result.action}` };
  if (hasNothingRun) return { ...common, isSuccess: true, message: "Nothing to repair: test render passed" };
  return {
    ...common,
    isSuccess: false,
    message: `All recovery strategies failed for ${rungs.at(-1)?.failureType ?? "this failure"}`,
  };
}

/** The job that a trigger waits for: nothing is asked of a worker that renders. */
function behindJob(supervisor: Supervisor, incidentId: string | null): string | null {
  const { incidents, workers } = supervisor.getSnapshot().context;
  const incident = incidentId === null ? undefined : incidents[incidentId];
  return incident?.stage === "checking" ? (workers[incident.workerId]?.jobId ?? null) : null;
}

interface Means {
  readonly parts: RecoveryNeeds;
  readonly supervisor: Supervisor;
  readonly hub: FactHub;
}

/** Sends the trigger and listens until its incident is over, or until the caller's patience is. */
function follow({ parts, supervisor, hub }: Means, order: RecoveryOrder, workerId: string): Promise<RecoveryTriggered> {
  return new Promise((resolve) => {
    let incidentId: string | null = null;
    const rungs: RungEnded[] = [];
    const end = (isPending: boolean): void => {
      unsubscribe();
      for (const timer of timers) parts.clock.clearTimer(timer);
      resolve(answerOf(supervisor, incidentId, rungs, isPending));
    };
    const unsubscribe = hub.subscribe((fact) => {
      if (fact.type === "incident.opened" && fact.workerId === workerId) incidentId ??= fact.id;
      if (fact.type === "incident.joined") incidentId ??= fact.id;
      if (fact.type === "rung.ended" && fact.id === incidentId) rungs.push(fact);
      const isEnd =
        fact.type === "incident.closed" || fact.type === "incident.stoodIn" || fact.type === "incident.exhausted";
      if (isEnd && fact.id === incidentId) end(false);
    });
    const endIfQueued = (): void => {
      if (behindJob(supervisor, incidentId) !== null) end(true);
    };
    const timers = [parts.clock.setTimer(() => end(true), order.waitMs), parts.clock.setTimer(endIfQueued, phaseEndMs)];
    const { failureType, isForced } = order;
    supervisor.send({ type: "recovery.trigger", failureType, isForced, workerId });
  });
}

/** Whom a trigger is about when it names nobody: the worker that has this trouble, or any, and else the first one. */
function troubledWorker({ parts, supervisor }: Means, failureType: FailureType): string {
  const open = Object.values(supervisor.getSnapshot().context.incidents).filter(({ stage }) => stage !== "setAside");
  const incident = open.find((candidate) => candidate.failureType === failureType) ?? open[0];
  return incident?.workerId ?? parts.config.workers[0]?.id ?? "";
}

async function trigger(means: Means, order: RecoveryOrder): Promise<RecoveryTriggered> {
  const { parts, supervisor } = means;
  const workerId = order.workerId ?? troubledWorker(means, order.failureType);
  const { cooldowns, mode } = supervisor.getSnapshot().context;
  const leftMs = (cooldowns[cooldownKey(workerId, order.failureType)] ?? 0) - parts.clock.nowMs();
  if (leftMs > 0 && !order.isForced) {
    return {
      isSuccess: false,
      isPending: false,
      message: `Recovery cooldown active for ${order.failureType} (${Math.ceil(leftMs / secondMs)}s remaining)`,
      incidentId: null,
      isStandingIn: mode === "mock",
      isRealGenerationEnabled: mode === "ready",
      actions: [],
    };
  }
  const data = { failure_type: order.failureType, forced: order.isForced };
  await parts.store.events.append([{ kind: "recovery.triggered", actor: order.by, workerId, data }]);
  return follow(means, order, workerId);
}

async function reset({ parts, supervisor }: Means, by: string): Promise<RecoveryReset> {
  await parts.store.events.append([{ kind: "recovery.reset", actor: by, data: {} }]);
  const modeNow = (): string => supervisor.getSnapshot().context.mode;
  const hadIncidents = Object.keys(supervisor.getSnapshot().context.incidents).length > 0;
  parts.unavailableModels.retryAll();
  supervisor.send({ type: "recovery.reset" });
  supervisor.send({ type: "jobs.becameAvailable" });
  const untilMs = parts.clock.nowMs() + answerWithinMs;
  while (hadIncidents && modeNow() !== "ready" && parts.clock.nowMs() < untilMs) await parts.clock.sleep(200);
  const isReady = modeNow() === "ready";
  return {
    isMockDisabled: modeNow() !== "mock",
    isRealGenerationEnabled: isReady,
    probe: isReady ? "passed" : "running",
    message: isReady
      ? "Recovery state has been reset and real generation re-enabled"
      : "Recovery state has been reset; a test render decides whether the main model can serve",
  };
}

async function checkHealth({ parts, supervisor }: Means): Promise<HealthView> {
  const { clock, health } = parts;
  supervisor.send({ type: "health.check" });
  const untilMs = clock.nowMs() + answerWithinMs;
  while (health.measuredAtMs() === null && clock.nowMs() < untilMs) await clock.sleep(50);
  const { mode } = supervisor.getSnapshot().context;
  const isServing = mode === "ready" || mode === "degraded";
  const view = health.view(isServing);
  if (view !== null) return view;
  return {
    overallStatus: "error",
    cpuRatio: null,
    memoryRatio: null,
    vramRatio: null,
    isGpuAvailable: false,
    isModelLoadingFunctional: isServing,
    isGenerationPipelineFunctional: isServing,
    issues: ["The health monitor does not run."],
    recommendations: ["Restart the service."],
    checkedAtMs: clock.nowMs(),
  };
}

/**
 * Turns the monitor on or off. The operator's act is written first, and the next start of the service measures again
 * in any case.
 */
async function setMonitoring({ parts, supervisor }: Means, isOn: boolean, by: string): Promise<boolean> {
  if (parts.health.isMonitored() === isOn) return false;
  await parts.store.events.append([{ kind: isOn ? "monitoring.started" : "monitoring.stopped", actor: by, data: {} }]);
  supervisor.send({ type: isOn ? "monitor.start" : "monitor.stop" });
  return true;
}

export function createRecoveryOperations(parts: RecoveryNeeds, supervisor: Supervisor, hub: FactHub): RecoveryPort {
  const means: Means = { parts, supervisor, hub };
  return {
    trigger: (order) => trigger(means, order),
    reset: (by) => reset(means, by),
    checkHealth: () => checkHealth(means),
    setMonitoring: (isOn, by) => setMonitoring(means, isOn, by),
  };
}
