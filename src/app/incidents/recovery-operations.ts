/** Recovery as operators ask for it: trigger, reset, health, and whether health is watched. */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { Store } from "../../core/ports/event-log.ts";
import { secondMs } from "../../core/units.ts";
import type { OpenIncident } from "../../machines/supervisor-facts.ts";
import type { SupervisorContext } from "../../machines/supervisor-types.ts";
import type { Supervisor as WholeSupervisor } from "../../machines/supervisor-view.ts";
import type { HealthView, RecoveryPort, RecoveryReset } from "../../server/server-ports.ts";
import type { FactHub } from "./fact-hub.ts";
import { isRealGenerationOn, trigger } from "./trigger.ts";
import { stopSentence } from "./trigger-answer.ts";

/** Callers are promised an answer within ten seconds; what is written before and after takes its part of them. */
const answerWithinMs = 9 * secondMs;
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

interface Means {
  readonly parts: RecoveryNeeds;
  readonly supervisor: Supervisor;
  readonly hub: FactHub;
}

/** Every incident that is open has had its look since the reset, and waits again. */
const haveAllFailed = ({ incidents }: SupervisorContext, failed: ReadonlySet<string>): boolean => {
  const open = Object.values(incidents).filter(({ stage }) => stage !== "setAside");
  const isWaiting = ({ id, stage }: OpenIncident): boolean =>
    failed.has(id) && (stage === "standingIn" || stage === "exhausted");
  return open.length > 0 && open.every(isWaiting);
};

/** Nothing will be tried while things are so, however long anybody waits; null where something is. */
function quietReasonOf({ mode, workers, pause }: SupervisorContext): string | null {
  if (mode === "draining") return stopSentence;
  const isResting = Object.values(workers).every(({ process }) => process === "resting");
  return isResting && pause !== null ? "The workers rest until the service is resumed" : null;
}

async function reset({ parts, supervisor, hub }: Means, by: string): Promise<RecoveryReset> {
  const untilMs = parts.clock.nowMs() + answerWithinMs;
  await parts.store.events.append([{ kind: "recovery.reset", actor: by, data: {} }]);
  const contextNow = (): SupervisorContext => supervisor.getSnapshot().context;
  const failed = new Set<string>();
  const unsubscribe = hub.subscribe((fact) => {
    if (fact.type === "canary.failed") failed.add(fact.id);
  });
  parts.unavailableModels.retryAll();
  supervisor.send({ type: "recovery.reset" });
  supervisor.send({ type: "jobs.becameAvailable" });
  const isDecided = (): boolean =>
    isRealGenerationOn(contextNow()) || haveAllFailed(contextNow(), failed) || quietReasonOf(contextNow()) !== null;
  while (!isDecided() && parts.clock.nowMs() < untilMs) await parts.clock.sleep(200);
  unsubscribe();
  const isOn = isRealGenerationOn(contextNow());
  const quietReason = quietReasonOf(contextNow());
  const hasFailed = haveAllFailed(contextNow(), failed);
  const otherwise = hasFailed
    ? "a test render failed, and the main model is looked at again by itself"
    : "a test render decides whether the main model can serve";
  const message = isOn
    ? "Recovery state has been reset and real generation re-enabled"
    : `Recovery state has been reset; ${otherwise}`;
  return {
    isMockDisabled: contextNow().mode !== "mock",
    isRealGenerationEnabled: isOn,
    probe: isOn ? "passed" : quietReason !== null ? "none" : hasFailed ? "failed" : "running",
    message: quietReason ?? message,
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
