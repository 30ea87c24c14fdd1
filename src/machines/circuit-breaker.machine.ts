/**
 * Owns whether one worker may be given jobs, judged by the repairs that it needed of late.
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
      description: "The worker is given jobs; repairs within minutes would open the breaker.",
      tags: ["servable"],
      always: { guard: "wasOpen", target: "open" },
    },
    open: {
      description: "Repaired again and again within minutes: the worker is given nothing until the wait is over.",
      tags: ["degraded"],
      exit: "clearOpening",
      on: { "breaker.reset": { target: "halfOpen", actions: "forgetRepairs" } },
      after: { openMs: { target: "halfOpen" } },
    },
    halfOpen: {
      description: "The wait is over: a test render of a job's size decides, or a small one and then a job.",
      tags: ["degraded"],
      initial: "awaitingCanary",
      entry: "reportHalfOpened",
      states: {
        awaitingCanary: {
          description: "A test render is asked for; nothing else is admitted.",
          on: {
            "canary.passed": [
              {
                guard: { type: "isOfJobSize", params: ({ event }) => event },
                target: "#circuitBreaker.closed",
                actions: [
                  { type: "endTrial", params: ({ event }) => ({ because: `${event.what} passed` }) },
                  "reportClosed",
                ],
              },
              { target: "awaitingJob" },
            ],
          },
          after: { canaryMs: { target: "#circuitBreaker.open", actions: [openedByTrial, "reportOpened"] } },
        },
        awaitingJob: {
          description: "A small test render passed; one job is admitted.",
          tags: ["servable"],
          entry: "reportTrusted",
          on: {
            "job.ended": {
              guard: { type: "jobSucceeded", params: ({ event }) => event },
              target: "#circuitBreaker.closed",
              actions: [{ type: "endTrial", params: { because: "one job was rendered" } }, "reportClosed"],
            },
          },
          after: {
            trialJobMs: {
              target: "#circuitBreaker.closed",
              actions: [
                { type: "endTrial", params: { because: "a small test render passed, and no job came" } },
                "reportClosed",
              ],
            },
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
              { type: "endTrial", params: { because: "" } },
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
