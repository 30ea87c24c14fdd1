/**
 * Owns the judgement of host and cards: thresholds, issues with recommendations, and which of them become a fault.
 * Life: starting → watching {judging → healthy | warning | critical | blind} → stopped.
 * Survives a sampler that fails, hangs or stops answering: it turns blind, says so and starts it again.
 */
import { type ActorRef, type AnyEventObject, assign, enqueueActions, fromCallback, type Snapshot, setup } from "xstate";
import type { Clock } from "../core/clock.ts";
import type { FaultReport } from "../core/fault.ts";
import type { Sample } from "../core/ports/telemetry-probe.ts";
import { present } from "../core/present.ts";
import { minuteMs, secondMs } from "../core/units.ts";
import type { FaultClass, HealthStatus, MachineTag } from "../core/words.ts";
import { faultOf } from "../recovery/classify.ts";
import {
  defaultHealthThresholds,
  type EnvelopeBytes,
  type GpuExpectation,
  type HealthIssue,
  type HealthReading,
  type HealthReadings,
  type HealthThresholds,
  judgeSample,
  type LevelChange,
  listChanges,
  listIssues,
  overallLevel,
  unknownReadings,
  worstDevice,
} from "../recovery/health.ts";
import { ofHardware } from "../recovery/judge-machine.ts";

export interface HealthMonitorLimits {
  readonly thresholds: HealthThresholds;
  /** How long after its start it begins by itself. */
  readonly startMs: number;
  readonly sampleEveryMs: number;
  /** How often a check is reported when nothing changes. */
  readonly checkEveryMs: number;
  /** Without any sample for this long it sees nothing. */
  readonly overdueMs: number;
  /** Failed samples in a row until it sees nothing. */
  readonly blindFailureCount: number;
  readonly restartSamplerMs: number;
  readonly ringCount: number;
}

export const defaultHealthMonitorLimits: HealthMonitorLimits = {
  thresholds: defaultHealthThresholds,
  startMs: 0,
  sampleEveryMs: 5 * secondMs,
  checkEveryMs: minuteMs,
  overdueMs: 20 * secondMs,
  blindFailureCount: 3,
  restartSamplerMs: 15 * secondMs,
  ringCount: 60,
};

/** What the service knows about its health, with the time of the measurement. */
export interface HealthReport {
  readonly status: HealthStatus;
  readonly sample: Sample | null;
  readonly readings: HealthReadings;
  readonly issues: readonly HealthIssue[];
  /** Null until something was measured. */
  readonly measuredAtMs: number | null;
}

export type HealthMonitorReport =
  | { readonly type: "health.changed"; readonly from: HealthStatus; readonly health: HealthReport }
  | { readonly type: "health.checked"; readonly health: HealthReport }
  | {
      readonly type: "threshold.crossed";
      readonly reading: HealthReading;
      readonly severity: "warning" | "critical";
      readonly value: number | null;
      readonly atMs: number;
    }
  | {
      readonly type: "threshold.left";
      readonly reading: HealthReading;
      readonly severity: "warning" | "critical";
      readonly value: number | null;
      readonly atMs: number;
    }
  /** `isHealthOnly`: measured, not suffered; it never interrupts a job. */
  | { readonly type: "fault.raised"; readonly report: FaultReport; readonly isHealthOnly: true }
  | { readonly type: "standIns.hold" }
  | { readonly type: "standIns.release" };

/** What the sampler sends. */
export type SamplerEvent =
  | { readonly type: "sample.taken"; readonly sample: Sample }
  | { readonly type: "sample.failed"; readonly message: string; readonly atMs: number };

export type HealthMonitorEvent =
  | SamplerEvent
  | { readonly type: "monitor.start" }
  | { readonly type: "monitor.stop" }
  | { readonly type: "health.check" }
  /** Known memory of a worker's running job and resident model on its device; 0 when it holds nothing. */
  | {
      readonly type: "envelope.changed";
      readonly workerId: string;
      readonly deviceUuid: string;
      readonly knownBytes: number;
    };

export interface HealthMonitorInput {
  readonly parent: ActorRef<Snapshot<unknown>, HealthMonitorReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly gpuExpectation: GpuExpectation;
  readonly limits?: Partial<HealthMonitorLimits>;
}

export interface HealthMonitorContext {
  readonly parent: ActorRef<Snapshot<unknown>, HealthMonitorReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly gpuExpectation: GpuExpectation;
  readonly limits: HealthMonitorLimits;
  readonly readings: HealthReadings;
  /** Level changes of the newest sample. */
  readonly changes: readonly LevelChange[];
  /** The newest samples, oldest first. */
  readonly ring: readonly Sample[];
  readonly envelopes: EnvelopeBytes;
  /** Device uuid → worker. */
  readonly deviceWorkers: Readonly<Record<string, string>>;
  readonly failedSampleCount: number;
  readonly status: HealthStatus;
  readonly nextCheckAtMs: number | null;
}

