/**
 * The parent: starts every other machine, routes between them, opens incidents, keeps budget and cooldowns.
 * Life: starting → running → draining {finishing → settling → stopping} → stopped.
 * Survives: a child that dies by error (it is started again, three times in ten minutes), and its own restart: durable facts
 * come back as absolute times in `input.resumed`.
 */
import { childIds } from "./supervisor-children.ts";
import { contextOf } from "./supervisor-context.ts";
import { supervisorSetup } from "./supervisor-setup.ts";

export const supervisorMachine = supervisorSetup.createMachine({
  id: "supervisor",
  context: ({ input }) => contextOf(input),
  output: ({ context }) => ({ epoch: context.epoch }),
  initial: "starting",
  // Also while it starts: an order to stop that comes in the first moment is an order like any other.
  on: {
    "service.drain": [
      {
        guard: { type: "mayJobsEnd", params: ({ event }) => ({ finishMs: event.finishMs }) },
        target: ".draining.finishing",
        actions: { type: "letJobsEnd", params: ({ event }) => ({ shape: event.shape, finishMs: event.finishMs }) },
      },
      { target: ".draining", actions: { type: "beginDrain", params: ({ event }) => ({ shape: event.shape }) } },
    ],
    "monitor.start": { actions: { type: "respawnChild", params: { childId: childIds.health } } },
    "child.respawn": { actions: { type: "respawnChild", params: ({ event }) => ({ childId: event.childId }) } },
    "xstate.error.actor.*": { actions: "noteCrash" },
    "*": { actions: "route" },
  },
  states: {
    starting: {
      description: "Starts the machines of every worker.",
      tags: ["loading"],
      entry: "spawnSubsystems",
      after: { startMs: { target: "running" } },
    },
    running: {
      description: "Everything runs; reports are routed and incidents opened.",
      tags: ["servable"],
    },
    draining: {
      description:
        "The service stops: jobs in hand may end where that was asked for, attempts are written down, then workers end.",
      initial: "settling",
      on: {
        "xstate.error.actor.*": { actions: "noteCrash" },
        "*": { actions: "routeWhileDraining" },
      },
      states: {
        finishing: {
          description: "Jobs in hand may end, for so long as was allowed; no other begins.",
          always: {
            guard: "isNobodyBusy",
            target: "settling",
            actions: { type: "beginDrain", params: { shape: null } },
          },
          on: {
            "service.drain": [
              {
                guard: { type: "mayJobsEnd", params: ({ event }) => ({ finishMs: event.finishMs }) },
                target: "finishing",
                reenter: true,
                actions: {
                  type: "hurryJobs",
                  params: ({ event }) => ({ shape: event.shape, finishMs: event.finishMs }),
                },
              },
              {
                target: "settling",
                actions: { type: "beginDrain", params: ({ event }) => ({ shape: event.shape }) },
              },
            ],
          },
          after: { finishMs: { target: "settling", actions: { type: "beginDrain", params: { shape: null } } } },
        },
        settling: {
          description: "Pipelines write down how their attempts ended.",
          always: { guard: "areAllSettled", target: "stopping" },
          after: { drainMs: { target: "stopping" } },
        },
        stopping: {
          description: "Workers keep a last checkpoint and end.",
          entry: "stopWorkers",
          always: { guard: "areAllStopped", target: "#supervisor.stopped" },
          after: { drainMs: { target: "#supervisor.stopped" } },
        },
      },
    },
    stopped: { type: "final", description: "Nothing runs any more." },
  },
});
