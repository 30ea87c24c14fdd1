/**
 * How the supervisor machine is explored: which reports its children may send, and what must hold in every state that
 * they lead to.
 */
import { assign } from "xstate";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { hourMs } from "../../src/core/units.ts";
import { supervisorMachine } from "../../src/machines/supervisor.machine.ts";
import type { OpenIncidents, WorkersFacts } from "../../src/machines/supervisor-facts.ts";
import { routeOf } from "../../src/machines/supervisor-routes.ts";
import { defaultLadders } from "../../src/recovery/ladders.ts";
import { about, bounds, connectedWorker, fault, outOfMemory, processRef } from "./exploration-samples.ts";
import type { Exploration, SampleEvent } from "./explore.ts";

/**
 * Its children stand here as the reports that they may send: what the supervisor decides is explored with its own decision
 * function, what it tells them is not delivered.
 */
const alone = supervisorMachine.provide({
  actions: {
    spawnSubsystems: () => undefined,
    respawnChild: () => undefined,
    stopWorkers: () => undefined,
    noteCrash: () => undefined,
    beginDrain: assign({ mode: "draining" }),
    // Whether a job is in hand is no part of a running state here: where none is, it is as if there were no time to end one.
    letJobsEnd: assign(({ context }) => ({
      mode: "draining" as const,
      finishMs: hourMs,
      workers: Object.fromEntries(
        Object.entries(context.workers).map(([id, worker]) => [id, { ...worker, jobId: "j1" }]),
      ),
    })),
    route: assign(({ context, event }) => routeOf(context, event, false).change),
    routeWhileDraining: assign(({ context, event }) => routeOf(context, event, true).change),
  },
});

const workerId = "w0";
const reportOf = (report: { readonly fault: typeof fault }): SampleEvent["report"] => ({
  ...report,
  workerId,
  model: null,
  jobId: null,
  atMs: 0,
});
const incidents = Array.from({ length: bounds.incidents }, (_, index) => `inc-1-${index + 1}`);
const opening = ["model.setAside", "fault.raised", "worker.exited", "recovery.trigger"];

export const supervisor: Exploration = {
  machine: alone,
  inputs: [
    {
      epoch: 1,
      lead: "T2V-A14B",
      workers: [{ id: workerId, model: "T2V-A14B", profile: "full", trial: null }],
      ladders: defaultLadders,
      clock: about.clock,
      catalog: createModelCatalog(),
      gpuExpectation: "always",
      limits: { budget: { heavyActionCount: bounds.budget, windowMs: hourMs } },
    },
  ],
  events: [
    { type: "service.drain", shape: "quick", finishMs: 0, isOperator: true },
    { type: "service.drain", shape: "quick", finishMs: hourMs, isOperator: true },
    {
      type: "recovery.trigger",
      failureType: "vram_exhaustion",
      isForced: false,
      workerId,
      orderId: "order-1",
      isOperator: true,
    },
    { type: "recovery.reset", isOperator: true },
    { type: "incidents.sweep" },
    { type: "worker.connected", workerId, worker: { ...connectedWorker, ref: processRef }, isAdopted: false },
    { type: "worker.exited", workerId, exit: null, evidence: { exitSignal: "SIGSEGV" }, isExpected: false },
    { type: "worker.exited", workerId, exit: null, evidence: {}, isExpected: true },
    { type: "worker.crashLooped", workerId, deathCount: 5 },
    { type: "worker.stopped", workerId, isOperator: true },
    { type: "budget.request", workerId, action: "restart_pipeline" },
    { type: "model.proven", workerId, model: "T2V-A14B", profile: "full", trial: null },
    { type: "model.loadFailed", workerId, model: "T2V-A14B", fault },
    { type: "model.setAside", workerId, model: "TI2V-5B", fault },
    { type: "model.proven", workerId, model: "TI2V-5B", profile: "full", trial: { size: "job", what: "denoise" } },
    { type: "job.begun", workerId, jobId: "j1" },
    { type: "job.ended", workerId, jobId: "j1", isSuccessful: true },
    { type: "fault.raised", report: reportOf({ fault }), isHealthOnly: false },
    { type: "fault.raised", report: reportOf({ fault: outOfMemory }), isHealthOnly: true },
    { type: "pipeline.stopped", workerId },
    { type: "breaker.opened", workerId, untilMs: 1_000_060_000, openingCount: 1 },
    { type: "breaker.halfOpened", workerId },
    { type: "breaker.closed", workerId },
    ...incidents.flatMap((incidentId): SampleEvent[] => [
      {
        type: "rung.started",
        incidentId,
        workerId,
        action: "restart_pipeline",
        failureType: "vram_exhaustion",
        climb: 1,
        atMs: 0,
      },
      { type: "budget.request", incidentId, workerId, action: "restart_pipeline" },
      { type: "incident.stoodIn", incidentId, workerId, lookBackAtMs: 0, climbCount: 1, lookBackCount: 1 },
      { type: "incident.exhausted", incidentId, workerId, lookBackAtMs: 0, climbCount: 1, lookBackCount: 1 },
      { type: "incident.resolved", incidentId, workerId, climbCount: 1, atMs: 0 },
    ]),
  ],
  outputs: {},
  world: { opened: 0 },
  stepWorld: (world, { type }, path) => {
    if (type === "pipeline.stopped") return path.startsWith("draining") ? world : null;
    if (path.startsWith("draining")) return opening.includes(type) ? null : world;
    if (!opening.includes(type)) return world;
    const opened = (world["opened"] ?? 0) + 1;
    return opened > bounds.incidents ? null : { opened };
  },
  omit: ["deliveredJobIds", "configured", "lead", "ladders", "clock", "catalog", "limits", "resumed"],
  canonical: (path, context) => {
    const workers = Object.values(context["workers"] as WorkersFacts);
    if (path.startsWith("draining"))
      return { workers: workers.map(({ process, isPipelineStopped }) => ({ process, isPipelineStopped })) };
    const isRecent = (atMs: number): boolean => atMs > about.clock.startMs - hourMs;
    return {
      workers: workers.map(({ process, isProven, breaker }) => ({ process, isProven, breaker })),
      incidents: Object.values(context["incidents"] as OpenIncidents).map(({ id, stage }) => ({ id, stage })),
      spent: (context["budgetSpentAtMs"] as readonly number[]).filter(isRecent).length,
    };
  },
  restsIn: ["running"],
  staysReachable: ["servable"],
  mayEnd: true,
  problemsOf: ({ context, path }) => {
    const spent = (context["budgetSpentAtMs"] as readonly number[]).length;
    const isDraining = path.startsWith("draining");
    return [
      ...(spent > bounds.budget ? ["more heavy steps than the budget has"] : []),
      ...(isDraining !== (context["mode"] === "draining") && path !== "stopped" ? ["mode and draining disagree"] : []),
    ];
  },
};
