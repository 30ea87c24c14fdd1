/**
 * Owns one incident: asks who is to blame, climbs the ladder of its failure type, proves each rung, lets the stand-in
 * serve and looks back.
 * Life: diagnosing → experimenting → choosing → acting → verifying → returning → resolved; standingIn, exhausted → probing.
 * Survives actions that hang, fail or are refused, a dying worker, and a restart of the service (`input.resume`).
 */
import { messageOf } from "../core/errors.ts";
import { unknownFacts } from "../recovery/preconditions.ts";
import { contextOf } from "./recovery-context.ts";
import { endingOf, recoverySetup, targetOf } from "./recovery-setup.ts";
import {
  climbAgain,
  fromDiagnosis,
  fromExperiment,
  goOn,
  joinedOf,
  noExperiment,
  refuteRung,
  standInFor,
} from "./recovery-transitions.ts";

export const recoveryMachine = recoverySetup.createMachine({
  id: "recovery",
  context: ({ input }) => contextOf(input),
  initial: "diagnosing",
  output: ({ context, event }) => ({
    incidentId: context.incidentId,
    ending: endingOf(event),
    climbCount: context.climbCount,
  }),
  on: {
    "recovery.stop": { target: ".stopped" },
    "recovery.reset": { actions: "forgiveClimbs" },
    "fault.joined": { actions: { type: "noteJoined", params: joinedOf } },
    "worker.connected": { actions: "noteConnected" },
    "worker.crashLooped": standInFor("crashLooping", "the worker keeps crashing"),
    "worker.stopped": standInFor("stopped", "the worker was stopped"),
  },
  states: {
    diagnosing: {
      description: "The cause is known; the worker's running phase is waited for before anything is done.",
      tags: ["recovering"],
      entry: ["suspendPipeline", "holdBreaker"],
      exit: "clearStart",
      always: [
        { guard: "startsStandingIn", target: "standingIn" },
        { guard: "startsExhausted", target: "exhausted" },
        { guard: "startsAtWork", target: "verifying.awaitingWorker", actions: "requestModel" },
        { guard: "startsWithDeath", target: "verifying.awaitingWorker", actions: "startJoinedRestart" },
      ],
      on: {
        "pipeline.suspended": fromDiagnosis,
      },
      after: {
        // Neither a question nor measured trouble interrupts a job: ask again until the job has ended.
        suspendMs: [{ guard: "mayWait", target: "diagnosing", reenter: true }, ...fromDiagnosis],
      },
    },
    experimenting: {
      description: "A job failed: a test render on the same worker shows whether the job is to blame, or the worker.",
      tags: ["recovering", "busy"],
      invoke: {
        src: "experiment",
        input: targetOf,
        onDone: { actions: [{ type: "settleBlame", params: ({ event }) => event.output }, "signalSettled"] },
        onError: { actions: [{ type: "settleBlame", params: noExperiment }, "signalSettled"] },
      },
      on: { "blame.judged": fromExperiment },
      after: { experimentMs: { actions: [{ type: "settleBlame", params: noExperiment }, "signalSettled"] } },
    },
    choosing: {
      description: "The next step that can help is chosen; steps that cannot are skipped with a reason.",
      tags: ["recovering"],
      initial: "examining",
      states: {
        examining: {
          description: "Memory, worker and job are looked at.",
          entry: "clearChoice",
          invoke: {
            src: "examine",
            input: targetOf,
            onDone: {
              actions: [{ type: "chooseNext", params: ({ event }) => ({ facts: event.output }) }, "signalChosen"],
            },
            onError: { actions: [{ type: "chooseNext", params: { facts: unknownFacts } }, "signalChosen"] },
          },
          on: {
            "rung.chosen": [
              { guard: "isUnprovenStandIn", target: "#recovery.verifying.runningCanary", actions: "goToLastRung" },
              { guard: "isStandIn", target: "#recovery.standingIn" },
              { guard: "isHeavyChoice", target: "asking" },
              { target: "#recovery.acting", actions: "startRung" },
            ],
          },
          after: { examineMs: { actions: [{ type: "chooseNext", params: { facts: unknownFacts } }, "signalChosen"] } },
        },
        asking: {
          description: "The budget is asked for a heavy step.",
          entry: "requestBudget",
          on: {
            "budget.granted": [
              {
                guard: "isRestart",
                target: "#recovery.verifying.awaitingWorker",
                actions: ["startRung", "requestRestart"],
              },
              { target: "#recovery.acting", actions: "startRung" },
            ],
            "budget.refused": {
              target: "examining",
              actions: {
                type: "skipForBudget",
                params: ({ event }) => ({ retryAtMs: event.retryAtMs, reason: "the budget of heavy steps is spent" }),
              },
            },
          },
          after: {
            budgetMs: {
              target: "examining",
              actions: { type: "skipForBudget", params: { retryAtMs: null, reason: "the budget gave no answer" } },
            },
          },
        },
      },
    },
    acting: {
      description: "One step is carried out on the worker, between phases.",
      tags: ["recovering", "busy"],
      invoke: {
        src: "performAction",
        input: ({ context }) => ({ ...targetOf({ context }), action: context.rung?.action ?? "system_health_check" }),
        onDone: { actions: [{ type: "storeEvidence", params: ({ event }) => event.output }, "signalApplied"] },
        onError: {
          actions: [{ type: "failRung", params: ({ event }) => ({ reason: messageOf(event.error) }) }, "signalApplied"],
        },
      },
      on: {
        "rung.applied": [
          { guard: "isActionFailed", target: "choosing", actions: "concludeRung" },
          { guard: "isCanaryDue", target: "verifying.runningCanary" },
          { target: "verifying.provingEnvelope" },
        ],
      },
      after: {
        actionMs: {
          actions: [{ type: "failRung", params: { reason: "it took longer than its deadline" } }, "signalApplied"],
        },
      },
    },
    verifying: {
      description: "Whether the step helped is proven, never assumed.",
      tags: ["recovering", "busy"],
      initial: "runningCanary",
      on: {
        "repair.proven": [
          { guard: "isNothingToRepair", target: "resolved" },
          {
            guard: "isClimbInVain",
            target: "resolved",
            actions: ["settleInVain", "startCooldown", { type: "endClimb", params: { outcome: "inVain" } }],
          },
          { target: "returning", actions: "concludeRung" },
        ],
        // Outside a climb: the first one, unless a climb has just ended; then a stand-in serves, because this proof failed.
        "repair.refuted": [goOn, ...climbAgain],
      },
      states: {
        awaitingWorker: {
          description: "The worker process starts again and loads its model.",
          on: {
            "worker.connected": { actions: ["noteConnected", "storeRestart", "requestModel"] },
            "model.proven": {
              guard: { type: "isOwnModel", params: ({ event }) => ({ model: event.model }) },
              target: "runningCanary",
              actions: "storeRestart",
            },
            "model.loadFailed": {
              guard: { type: "isOwnModel", params: ({ event }) => ({ model: event.model }) },
              actions: ["noteModelMissing", ...refuteRung("the model did not load after the restart")],
            },
          },
          after: { workerReadyMs: { actions: refuteRung("the worker was not ready in time") } },
        },
        runningCanary: {
          description: "A tiny test render runs on the main model.",
          invoke: {
            src: "runCanary",
            input: targetOf,
            onDone: { actions: [{ type: "storeCanary", params: ({ event }) => event.output }, "signalJudged"] },
            onError: { actions: [{ type: "storeCanary", params: { verdict: "unknown" } }, "signalJudged"] },
          },
          on: {
            "probe.judged": [
              { guard: "isEnvelopeDue", target: "provingEnvelope" },
              { guard: "isRepaired", actions: "signalProven" },
              { actions: ["noteProvenFailure", "concludeRung", "signalRefuted"] },
            ],
          },
          after: { canaryMs: { actions: [{ type: "storeCanary", params: { verdict: "unknown" } }, "signalJudged"] } },
        },
        provingEnvelope: {
          description: "The phase that failed is run again with the job's own size.",
          invoke: {
            src: "proveEnvelope",
            input: targetOf,
            onDone: { actions: [{ type: "storeEnvelope", params: ({ event }) => event.output }, "signalJudged"] },
            onError: { actions: [{ type: "storeEnvelope", params: { verdict: "unknown" } }, "signalJudged"] },
          },
          on: {
            "probe.judged": [
              { guard: "isRepaired", actions: "signalProven" },
              { actions: ["noteProvenFailure", "concludeRung", "signalRefuted"] },
            ],
          },
          after: {
            envelopeMs: { actions: [{ type: "storeEnvelope", params: { verdict: "unknown" } }, "signalJudged"] },
          },
        },
      },
    },
    returning: {
      description: "The proof passed: one job is admitted before all are.",
      tags: ["recovering", "servable"],
      // Admission first: a pipeline that goes on before it is narrowed to one job would claim under the old width.
      // And the model: a load that failed in this incident is over only when the loader knows that it is mended.
      entry: ["forgetTrialJob", "disarmLookBack", "admitOne", "requestModel", "resumePipeline"],
      on: {
        "job.begun": { actions: "noteTrialJob" },
        "job.ended": [
          { guard: { type: "jobSucceeded", params: ({ event }) => event }, target: "resolved" },
          // A job may fail by its own fault; another one is admitted. A fault of the worker comes as fault.joined.
          { target: "returning", reenter: true },
        ],
        "fault.joined": { target: "diagnosing", actions: { type: "takeUpFault", params: joinedOf } },
      },
      after: { returnIdleMs: { guard: "isTrialJobMissing", target: "resolved" }, returnJobMs: { target: "resolved" } },
    },
    resolved: {
      description: "The main model serves again, proven by a test render or a job.",
      type: "final",
      tags: ["servable"],
      entry: [
        "concludeRung",
        "startCooldown",
        { type: "endClimb", params: { outcome: "repaired" } },
        "admitAll",
        "resumePipeline",
        { type: "releaseBreaker", params: { isResolved: true } },
        "reportResolved",
      ],
      output: "resolved",
    },
    standingIn: {
      description: "Labelled stand-ins are served; the main model is looked at again after a while.",
      tags: ["mock", "degraded"],
      entry: [
        "concludeRung",
        "startStandInRung",
        "startCooldown",
        "armLookBack",
        "serveStandIns",
        "holdBreaker",
        "reportStoodIn",
      ],
      exit: ["concludeRung", { type: "endClimb", params: { outcome: "stoodIn" } }],
      invoke: {
        src: "renderStandIn",
        input: targetOf,
        onDone: {
          actions: [
            { type: "storeStandIn", params: ({ event }) => event.output },
            "concludeRung",
            { type: "endClimb", params: { outcome: "stoodIn" } },
          ],
        },
        onError: {
          actions: [
            { type: "failRung", params: ({ event }) => ({ reason: messageOf(event.error) }) },
            "concludeRung",
            { type: "endClimb", params: { outcome: "stoodIn" } },
          ],
        },
      },
      on: {
        "recovery.reset": { target: "probing", actions: "forgiveClimbs" },
        "recovery.look": { target: "probing" },
        "fault.joined": {
          guard: "mayClimb",
          target: "choosing",
          actions: [{ type: "noteJoined", params: joinedOf }, "startClimb"],
        },
        "worker.connected": { actions: ["noteConnected", "requestModel"] },
        "model.proven": {
          guard: { type: "isOwnModel", params: ({ event }) => ({ model: event.model }) },
          target: "probing",
        },
      },
      after: {
        standInMs: {
          actions: [
            { type: "failRung", params: { reason: "the stand-in was not ready in time" } },
            "concludeRung",
            { type: "endClimb", params: { outcome: "stoodIn" } },
          ],
        },
        lookBackMs: { target: "probing" },
      },
    },
    probing: {
      description: "A test render looks whether the main model can return.",
      tags: ["mock", "busy"],
      entry: ["forgetProof", "disarmLookBack", "restartWhenCrashLooping"],
      invoke: {
        src: "runCanary",
        input: targetOf,
        onDone: { actions: [{ type: "storeCanary", params: ({ event }) => event.output }, "signalJudged"] },
        onError: { actions: "signalRefuted" },
      },
      on: {
        "probe.judged": [
          { guard: "isRepaired", target: "returning" },
          { actions: ["noteProvenFailure", "signalRefuted"] },
        ],
        "repair.refuted": climbAgain,
      },
      after: { canaryMs: { actions: "signalRefuted" } },
    },
    exhausted: {
      description: "Every climb of this incident was in vain: nothing is tried but looking back. It needs you.",
      tags: ["mock", "degraded"],
      entry: ["armLookBack", "serveStandIns", "holdBreaker", "reportExhausted"],
      on: {
        "recovery.reset": { target: "probing", actions: "forgiveClimbs" },
        "recovery.look": { target: "probing" },
        "worker.connected": { actions: ["noteConnected", "requestModel"] },
        "model.proven": {
          guard: { type: "isOwnModel", params: ({ event }) => ({ model: event.model }) },
          target: "probing",
        },
      },
      after: { lookBackMs: { target: "probing" } },
    },
    stopped: {
      description: "The incident was ended from outside, by a reset or the end of the service.",
      type: "final",
      tags: ["degraded"],
      entry: [
        "concludeRung",
        { type: "endClimb", params: { outcome: "stoodIn" } },
        "resumePipeline",
        { type: "releaseBreaker", params: { isResolved: false } },
      ],
      output: "stopped",
    },
  },
});
