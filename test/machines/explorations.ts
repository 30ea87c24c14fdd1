/**
 * The explorations of all machines by name. A machine without one fails a test, and the simulation reads here which
 * states may wait without a deadline.
 */
import type { Fault } from "../../src/core/fault.ts";
import type { Sample } from "../../src/core/ports/telemetry-probe.ts";
import { gibibyte } from "../../src/core/units.ts";
import { circuitBreakerMachine } from "../../src/machines/circuit-breaker.machine.ts";
import { healthMonitorMachine } from "../../src/machines/health-monitor.machine.ts";
import { recoveryMachine } from "../../src/machines/recovery.machine.ts";
import type { ExperimentAnswer, ProbeAnswer, RecoveryResume, RungEvidence } from "../../src/machines/recovery-types.ts";
import { isConclusive } from "../../src/recovery/blame.ts";
import { defaultHealthThresholds, type HealthReadings } from "../../src/recovery/health.ts";
import { defaultLadders } from "../../src/recovery/ladders.ts";
import { unknownFacts } from "../../src/recovery/preconditions.ts";
import { canRepeat, isDeath } from "../../src/recovery/trials.ts";
import { supervisor } from "./exploration-of-supervisor.ts";
import { about, bounds, death, fault, poisoned } from "./exploration-samples.ts";
import { modelLoader, pipeline, worker } from "./explorations-of-workers.ts";
import { type Exploration, explorationClock, type ReachedState } from "./explore.ts";

const answers: readonly ProbeAnswer[] = (["passed", "failed", "unknown"] as const).map((verdict) => ({
  verdict,
  reason: "explored",
}));
const measure = (
  freeGib: number,
): { atMs: number; deviceFreeBytes: number; workerReservedBytes: number; workerAllocatedBytes: number } => ({
  atMs: 0,
  deviceFreeBytes: freeGib * gibibyte,
  workerReservedBytes: 0,
  workerAllocatedBytes: 0,
});
const experiments: readonly ExperimentAnswer[] = [
  { testRender: "passed", failedPhase: "unknown", jobIds: [], reason: "" },
  { testRender: "passed", failedPhase: "failed", jobIds: [], reason: "" },
  { testRender: "passed", failedPhase: "unknown", jobIds: ["j1", "j2"], reason: "" },
  { testRender: "failed", failedPhase: "unknown", jobIds: [], reason: "" },
];
const applied: RungEvidence = {
  evidence: { action: "clear_gpu_cache", before: measure(1), applied: ["cache"], after: measure(9) },
  neededBytes: gibibyte,
  filesMatch: true,
  isConditionGone: null,
  error: null,
};

const recoveryStart = {
  ...about,
  incidentId: "i1",
  model: "T2V-A14B",
  jobIds: [],
  fault,
  failureType: "generation_pipeline_error",
  ladder: defaultLadders.generation_pipeline_error,
  limits: { climbCount: bounds.climbs },
};
const resumes: readonly RecoveryResume["kind"][] = ["standingIn", "atWork", "exhausted"];

/** A deadline that is absent, or over, holds nothing back. */
const isAhead = (atMs: unknown): boolean => typeof atMs === "number" && atMs > explorationClock.startMs;

const countedClimbs = (context: Readonly<Record<string, unknown>>): number =>
  (context["climbCount"] as number) - (context["forgivenClimbCount"] as number);

/** What guards ask of a fault; the rest of it decides nothing. */
const kindOfFault = (known: Fault): string => [isConclusive(known), isDeath(known), canRepeat(known)].join(" ");

