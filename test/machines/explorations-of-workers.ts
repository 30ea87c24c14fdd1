/**
 * How the machines that exist once a worker are explored: the events that may come, the answers that matter, and what
 * must hold.
 */
import { modelLoaderMachine } from "../../src/machines/model-loader.machine.ts";
import { pipelineMachine } from "../../src/machines/pipeline.machine.ts";
import { workerMachine } from "../../src/machines/worker.machine.ts";
import { retryTables } from "../../src/recovery/retry-delays.ts";
import { unknownLimits } from "../../src/recovery/step-history.ts";
import { about, bounds, connectedWorker, fault, lease, processRef, rendered } from "./exploration-samples.ts";
import type { Exploration } from "./explore.ts";

const ignored = ["parent", "clock", "limits", "workerId"] as const;

export const worker: Exploration = {
  machine: workerMachine,
  inputs: [{ ...about, limits: { crashLoopDeathCount: bounds.deaths, backoffMs: [1_000] } }],
  events: [
    { type: "process.exited", exit: { code: 1, signal: null, logTail: "" }, evidence: { exitCode: 1 } },
    { type: "process.exited", exit: { code: 78, signal: null, logTail: "" }, evidence: { exitCode: 78 } },
    { type: "program.changed" },
    { type: "worker.fellSilent", silentForMs: 12_000, processState: null },
    { type: "worker.start" },
    { type: "worker.adopt" },
    { type: "worker.restart", reason: "explored", isBudgeted: true },
    { type: "worker.restart", reason: "explored", isBudgeted: false },
    { type: "worker.stop", shape: "ladder", isOperator: true },
    { type: "worker.stoodStill", mainThreadIdleMs: 300_000 },
    { type: "job.begun" },
    { type: "job.ended" },
    { type: "budget.granted" },
    { type: "budget.refused", retryAtMs: 2_000_000_000 },
  ],
  outputs: {
    spawnProcess: [processRef],
    handshake: [connectedWorker],
    adoptProcess: [connectedWorker, null],
    stopProcess: [undefined],
  },
  omit: [...ignored, "draws", "drawIndex", "stopReason", "backoffIndex", "stopShape", "evidence"],
  // Somebody has to ask for a stopped worker, and a connected one lives until something happens to it.
  restsIn: ["stopped", "living.idle", "living.busy"],
  staysReachable: ["servable"],
  problemsOf: ({ context, path }) => [
    ...(path.startsWith("living") && context["ref"] === null ? ["it lives without a process"] : []),
    ...(path === "stopped" && context["ref"] !== null ? ["it is stopped and still holds a process"] : []),
  ],
};

export const modelLoader: Exploration = {
  machine: modelLoaderMachine,
  inputs: [
    {
      ...about,
      model: "T2V-A14B",
      profile: "full",
      limits: { loads: { ...retryTables.model_loading, tryCount: bounds.loads } },
    },
  ],
  events: [
    { type: "load.progressed", ratio: 0.5 },
    { type: "load.succeeded" },
    { type: "load.failed", fault },
    { type: "download.progressed", doneBytes: 1 },
    { type: "download.succeeded" },
    { type: "download.failed", fault: { ...fault, retryable: false } },
    { type: "download.pause", isOperator: true },
    { type: "download.resume", isOperator: true },
    { type: "download.cancel", isOperator: true },
    { type: "model.load", model: "T2V-A14B", profile: "full" },
    { type: "model.load", model: "T2V-A14B", profile: "tiling" },
    { type: "model.load", model: "TI2V-5B", profile: "full" },
    { type: "model.reload" },
    { type: "model.ensure" },
    { type: "model.unload", isOperator: true },
    { type: "model.verify" },
    { type: "worker.connected", residentModel: null, profile: null, isAdopted: false },
    { type: "worker.connected", residentModel: "T2V-A14B", profile: "full", isAdopted: true },
    { type: "worker.exited" },
  ],
  outputs: {
    resolveModel: [{ kind: "present" }, { kind: "missing", missingBytes: 1 }],
    verifyModel: [null, "a.safetensors"],
    proveModel: [
      { fault: null, size: "job", what: "denoise" },
      { fault, size: "job", what: "denoise" },
    ],
    unloadModel: [undefined],
    clearCache: [undefined],
  },
  omit: [
    ...ignored,
    "evidence",
    "faultClass",
    "message",
    "decidedBy",
    "confidence",
    "code",
    "attribution",
    "operatorAction",
    "failureType",
  ],
  // Without a worker there is nothing to load onto; a proven model stays until it is asked for otherwise.
  restsIn: ["unloaded", "ready"],
  staysReachable: ["servable", "degraded"],
  problemsOf: ({ context, path }) =>
    path === "ready" && context["isWorkerConnected"] === false ? ["ready without a worker"] : [],
};