/** Which reading becomes which fault when it is critical. CPU load holds stand-ins back instead; it is nobody's fault. */
const faultClassOf: Partial<Record<HealthReading, FaultClass>> = {
  memory: "hostAllocation",
  disk: "diskFull",
  inodes: "diskFull",
  vram: "outOfMemoryNeighbour",
  temperature: "thermal",
  gpuPresence: "gpuLost",
};

/** What a snapshot of this machine says about health: for pages and the API. */
export function healthReportOf(context: HealthMonitorContext): HealthReport {
  const sample = context.ring.at(-1) ?? null;
  const { status, readings } = context;
  return { status, sample, readings, issues: listIssues(readings), measuredAtMs: sample?.atMs ?? null };
}

function faultReportOf(context: HealthMonitorContext, change: LevelChange, faultClass: FaultClass): FaultReport {
  const message =
    listIssues(context.readings).find((issue) => issue.reading === change.reading)?.message ?? change.reading;
  const deviceUuid = worstDevice(change.reading, context.ring.at(-1)?.gpus ?? [], context.envelopes);
  const workerId =
    (deviceUuid === null ? undefined : context.deviceWorkers[deviceUuid]) ??
    Object.values(context.deviceWorkers)[0] ??
    "host";
  const gpu = change.reading === "gpuPresence" ? context.ring.at(-1)?.gpuStatus?.evidence : undefined;
  const evidence = { message, ...present({ gpu }) };
  const fault = faultOf(ofHardware(evidence) ?? { faultClass, confidence: 0.7, decidedBy: message }, evidence);
  // Measured from outside: the context of the device may well be sound.
  return {
    fault: { ...fault, contextPoisoned: false },
    workerId,
    model: null,
    jobId: null,
    atMs: context.clock.nowMs(),
  };
}

