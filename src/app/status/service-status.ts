/**
 * The service in the words of its users: mode, one sentence on what a submission gets, health, workers. Health that
 * nobody measured is shown as unknown.
 */
import type { Config } from "../../config/schema.ts";
import type { MemoryModeView } from "../../contract/service-views.ts";
import type { Clock } from "../../core/clock.ts";
import type { JobProgress } from "../../core/job.ts";
import { formatBytes, minuteMs } from "../../core/units.ts";
import type { ClosedDoor } from "../../core/words.ts";
import type { HealthReport } from "../../machines/health-monitor-types.ts";
import { envelopesOf, type OpenIncident } from "../../machines/supervisor-facts.ts";
import {
  healthOf,
  isHealthMonitored,
  type SupervisorSnapshot,
  workerStandingOf,
} from "../../machines/supervisor-view.ts";
import { cardRatioOf, judgeSample, unknownReadings } from "../../recovery/health.ts";
import { actedOnConfidence } from "../../recovery/leak.ts";
import type { VideoPromise } from "../../recovery/promise.ts";
import { recoveryStatistics } from "../../recovery/statistics.ts";
import type {
  HealthView,
  RecoveryAttemptView,
  ServiceStatus,
  UnreadyReason,
  WorkerStatus,
} from "../../server/server-ports.ts";
import { pathOfValue } from "../../telemetry/transitions.ts";
import type { LedgerEntry, RecoveryLedger } from "../incidents/recovery-ledger.ts";
import type { HealthReader } from "../incidents/recovery-operations.ts";
import type { LeakWatch } from "../workers/leak-watch.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";
import { incidentSentence, unstartableIssues } from "./incident-sentences.ts";

interface HealthNeeds {
  readonly config: Pick<Config, "workers">;
  readonly leaks: Pick<LeakWatch, "trendOf">;
  readonly clock: Pick<Clock, "nowMs">;
  readonly promises: { isServing(): boolean };
}

/** What a leak will cost and when, for people; nothing while the trend is not clear. */
function leakIssues({ config, leaks, clock }: HealthNeeds): string[] {
  return config.workers.flatMap(({ id }) => {
    const trend = leaks.trendOf(id);
    if (trend === null || trend.jobsLeft === null || trend.limitAtMs === null || trend.confidence < actedOnConfidence)
      return [];
    const minutes = Math.max(1, Math.round((trend.limitAtMs - clock.nowMs()) / minuteMs));
    return [
      `${id} keeps about ${formatBytes(trend.bytesPerJob)} of every job: limit in about ${trend.jobsLeft} jobs (${minutes} min).`,
    ];
  });
}

const unwatchedSentence = "Host and cards are not measured: the monitoring was stopped.";

export interface HealthAbout {
  readonly isMonitored: boolean;
  readonly isProven: boolean;
  readonly isConnected: boolean;
  readonly incidents: readonly OpenIncident[];
  readonly parts: HealthNeeds;
}

export function healthViewOf(report: HealthReport, context: HealthAbout): HealthView {
  const { readings, sample } = report;
  const leaking = leakIssues(context.parts);
  const checkedAtMs = report.measuredAtMs ?? 0;
  const { gpuPresence } = readings;
  const unstartable = unstartableIssues(context.incidents);
  return {
    // Host and card may be well: without its worker nothing is rendered on them.
    overallStatus: unstartable.length > 0 && report.status === "healthy" ? "degraded" : report.status,
    cpuRatio: readings.cpu.value,
    memoryRatio: readings.memory.value,
    vramRatio: readings.vram.value === null || sample === null ? null : cardRatioOf(sample),
    vramOutsideRatio: readings.vram.value,
    isGpuAvailable:
      (sample?.gpus.length ?? 0) > 0 && gpuPresence.level !== "unknown" && gpuPresence.level !== "critical",
    isModelLoadingFunctional: context.isProven,
    isGenerationPipelineFunctional: context.isConnected && context.isProven,
    issues: [
      ...(context.isMonitored ? [] : [unwatchedSentence]),
      ...report.issues.map((issue) => issue.message),
      ...unstartable.map(({ issue }) => issue),
      ...leaking,
    ],
    recommendations: [
      ...(context.isMonitored ? [] : ["Start the monitoring again."]),
      ...report.issues.map((issue) => issue.recommendation),
      ...unstartable.map(({ recommendation }) => recommendation),
      ...leaking.map(() => "Nothing to do: the worker is started anew between two jobs, before that."),
    ],
    checkedAtMs,
    ageMs: Math.max(0, context.parts.clock.nowMs() - checkedAtMs),
  };
}

export function attemptViewOf(entry: LedgerEntry): RecoveryAttemptView {
  const { failureType, workerId, incidentId, result } = entry;
  return { failureType, workerId, incidentId, ...result };
}