export const pipeline: Exploration = {
  machine: pipelineMachine,
  inputs: [about],
  events: [
    { type: "jobs.becameAvailable" },
    { type: "phase.started", phase: "encode", longPhaseMs: null, limits: unknownLimits },
    { type: "phase.started", phase: "denoise", longPhaseMs: null, limits: unknownLimits },
    { type: "phase.started", phase: "decode", longPhaseMs: 60_000, limits: unknownLimits },
    { type: "phase.started", phase: "mux", longPhaseMs: null, limits: unknownLimits },
    { type: "step.progressed", phase: "denoise", step: 1, of: 40 },
    { type: "render.stoodStill", sinceMs: 1 },
    { type: "render.completed", report: rendered },
    { type: "render.failed", fault },
    { type: "lease.lost" },
    { type: "job.cancel", jobId: "j1" },
    { type: "artifact.committed", jobId: "j1" },
    { type: "artifact.refused", jobId: "j1", problem: "black", fault },
    { type: "pipeline.suspend", by: "i1" },
    { type: "pipeline.resume", by: "i1" },
    { type: "pipeline.standIn" },
    { type: "pipeline.admit", admission: "one" },
    { type: "pipeline.admit", admission: "all" },
    { type: "pipeline.pause", isOperator: true },
    { type: "pipeline.unpause", isOperator: true },
    { type: "pipeline.stop", isOperator: true },
    { type: "worker.connected", adopted: null },
    { type: "worker.connected", adopted: lease },
    { type: "worker.exited", evidence: { exitCode: 1 }, isExpected: false },
    { type: "model.proven", model: "T2V-A14B" },
    { type: "model.lost" },
  ],
  outputs: {
    claimJob: [
      { lease, dueAtMs: null, wantsFreshProcess: false },
      { lease: null, dueAtMs: null, wantsFreshProcess: false },
      { lease: null, dueAtMs: null, wantsFreshProcess: true },
    ],
    prepareJob: [
      { kind: "ready", lease, peakBytes: 1 },
      { kind: "load", model: "T2V-A14B", profile: "tiling" },
      { kind: "waits", untilMs: 1, why: "it waits" },
      { kind: "unfit", fault },
    ],
    cancelRender: [true, false],
    settleAttempt: [undefined],
  },
  omit: [
    ...ignored,
    "commitCount",
    "longPhaseMs",
    "stillSinceMs",
    "stepLimits",
    "dueAtMs",
    "spec",
    "untilMs",
    "evidence",
  ],
  canonical: (path, context) => {
    const hasLease = context["lease"] !== null;
    const isUnsettled = !["settling", "cancelling", "stalled"].includes(path);
    return {
      ...context,
      lease: hasLease,
      report: context["report"] !== null,
      settlement: isUnsettled ? null : (context["settlement"] as { readonly kind: string } | null)?.kind,
      isUnderWay: path.startsWith("inHand") && context["isUnderWay"],
      wantedModel: path === "inHand.preparing" ? context["wantedModel"] : null,
      // A pause decides only whether the next job is claimed.
      isPaused: path === "idle" && context["isPaused"],
    };
  },
  staysReachable: ["servable", "mock"],
  mayEnd: true,
  problemsOf: ({ context, path }) => {
    const needsLease = path.startsWith("inHand") || ["handingOver", "stalled", "cancelling", "settling"].includes(path);
    return needsLease && context["lease"] === null ? ["works on a job without a lease"] : [];
  },
};
