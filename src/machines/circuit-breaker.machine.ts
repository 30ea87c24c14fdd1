/**
 * Owns whether one worker may be given jobs, judged by the repairs that it needed of late, and by its faults in a row.
 * Life: closed → open → halfOpen {awaitingCanary → awaitingJob} → closed; held while an incident on the worker is open.
 * Survives a restart by `input.resume` with an absolute deadline.
 */
import { circuitBreakerSetup, contextOf, openedByTrial } from "./circuit-breaker-setup.ts";

export const circuitBreakerMachine = circuitBreakerSetup.createMachine({
  id: "circuitBreaker",
  context: ({ input }) => contextOf(input),
  initial: "closed",
  on: {
    "breaker.hold": {
      target: ".held",
      actions: { type: "addHolder", params: ({ event }) => ({ incidentId: event.incidentId }) },
    },
  },
  states: {
    closed: {
      description: "The worker is given jobs; counted faults in a row would open the breaker.",
      tags: ["servable"],
      always: { guard: "wasOpen", target: "open" },
      on: {
        "fault.counted": [
          {
            guard: { type: "isLastStraw", params: ({ event }) => event },
            target: "open",
            actions: [{ type: "countOpening", params: { because: "it failed again and again" } }, "reportOpened"],
          },
          { guard: { type: "counts", params: ({ event }) => event }, actions: "countFault" },
        ],
        "job.ended": { guard: { type: "jobSucceeded", params: ({ event }) => event }, actions: "forgetFaults" },
      },
    },
    open: {
      description:
        "Too many faults in a row, or repairs within minutes: the worker is given nothing until the wait is over.",
      tags: ["degraded"],
      exit: "clearOpening",
      on: { "breaker.reset": { target: "halfOpen", actions: "forgetRepairs" } },
      after: { openMs: { target: "halfOpen" } },
    },
    halfOpen: {
      description: "The wait is over: one test render, then one job, decide.",
      tags: ["degraded"],
      initial: "awaitingCanary",
      entry: "reportHalfOpened",
      on: {
        "canary.failed": { target: "open", actions: [openedByTrial, "reportOpened"] },
        "fault.counted": {
          guard: { type: "counts", params: ({ event }) => event },
          target: "open",
          actions: [openedByTrial, "reportOpened"],
        },
      },
      states: {
        awaitingCanary: {
          description: "A test render is asked for; nothing else is admitted.",
          on: { "canary.passed": { target: "awaitingJob" } },
          after: { canaryMs: { target: "#circuitBreaker.open", actions: [openedByTrial, "reportOpened"] } },
        },
        awaitingJob: {
          description: "The test render passed; one job is admitted.",
          tags: ["servable"],
          entry: "reportTrusted",
          on: {
            "job.ended": {
              guard: { type: "jobSucceeded", params: ({ event }) => event },
              target: "#circuitBreaker.closed",
              actions: ["forgetFaults", "endTrial", "reportClosed"],
            },
          },
          after: {
            trialJobMs: { target: "#circuitBreaker.closed", actions: ["keepOneStraw", "endTrial", "reportClosed"] },
          },
        },
      },
    },
    held: {
      description:
        "An incident on this worker is open: recovery decides what is admitted, and its test renders do not count.",
      tags: ["recovering"],
      on: {
        "breaker.release": [
          {
            guard: { type: "isFlapping", params: ({ event }) => event },
            target: "open",
            actions: [
              "dropHolders",
              { type: "noteRepair", params: ({ event }) => event },
              { type: "countOpening", params: { because: "it was repaired again and again within minutes" } },
              "reportOpened",
            ],
          },
          {
            guard: { type: "isLastHolderOnTrial", params: ({ event }) => event },
            target: "halfOpen",
            actions: ["dropHolders", { type: "noteRepair", params: ({ event }) => event }],
          },
          {
            guard: { type: "isLastHolderAndResolved", params: ({ event }) => event },
            target: "closed",
            actions: [
              "dropHolders",
              { type: "noteRepair", params: ({ event }) => event },
              "forgetFaults",
              "reportClosed",
            ],
          },
          { guard: { type: "isLastHolder", params: ({ event }) => event }, target: "halfOpen", actions: "dropHolders" },
          {
            actions: [
              { type: "removeHolder", params: ({ event }) => ({ incidentId: event.incidentId }) },
              { type: "noteRepair", params: ({ event }) => event },
            ],
          },
        ],
      },
      after: { holdMs: { target: "halfOpen", actions: "dropHolders" } },
    },
  },
});
