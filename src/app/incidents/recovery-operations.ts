/** Recovery as operators ask for it: trigger, reset, health, and whether health is watched. */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import { UnderstudyError } from "../../core/errors.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { Sample, TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
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
  view(): HealthView | null;
  /** What one measurement shows; nothing is called healthy by it. */
  viewOf(sample: Sample): HealthView;
}

export interface RecoveryNeeds {
  readonly clock: Clock;
  readonly store: Pick<Store, "events">;
  readonly config: Pick<Config, "workers">;
  readonly health: HealthReader;
  readonly probe: Pick<TelemetryProbe, "measure">;
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

/** An answer may show what was measured so shortly before it was asked for. */
const freshMs = 2 * secondMs;
const measureWithinMs = 5 * secondMs;

function failedCheck({ clock, health }: RecoveryNeeds, isServing: boolean): HealthView {
  const checkedAtMs = health.measuredAtMs() ?? clock.nowMs();
  return {
    overallStatus: "error",
    cpuRatio: null,
    memoryRatio: null,
    vramRatio: null,
    vramOutsideRatio: null,
    isGpuAvailable: false,
    isModelLoadingFunctional: isServing,
    isGenerationPipelineFunctional: isServing,
    issues: ["Host and cards could not be measured."],
    recommendations: ["Look into the service's log for what refused the measurement."],
    checkedAtMs,
    ageMs: Math.max(0, clock.nowMs() - checkedAtMs),
  };
}

/** While nobody watches, the answer is a measurement of now and no judgement. */
async function measureUnwatched({ probe, health }: RecoveryNeeds): Promise<HealthView | null> {
  try {
    return health.viewOf(await probe.measure({ maxAgeMs: 0 }));
  } catch (thrown) {
    if (!(thrown instanceof UnderstudyError)) throw thrown;
    return null;
  }
}

async function checkHealth({ parts, supervisor }: Means): Promise<HealthView> {
  const { clock, health } = parts;
  const isServing = isRealGenerationOn(supervisor.getSnapshot().context);
  const untilMs = clock.nowMs() + measureWithinMs;
  const oldestMs = clock.nowMs() - freshMs;
  const isDone = (): boolean =>
    !health.isMonitored() || (health.measuredAtMs() ?? Number.NEGATIVE_INFINITY) >= oldestMs;
  if (!isDone()) supervisor.send({ type: "health.check" });
  while (!isDone() && clock.nowMs() < untilMs) await clock.sleep(50);
  const view = health.isMonitored() ? health.view() : await measureUnwatched(parts);
  return view ?? failedCheck(parts, isServing);
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
