/**
 * Owns one worker process: the only machine that spawns and kills.
 * Life: stopped → (adopting | spawning → handshaking) → idle ⇄ busy → stopping → stopped; a process that ended goes
 * crashed → backingOff → spawning by itself, and five deaths in ten minutes rest it in crashLooping. What only a
 * person can mend leaves it unstartable, until its program changes on the disk or somebody asks.
 * Survives: every way in which the process ends, a silent process, and a supervisor's restart (adopting).
 */
import { contextOf, processOf, rejectionOf, silenceOf, workerSetup } from "./worker-setup.ts";

export const workerMachine = workerSetup.createMachine({
  id: "worker",
  context: ({ input }) => contextOf(input),
  initial: "stopped",
  states: {
    stopped: {
      description: "No process runs, and none is wanted.",
      on: {
        "worker.start": { target: "spawning" },
        "worker.adopt": { target: "adopting" },
        "worker.restart": { target: "spawning", actions: "allowSpawn" },
        "worker.stop": { actions: "reportStopped" },
      },
    },
    adopting: {
      description: "Takes up the process that an earlier supervisor left rendering.",
      tags: ["loading"],
      invoke: {
        src: "adoptProcess",
        input: ({ context }) => ({ workerId: context.workerId }),
        onDone: [
          {
            guard: { type: "wasAdopted", params: ({ event }) => ({ worker: event.output }) },
            target: "living.idle",
            actions: [
              { type: "storeConnected", params: ({ event }) => ({ worker: event.output }) },
              { type: "reportConnected", params: ({ event }) => ({ worker: event.output, isAdopted: true }) },
            ],
          },
          { target: "spawning" },
        ],
        onError: { target: "spawning" },
      },
      on: { "worker.stop": { target: "stopped", actions: "reportStopped" } },
      after: { adoptMs: { target: "spawning" } },
    },
    spawning: {
      description: "Starts a process in a group of its own.",
      tags: ["loading"],
      entry: "spendFreeSpawn",
      invoke: {
        src: "spawnProcess",
        input: ({ context }) => ({ workerId: context.workerId }),
        onDone: { target: "living", actions: { type: "storeRef", params: ({ event }) => ({ ref: event.output }) } },
        onError: {
          target: "crashed",
          actions: {
            type: "reportDeath",
            params: ({ event }) => ({ exit: null, evidence: rejectionOf("its start", event) }),
          },
        },
      },
      on: { "worker.stop": { target: "stopped", actions: "reportStopped" } },
      after: {
        spawnMs: {
          target: "crashed",
          actions: {
            type: "reportDeath",
            params: { exit: null, evidence: { message: "Its start did not end in time." } },
          },
        },
      },
    },
    living: {
      initial: "handshaking",
      description: "A process runs and is watched.",
      invoke: {
        src: "watchProcess",
        input: processOf,
        onError: {
          target: "#worker.stopping",
          actions: [
            { type: "planRestart", params: { reason: "its watch failed", isBudgeted: false, shape: "ladder" } },
            { type: "reportDeath", params: ({ event }) => ({ exit: null, evidence: rejectionOf("its watch", event) }) },
          ],
        },
      },
      on: {
        "process.exited": {
          target: "crashed",
          actions: { type: "reportDeath", params: ({ event }) => ({ exit: event.exit, evidence: event.evidence }) },
        },
        "worker.fellSilent": {
          target: "stopping",
          actions: [
            { type: "planRestart", params: { reason: "it fell silent", isBudgeted: false, shape: "silent" } },
            { type: "reportDeath", params: ({ event }) => ({ exit: null, evidence: silenceOf(event) }) },
          ],
        },
        "worker.restart": {
          target: "stopping",
          actions: [
            {
              type: "planRestart",
              params: ({ event }) => ({
                reason: event.reason,
                isBudgeted: event.isBudgeted,
                shape: event.shape ?? "ladder",
              }),
            },
            "reportMeantEnd",
          ],
        },
        "worker.stop": {
          target: "stopping",
          actions: [{ type: "planStop", params: ({ event }) => ({ shape: event.shape }) }, "reportMeantEnd"],
        },
      },
      states: {
        handshaking: {
          description: "Waits for the process to answer and tell who it is.",
          tags: ["loading"],
          invoke: {
            src: "handshake",
            input: processOf,
            onDone: {
              target: "idle",
              actions: [
                { type: "storeConnected", params: ({ event }) => ({ worker: event.output }) },
                { type: "reportConnected", params: ({ event }) => ({ worker: event.output, isAdopted: false }) },
              ],
            },
            onError: {
              target: "#worker.stopping",
              actions: [
                {
                  type: "planRestart",
                  params: { reason: "it did not shake hands", isBudgeted: false, shape: "silent" },
                },
                {
                  type: "reportDeath",
                  params: ({ event }) => ({ exit: null, evidence: rejectionOf("its handshake", event) }),
                },
              ],
            },
          },
          after: {
            handshakeMs: {
              target: "#worker.stopping",
              actions: [
                {
                  type: "planRestart",
                  params: { reason: "it did not shake hands in time", isBudgeted: false, shape: "silent" },
                },
                {
                  type: "reportDeath",
                  params: ({ context }) => ({ exit: null, evidence: { silentForMs: context.limits.handshakeMs } }),
                },
              ],
            },
          },
        },
        idle: {
          description: "Connected, with no job in hand.",
          tags: ["servable"],
          on: {
            "job.begun": { target: "busy" },
            // The thread that beats lives, and the one that works is dead. Under a job the limit of its phase decides.
            "worker.stoodStill": {
              target: "#worker.stopping",
              actions: [
                {
                  type: "planRestart",
                  params: { reason: "its main thread stood still", isBudgeted: false, shape: "silent" },
                },
                {
                  type: "reportDeath",
                  params: ({ event }) => ({
                    exit: null,
                    evidence: { stalledForMs: event.mainThreadIdleMs, mainThreadIdleMs: event.mainThreadIdleMs },
                  }),
                },
              ],
            },
          },
        },
        busy: {
          description: "Connected, with a job in hand.",
          tags: ["servable", "busy"],
          on: { "job.ended": { target: "idle" } },
        },
      },
    },
    stopping: {
      description: "Goes down the stop ladder until the process is gone.",
      invoke: {
        src: "stopProcess",
        input: ({ context }) => ({
          ...processOf({ context }),
          shape: context.stopShape,
          reason: context.stopReason,
        }),
        onDone: [
          { guard: "isRestarting", target: "crashed" },
          { target: "stopped", actions: ["forgetProcess", "reportStopped"] },
        ],
        onError: [
          { guard: "isRestarting", target: "crashed" },
          { target: "stopped", actions: ["forgetProcess", "reportStopped"] },
        ],
      },
      on: { "worker.stop": { actions: { type: "planStop", params: ({ event }) => ({ shape: event.shape }) } } },
      after: {
        stopMs: [
          { guard: "isRestarting", target: "crashed" },
          { target: "stopped", actions: ["forgetProcess", "reportStopped"] },
        ],
      },
    },
    crashed: {
      description: "The process is gone; decides how it comes back.",
      tags: ["loading"],
      always: [
        { guard: "isObstructed", target: "unstartable", actions: "forgetProcess" },
        { guard: "isSpawnFree", target: "spawning", actions: "forgetProcess" },
        { target: "backingOff", actions: "noteDeath" },
      ],
    },
    backingOff: {
      description: "Waits before the process is started again.",
      tags: ["loading"],
      entry: "reportWaiting",
      always: { guard: "isCrashLooping", target: "crashLooping" },
      on: {
        "worker.stop": { target: "stopped", actions: "reportStopped" },
        "worker.restart": { target: "spawning" },
      },
      after: { retryMs: [{ guard: "isStartCheap", target: "spawning" }, { target: "awaitingBudget" }] },
    },
    awaitingBudget: {
      description: "Asks whether the hour's budget of heavy actions allows another start.",
      tags: ["loading"],
      entry: "requestBudget",
      on: {
        "budget.granted": { target: "spawning" },
        "budget.refused": {
          target: "resting",
          actions: { type: "waitUntil", params: ({ event }) => ({ retryAtMs: event.retryAtMs }) },
        },
        "worker.stop": { target: "stopped", actions: "reportStopped" },
      },
      after: { budgetMs: { target: "spawning" } },
    },
    resting: {
      description: "The budget is spent; waits for its window or an operator.",
      tags: ["degraded"],
      entry: "reportWaiting",
      on: {
        "worker.start": { target: "spawning" },
        "worker.restart": { target: "spawning" },
        "worker.stop": { target: "stopped", actions: "reportStopped" },
      },
      after: { retryMs: { target: "awaitingBudget" } },
    },
    crashLooping: {
      description: "Died too often in a short time; rests, then every look-back or rest allows one start.",
      tags: ["degraded"],
      entry: ["restFromCrashes", "reportCrashLooped", "reportWaiting"],
      on: {
        "worker.start": { target: "spawning", actions: "forgetDeaths" },
        "worker.restart": { target: "spawning", actions: "keepOneDeathShort" },
        "worker.stop": { target: "stopped", actions: ["forgetDeaths", "reportStopped"] },
      },
      // The rest alone limits these starts: they spend no budget, which others would lack.
      after: { retryMs: { target: "spawning", actions: "keepOneDeathShort" } },
    },
    unstartable: {
      description: "Cannot start until a person mends what its last words name; looks whether its program has changed.",
      tags: ["degraded"],
      entry: ["restUnstartable", "reportNotStarted"],
      exit: "forgetObstacle",
      invoke: {
        src: "watchProgram",
        input: ({ context }) => ({ workerId: context.workerId }),
        onError: { actions: [] },
      },
      on: {
        "program.changed": { target: "spawning" },
        "worker.start": { target: "spawning" },
        "worker.restart": { target: "spawning" },
        "worker.stop": { target: "stopped", actions: "reportStopped" },
      },
      after: { retryMs: { target: "spawning" } },
    },
  },
});