const recovery: Exploration = {
  machine: recoveryMachine,
  inputs: [
    ...(["fault", "workerDeath", "health", "manual", "forced"] as const).map((origin) => ({
      ...recoveryStart,
      origin,
    })),
    { ...recoveryStart, origin: "fault", jobIds: ["j1"] },
    { ...recoveryStart, origin: "workerDeath", jobIds: ["j1"], fault: death },
    { ...recoveryStart, origin: "fault", cooldownUntilMs: 1_000_030_000 },
    ...resumes.map((kind) => ({
      ...recoveryStart,
      origin: "fault",
      resume: { kind, untilMs: 1_000_030_000, climbCount: kind === "exhausted" ? bounds.climbs : 1, lookBackCount: 1 },
    })),
  ],
  events: [
    { type: "recovery.reset", isOperator: true },
    { type: "recovery.look", isOperator: true },
    { type: "recovery.stop", isOperator: true },
    { type: "fault.joined", fault, jobId: null, isDeath: false },
    { type: "fault.joined", fault, jobId: "j2", isDeath: false },
    { type: "fault.joined", fault: poisoned, jobId: "j1", isDeath: false },
    { type: "fault.joined", fault: death, jobId: "j1", isDeath: true },
    { type: "worker.connected", workerId: "w0" },
    { type: "worker.crashLooped", workerId: "w0" },
    { type: "worker.stopped", workerId: "w0", isOperator: true },
    { type: "pipeline.suspended", workerId: "w0" },
    { type: "model.proven", workerId: "w0", model: "T2V-A14B" },
    { type: "model.loadFailed", workerId: "w0", model: "T2V-A14B" },
    { type: "job.begun", workerId: "w0", jobId: "j1" },
    { type: "job.ended", workerId: "w0", isSuccessful: true },
    { type: "job.ended", workerId: "w0", isSuccessful: false },
    { type: "budget.granted" },
    { type: "budget.refused", retryAtMs: 1_000_060_000 },
  ],
  outputs: {
    examine: [unknownFacts, { ...unknownFacts, isWorkerConnected: false }],
    performAction: [applied, { ...applied, error: "no" }],
    proveEnvelope: answers,
    runCanary: answers,
    experiment: experiments,
    renderStandIn: [
      { plays: true, isAwaited: true, reason: "" },
      { plays: false, isAwaited: true, reason: "" },
      { plays: null, isAwaited: false, reason: "" },
    ],
  },
  world: { spent: 0 },
  stepWorld: (world, { type }, path) => {
    if (type !== "budget.granted" || path !== "choosing.asking") return world;
    const spent = (world["spent"] ?? 0) + 1;
    return spent > bounds.budget ? null : { spent };
  },
  omit: [
    "parent",
    "clock",
    "limits",
    "incidentId",
    "workerId",
    "model",
    "failureType",
    "ladder",
    "evidence",
    "message",
    "decidedBy",
    "faultClass",
    "confidence",
    "code",
    "attribution",
    "operatorAction",
    "startedAtMs",
    "skipped",
    "joinedFaultCount",
    "lookBackCount",
    "retryable",
    "reason",
    "isExhausted",
    "isStandInServed",
    "isNarrowed",
    "isClimbInVain",
    // Asked in the very step that settles it.
    "blame",
  ],
  canonical: (path, context) => ({
    ...context,
    faultKind: kindOfFault(context["fault"] as Fault),
    // How many jobs failed alike decides the experiment alone; that one did decides what a proof is.
    jobIds: Math.min((context["jobIds"] as readonly string[]).length, context["isExperimentDue"] === true ? 2 : 1),
    testRender: context["isClimbing"] === true && context["testRender"] !== null && context["testRender"] !== "passed",
    // Once it has climbed, an incident is the same whatever began it.
    origin: context["climbCount"] === 0 ? context["origin"] : "fault",
    // What counts against the limit; that there was a climb at all decides whether there may be nothing to repair.
    climbCount: countedClimbs(context),
    forgivenClimbCount: context["climbCount"] === 0 ? 0 : 1,
    choice: path.startsWith("choosing") ? context["choice"] : null,
    proof: path.startsWith("verifying") || path === "acting" || context["rung"] !== null ? context["proof"] : null,
    nextRungIndex: context["isClimbing"] === true ? context["nextRungIndex"] : 0,
    workerState: context["workerState"] === "unknown" ? "connected" : context["workerState"],
    cooldownUntilMs: isAhead(context["cooldownUntilMs"]),
    budgetRetryAtMs: isAhead(context["budgetRetryAtMs"]),
    lookBackAtMs: (path === "standingIn" || path === "exhausted") && isAhead(context["lookBackAtMs"]),
    isTrialJobBegun: path === "returning" && context["isTrialJobBegun"],
  }),
  staysReachable: ["servable", "mock"],
  problemsOf: ({ context, path, world }: ReachedState) => {
    const problems = [];
    if ((world["spent"] ?? 0) > bounds.budget) problems.push("more heavy steps than the budget has");
    if (countedClimbs(context) > bounds.climbs) problems.push("more climbs than allowed");
    if (path === "standingIn" && context["hasProvenFailure"] !== true)
      problems.push("a stand-in without a proven failure");
    return problems;
  },
};

