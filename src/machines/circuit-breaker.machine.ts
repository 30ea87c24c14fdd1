/**
 * Owns whether one worker may be given jobs, judged by the faults that it made in a row.
 * Life: closed → open → halfOpen {awaitingCanary → awaitingJob} → closed; held while an incident on the worker is open.
 * Survives a restart by `input.resume` with an absolute deadline.
 */
import { circuitBreakerSetup, contextOf } from "./circuit-breaker-setup.ts";

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
            actions: ["countOpening", "reportOpened"],
          },
          { guard: { type: "counts", params: ({ event }) => event }, actions: "countFault" },
        ],
        "job.ended": { guard: { type: "jobSucceeded", params: ({ event }) => event }, actions: "forgetFaults" },
      },
    },
    open: {
      description: "Too many faults in a row: the worker is given nothing until the wait is over.",
      tags: ["degraded"],
      exit: "clearOpening",
      after: { openMs: { target: "halfOpen" } },
    },
    halfOpen: {
      description: "The wait is over: one test render, then one job, decide.",
      tags: ["degraded"],
      initial: "awaitingCanary",
      entry: "reportHalfOpened",
      on: {
        "canary.failed": { target: "open", actions: ["countOpening", "reportOpened"] },
        "fault.counted": {
          guard: { type: "counts", params: ({ event }) => event },
          target: "open",
          actions: ["countOpening", "reportOpened"],
        },
      },
      states: {
        awaitingCanary: {
          description: "A test render is asked for; nothing else is admitted.",
          on: { "canary.passed": { target: "awaitingJob" } },
          after: { canaryMs: { target: "#circuitBreaker.open", actions: ["countOpening", "reportOpened"] } },
        },
        awaitingJob: {
          description: "The test render passed; one job is admitted.",
          tags: ["servable"],
          on: {
            "job.ended": {
              guard: { type: "jobSucceeded", params: ({ event }) => event },
              target: "#circuitBreaker.closed",
              actions: ["forgetFaults", "reportClosed"],
            },
          },
          after: { trialJobMs: { target: "#circuitBreaker.closed", actions: ["keepOneStraw", "reportClosed"] } },
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
            guard: { type: "isLastHolderAndResolved", params: ({ event }) => event },
            target: "closed",
            actions: ["dropHolders", "forgetFaults", "reportClosed"],
          },
          { guard: { type: "isLastHolder", params: ({ event }) => event }, target: "halfOpen", actions: "dropHolders" },
          { actions: { type: "removeHolder", params: ({ event }) => ({ incidentId: event.incidentId }) } },
        ],
      },
      after: { holdMs: { target: "halfOpen", actions: "dropHolders" } },
    },
  },
});
