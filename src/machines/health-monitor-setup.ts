/** Everything that the health monitor's chart names: guards, actions, delays, and the sampler that src/app provides. */
import { type AnyEventObject, assign, enqueueActions, sendTo, setup } from "xstate";
import type { Sample } from "../core/ports/telemetry-probe.ts";
import type { HealthStatus, MachineTag } from "../core/words.ts";
import {
  type HealthReadings,
  judgeSample,
  listChanges,
  listIssues,
  overallLevel,
  unknownReadings,
} from "../recovery/health.ts";
import {
  defaultHealthMonitorLimits,
  type HealthMonitorContext,
  type HealthMonitorEvent,
  type HealthMonitorInput,
} from "./health-monitor-types.ts";
import { faultClassOf, faultReportOf, healthReportOf } from "./health-report.ts";
import { callbackOf } from "./not-provided.ts";

/** The sampler among the monitor's children. */
export const samplerId = "sampler";

/** Which thresholds are crossed now: the same text as long as none is crossed or left. */
const issueKeysOf = (readings: HealthReadings): string =>
  listIssues(readings)
    .map(({ reading, severity }) => `${reading} ${severity}`)
    .join(", ");

export const healthMonitorSetup = setup({
  types: {
    context: {} as HealthMonitorContext,
    events: {} as HealthMonitorEvent,
    input: {} as HealthMonitorInput,
    output: {} as { readonly status: HealthStatus },
    tags: {} as MachineTag,
  },
  actors: {
    /** Measures at once, then every `everyMs` and when it is asked to; sends sample.taken or sample.failed. */
    takeSamples: callbackOf<AnyEventObject, { readonly everyMs: number }>("takeSamples"),
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
        if (reading === "cpu" && to === "critical") enqueue.sendTo(context.parent, { type: "processor.ranShort" });
        if (reading === "cpu" && from === "critical") enqueue.sendTo(context.parent, { type: "processor.sufficed" });
      }
    }),
    countFailedSample: assign({
      failedSampleCount: ({ context }) => Math.min(context.failedSampleCount + 1, context.limits.blindFailureCount),
    }),
    giveUpSampling: assign({ failedSampleCount: ({ context }) => context.limits.blindFailureCount }),
    /** What was measured long ago is not known now. */
    forgetReadings: assign({ readings: unknownReadings, changes: [] }),
    /** The sample that is asked for is reported, whether it changes anything or not. */
    askForSample: assign({ nextCheckAtMs: null }),
    measureNow: sendTo(samplerId, { type: "sample.wanted" }),
    noteEnvelope: assign(({ context }, params: { deviceUuid: string; workerId: string; knownBytes: number }) => ({
      envelopes: { ...context.envelopes, [params.deviceUuid]: params.knownBytes },
      deviceWorkers: { ...context.deviceWorkers, [params.deviceUuid]: params.workerId },
    })),
    /** A further threshold that is crossed, or left, is told like the first one, also where the status stays. */
    changeStatus: enqueueActions(({ context, enqueue }, { status }: { status: HealthStatus }) => {
      const told = issueKeysOf(context.readings);
      if (context.status === status && context.told === told) return;
      enqueue.assign({ status, told });
      enqueue.sendTo(context.parent, {
        type: "health.changed",
        from: context.status,
        health: { ...healthReportOf(context), status },
      });
    }),
    releaseStandIns: enqueueActions(({ context, enqueue }) => {
      if (context.readings.cpu.level === "critical") enqueue.sendTo(context.parent, { type: "processor.sufficed" });
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
});

/** The context of a monitor that has measured nothing yet. */
export const contextOf = (input: HealthMonitorInput): HealthMonitorContext => ({
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
  told: "",
  nextCheckAtMs: null,
});
