/**
 * Owns the judgement of host and cards: thresholds, issues with recommendations, and which of them become a fault.
 * Life: starting → watching {judging → healthy | warning | critical | blind} → stopped.
 * Survives a sampler that fails, hangs or stops answering: it turns blind, says so and starts it again.
 */
import { contextOf, healthMonitorSetup, samplerId } from "./health-monitor-setup.ts";

export const healthMonitorMachine = healthMonitorSetup.createMachine({
  id: "healthMonitor",
  context: ({ input }) => contextOf(input),
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
        id: samplerId,
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
        "health.check": { actions: ["askForSample", "measureNow"] },
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
          on: { "health.check": { actions: ["reportCheck", "measureNow"] } },
          after: { restartSamplerMs: { target: "#healthMonitor.starting" } },
        },
      },
    },
    stopped: {
      description: "The monitor was stopped, by an operator or with the service: nothing is known any more.",
      type: "final",
      entry: ["releaseStandIns", "forgetReadings", { type: "changeStatus", params: { status: "unknown" } }],
    },
  },
});