export interface StatusNeeds extends HealthNeeds {
  readonly config: Pick<Config, "workers" | "lead">;
  readonly ledger: Pick<RecoveryLedger, "list">;
  readonly links: Pick<WorkerLinks, "get">;
  readonly profileOf: (workerId: string) => MemoryModeView | null;
  readonly progress: { list(): readonly JobProgress[] };
  readonly promises: {
    ofSubmission(): VideoPromise;
    sentenceOf(promise: VideoPromise, subject: string): string;
    isServing(): boolean;
    door(): ClosedDoor | null;
  };
  readonly startedAtMs: number;
  readonly version: string;
}

function workerStatus(parts: StatusNeeds, snapshot: SupervisorSnapshot, workerId: string): WorkerStatus {
  const link = parts.links.get(workerId);
  const standing = workerStandingOf(snapshot, workerId);
  const startsAtMs = snapshot.context.workers[workerId]?.startsAtMs ?? null;
  return {
    id: workerId,
    pid: link?.ref.pid ?? null,
    state: standing === null ? "down" : pathOfValue(standing.value),
    tags: standing?.tags ?? [],
    kind: link?.client.identity.kind ?? parts.config.workers.find(({ id }) => id === workerId)?.kind ?? "unknown",
    startsAtMs: startsAtMs !== null && startsAtMs > parts.clock.nowMs() ? startsAtMs : null,
    memoryMode: parts.profileOf(workerId),
  };
}

const closedDoors: Readonly<Record<ClosedDoor, UnreadyReason>> = {
  stopping: { code: "DRAINING", message: "The service is stopping." },
  diskFull: { code: "DISK_FULL", message: "The state directory's disk is below its floor." },
  drained: { code: "INTAKE_DRAINED", message: "An operator has drained the intake." },
};

function healthAboutOf(parts: ServingNeeds, snapshot: SupervisorSnapshot): HealthAbout {
  const workers = Object.values(snapshot.context.workers);
  return {
    isMonitored: isHealthMonitored(snapshot),
    isProven: parts.promises.isServing(),
    isConnected: workers.some(({ process }) => process === "connected"),
    incidents: Object.values(snapshot.context.incidents),
    parts,
  };
}

interface ServingNeeds extends HealthNeeds {
  readonly promises: { isServing(): boolean };
}

export interface HealthReaderNeeds extends ServingNeeds {
  readonly config: Pick<Config, "workers" | "health">;
}

/** What the monitor knows, for those who ask for health alone; and what a measurement shows while nobody watches. */
export const createHealthReader = (parts: HealthReaderNeeds, snapshot: () => SupervisorSnapshot): HealthReader => ({
  isMonitored: () => isHealthMonitored(snapshot()),
  measuredAtMs: () => healthOf(snapshot())?.measuredAtMs ?? null,
  view: () => {
    const report = healthOf(snapshot());
    return report === null ? null : healthViewOf(report, healthAboutOf(parts, snapshot()));
  },
  viewOf: (sample) => {
    const now = snapshot();
    const { workers, gpuExpectation } = now.context;
    const { thresholds } = parts.config.health;
    const envelopes = envelopesOf(workers);
    const readings = judgeSample({ readings: unknownReadings, sample, envelopes, gpuExpectation, thresholds });
    // One measurement says how things are, and nothing of whether they stay so: nobody judges it as health.
    const report = { status: "unknown", sample, readings, issues: [], measuredAtMs: sample.atMs } as const;
    return healthViewOf(report, healthAboutOf(parts, now));
  },
});

/** A cheap read of the machines' snapshots. */
export function statusOf(parts: StatusNeeds, snapshot: SupervisorSnapshot): ServiceStatus {
  const { context } = snapshot;
  const promise = parts.promises.ofSubmission();
  const door = parts.promises.door();
  const report = healthOf(snapshot);
  const entries = parts.ledger.list();
  const workers = context.configured.map(({ id }) => workerStatus(parts, snapshot, id));
  const isLean = workers.some(({ memoryMode }) => memoryMode?.isLean === true);
  const isSimulated = parts.config.workers.every((worker) => worker.kind === "simulator");
  return {
    mode: context.mode,
    sentence: parts.promises.sentenceOf(promise, "A video submitted now"),
    promise,
    isSimulated,
    model: parts.config.lead,
    startedAtMs: parts.startedAtMs,
    version: parts.version,
    workers,
    health:
      report === null || report.measuredAtMs === null ? null : healthViewOf(report, healthAboutOf(parts, snapshot)),
    isHealthMonitored: isHealthMonitored(snapshot),
    recoveryStatistics: recoveryStatistics(entries.map(({ failureType, result }) => ({ failureType, rung: result }))),
    recoveryAttempts: entries.slice(-50).toReversed().map(attemptViewOf),
    openIncidents: Object.values(context.incidents)
      .map((incident) => ({
        id: incident.id,
        failureType: incident.failureType,
        workerId: incident.workerId,
        openedAtMs: incident.openedAtMs,
        sentence: incidentSentence(incident, context.workers[incident.workerId], parts.clock.nowMs()),
      }))
      .toReversed(),
    isMockEnabled: context.mode === "mock",
    isDegradedActive: context.mode === "degraded" || context.mode === "recovering" || context.mode === "mock" || isLean,
    running: parts.progress.list(),
    unreadyReason: door === null ? null : closedDoors[door],
  };
}