export const healthMonitorMachine = setup({
  types: {
    context: {} as HealthMonitorContext,
    events: {} as HealthMonitorEvent,
    input: {} as HealthMonitorInput,
    output: {} as { readonly status: HealthStatus },
    tags: {} as MachineTag,
  },
  actors: {
    /** Measures at once and then every `everyMs`; sends sample.taken or sample.failed. */
    takeSamples: fromCallback<AnyEventObject, { readonly everyMs: number }>(() => {
      throw new Error("takeSamples was not provided");
    }),
  },
  guards: {
    isBlind: ({ context }) => context.failedSampleCount >= context.limits.blindFailureCount,
    isCritical: ({ context }) => overallLevel(context.readings) === "critical",
    isWarning: ({ context }) => overallLevel(context.readings) === "warning",
    isHealthy: ({ context }) => overallLevel(context.readings) === "healthy",
  },
  actions: {
    judge: assign(({ context }, { sample }: { sample: Sample }) => {
      const { readings, envelopes, gpuExpectation, limits } = context;
      const judged = judgeSample({ readings, sample, envelopes, gpuExpectation, thresholds: limits.thresholds });
      return {
        readings: judged,
        changes: listChanges(readings, judged),
        ring: [...context.ring, sample].slice(-limits.ringCount),
        failedSampleCount: 0,
      };
    }),
    reportChanges: enqueueActions(({ context, enqueue }) => {
      const atMs = context.clock.nowMs();
      for (const change of context.changes) {
        const { value } = context.readings[change.reading];
        const { reading, from, to } = change;
        const isRise = (level: string): level is "warning" | "critical" => level === "warning" || level === "critical";
        if (isRise(from) && to !== "critical")
          enqueue.sendTo(context.parent, { type: "threshold.left", reading, severity: from, value, atMs });
        if (isRise(to) && from !== "critical")
          enqueue.sendTo(context.parent, { type: "threshold.crossed", reading, severity: to, value, atMs });
        const faultClass = faultClassOf[reading];
        if (to === "critical" && faultClass !== undefined) {
          enqueue.sendTo(context.parent, {
            type: "fault.raised",
            report: faultReportOf(context, change, faultClass),
            isHealthOnly: true,
          });
        }
        if (reading === "cpu" && to === "critical") enqueue.sendTo(context.parent, { type: "standIns.hold" });
        if (reading === "cpu" && from === "critical") enqueue.sendTo(context.parent, { type: "standIns.release" });
      }
    }),
    countFailedSample: assign({
      failedSampleCount: ({ context }) => Math.min(context.failedSampleCount + 1, context.limits.blindFailureCount),
    }),
    giveUpSampling: assign({ failedSampleCount: ({ context }) => context.limits.blindFailureCount }),
    /** What was measured long ago is not known now. */
    forgetReadings: assign({ readings: unknownReadings, changes: [] }),
    noteEnvelope: assign(({ context }, params: { deviceUuid: string; workerId: string; knownBytes: number }) => ({
      envelopes: { ...context.envelopes, [params.deviceUuid]: params.knownBytes },
      deviceWorkers: { ...context.deviceWorkers, [params.deviceUuid]: params.workerId },
    })),
    changeStatus: enqueueActions(({ context, enqueue }, { status }: { status: HealthStatus }) => {
      if (context.status === status) return;
      enqueue.assign({ status });
      enqueue.sendTo(context.parent, {
        type: "health.changed",
        from: context.status,
        health: { ...healthReportOf(context), status },
      });
    }),
    releaseStandIns: enqueueActions(({ context, enqueue }) => {
      if (context.readings.cpu.level === "critical") enqueue.sendTo(context.parent, { type: "standIns.release" });
    }),
    reportDueCheck: enqueueActions(({ context, enqueue }) => {
      const nowMs = context.clock.nowMs();
      if (context.nextCheckAtMs !== null && nowMs < context.nextCheckAtMs) return;
      enqueue.assign({ nextCheckAtMs: nowMs + context.limits.checkEveryMs });
      enqueue.sendTo(context.parent, { type: "health.checked", health: healthReportOf(context) });
    }),
    reportCheck: enqueueActions(({ context, enqueue }) => {
      enqueue.sendTo(context.parent, { type: "health.checked", health: healthReportOf(context) });
    }),
  },
  delays: {
    startMs: ({ context }) => context.limits.startMs,
    overdueMs: ({ context }) => context.limits.overdueMs,
    restartSamplerMs: ({ context }) => context.limits.restartSamplerMs,
  },
}).createMachine({
  id: "healthMonitor",
  context: ({ input }) => ({
    parent: input.parent,
    clock: input.clock,
    gpuExpectation: input.gpuExpectation,
    limits: { ...defaultHealthMonitorLimits, ...input.limits },
    readings: unknownReadings,
    changes: [],
    ring: [],
    envelopes: {},
    deviceWorkers: {},
    failedSampleCount: 0,
    status: "unknown",
    nextCheckAtMs: null,
  }),
  initial: "starting",
  output: ({ context }) => ({ status: context.status }),
  on: {
    "monitor.stop": { target: ".stopped" },
    "envelope.changed": { actions: { type: "noteEnvelope", params: ({ event }) => event } },
    "health.check": { actions: "reportCheck" },
  },
  states: {
    starting: {
      description: "Nothing was measured yet, so nothing is said about health.",
      tags: ["loading"],
      on: { "monitor.start": { target: "watching" } },
      after: { startMs: { target: "watching" } },
    },
    watching: {
      description: "Host and cards are measured every few seconds and judged against their thresholds.",
      initial: "judging",
      invoke: {
        src: "takeSamples",
        input: ({ context }) => ({ everyMs: context.limits.sampleEveryMs }),
        onError: { target: ".blind", actions: "giveUpSampling" },
      },
      on: {
        "sample.taken": {
          target: ".judging",
          actions: [{ type: "judge", params: ({ event }) => ({ sample: event.sample }) }, "reportChanges"],
        },
        "sample.failed": { target: ".judging", actions: "countFailedSample" },
      },
      states: {
        judging: {
          description: "Waits for enough samples to say something.",
          tags: ["loading"],
          always: [
            { guard: "isBlind", target: "blind" },
            { guard: "isCritical", target: "critical" },
            { guard: "isWarning", target: "warning" },
            { guard: "isHealthy", target: "healthy" },
          ],
          after: { overdueMs: { target: "blind" } },
        },
        healthy: {
          description: "Everything that is measured is within its limits.",
          tags: ["servable"],
          entry: [{ type: "changeStatus", params: { status: "healthy" } }, "reportDueCheck"],
          after: { overdueMs: { target: "blind" } },
        },
        warning: {
          description: "A limit is near; the service goes on and says what to do.",
          tags: ["servable", "degraded"],
          entry: [{ type: "changeStatus", params: { status: "degraded" } }, "reportDueCheck"],
          after: { overdueMs: { target: "blind" } },
        },
        critical: {
          description: "A limit is crossed; an incident between jobs tries to repair it.",
          tags: ["degraded"],
          entry: [{ type: "changeStatus", params: { status: "critical" } }, "reportDueCheck"],
          after: { overdueMs: { target: "blind" } },
        },
        blind: {
          description: "Nothing can be measured; what was measured before is not shown as health.",
          tags: ["degraded"],
          entry: ["releaseStandIns", "forgetReadings", { type: "changeStatus", params: { status: "error" } }],
          after: { restartSamplerMs: { target: "#healthMonitor.starting" } },
        },
      },
    },
    stopped: {
      description: "The monitor was stopped with the service.",
      type: "final",
      entry: "releaseStandIns",
    },
  },
});