const gpu = (usedRatio: number) => ({
  uuid: "g0",
  name: "card",
  totalBytes: 80 * gibibyte,
  usedBytes: usedRatio * 80 * gibibyte,
  utilizationRatio: null,
  temperatureCelsius: null,
  unavailable: {},
});
const sampleOf = (ratio: number, about: { readonly gpuRatio?: number; readonly hasGpu?: boolean } = {}): Sample => ({
  atMs: 0,
  gpuKind: about.hasGpu === false ? "absent" : "simulated",
  gpus: about.hasGpu === false ? [] : [gpu(about.gpuRatio ?? 0.1)],
  host: { cpuRatio: ratio, memoryRatio: 0.1, memoryUsedBytes: 1, memoryTotalBytes: 10, diskFreeBytes: 100 * gibibyte },
});

const healthMonitor: Exploration = {
  machine: healthMonitorMachine,
  inputs: (["always", "asFound"] as const).map((gpuExpectation) => ({
    ...about,
    gpuExpectation,
    limits: { ringCount: 1, blindFailureCount: 2, thresholds: { ...defaultHealthThresholds, entrySampleCount: 2 } },
  })),
  events: [
    { type: "monitor.start", isOperator: true },
    { type: "monitor.stop", isOperator: true },
    { type: "health.check", isOperator: true },
    { type: "sample.taken", sample: sampleOf(0.1) },
    { type: "sample.taken", sample: sampleOf(0.82) },
    { type: "sample.taken", sample: sampleOf(0.99) },
    { type: "sample.taken", sample: sampleOf(0.1, { hasGpu: false }) },
    { type: "sample.taken", sample: sampleOf(0.1, { gpuRatio: 0.99 }) },
    { type: "sample.failed", message: "no answer", atMs: 0 },
    { type: "envelope.changed", workerId: "w0", deviceUuid: "g0", knownBytes: 70 * gibibyte },
  ],
  outputs: {},
  omit: ["parent", "clock", "limits", "ring", "changes", "value", "nextCheckAtMs"],
  caps: { warningStreak: 2, criticalStreak: 2 },
  staysReachable: ["servable", "degraded"],
  problemsOf: ({ context, path }) => {
    const readings = Object.values(context["readings"] as HealthReadings);
    const isUnknown = readings.every((reading) => reading.level === "unknown");
    const problems = path === "watching.healthy" && isUnknown ? ["unknown is shown as healthy"] : [];
    return path === "watching.blind" && context["status"] === "healthy"
      ? [...problems, "blind is shown as healthy"]
      : problems;
  },
};

const circuitBreaker: Exploration = {
  machine: circuitBreakerMachine,
  inputs: [
    { ...about, limits: { repairCount: bounds.breakerRepairs } },
    { ...about, limits: { repairCount: bounds.breakerRepairs }, resume: { untilMs: 1_000_060_000, openingCount: 2 } },
  ],
  events: [
    ...["i1", "i2"].flatMap((incidentId) => [
      { type: "breaker.hold", workerId: "w0", incidentId },
      { type: "breaker.release", workerId: "w0", incidentId, isResolved: true, isRepair: true },
      { type: "breaker.release", workerId: "w0", incidentId, isResolved: true, isRepair: false },
      { type: "breaker.release", workerId: "w0", incidentId, isResolved: false, isRepair: false },
    ]),
    { type: "breaker.reset", isOperator: true },
    { type: "canary.passed", workerId: "w0", size: "canary", what: "a small test render" },
    { type: "canary.passed", workerId: "w0", size: "job", what: "denoise of a clip" },
    { type: "job.ended", workerId: "w0", isSuccessful: true },
    { type: "job.ended", workerId: "w0", isSuccessful: false },
  ],
  outputs: {},
  omit: ["parent", "clock", "limits", "workerId", "because"],
  caps: { openingCount: 3, repairsAtMs: 2 },
  restsIn: ["closed"],
  staysReachable: ["servable", "degraded"],
  problemsOf: ({ context, path }) =>
    (context["heldBy"] as readonly string[]).length > 0 === (path === "held") ? [] : ["held and its holders disagree"],
};

/** By the name of the machine's file. */
export const explorations: Readonly<Record<string, Exploration>> = {
  recovery,
  "health-monitor": healthMonitor,
  "circuit-breaker": circuitBreaker,
  worker,
  "model-loader": modelLoader,
  pipeline,
  supervisor,
};
