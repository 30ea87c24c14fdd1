/**
 * Owns the job in hand of one worker.
 * Life: idle → claiming → preparing → generating {encoding → denoising → decoding → muxing} → handingOver → idle.
 * Survives: a worker that ends, stalls or cannot cancel, a lease that is lost, a store that cannot write for a while, and a
 * supervisor's restart (`worker.connected` with a job in hand adopts it).
 */
import { type ActorRef, assign, enqueueActions, fromCallback, fromPromise, type Snapshot, sendTo, setup, spawnChild } from "xstate";
import type { Clock } from "../core/clock.ts";
import type { Evidence, Fault, FaultReport } from "../core/fault.ts";
import type { Lease } from "../core/job.ts";
import type { RenderReport } from "../core/ports/worker.ts";
import { hourMs, minuteMs, secondMs } from "../core/units.ts";
import type { MachineTag, ModelId, Phase } from "../core/words.ts";

export interface PipelineLimits {
  /** An idle pipeline looks for jobs by itself this often; it is told of new ones at once. */
  readonly pollMs: number;
  readonly claimMs: number;
  readonly prepareMs: number;
  /** Until this machine's own history says more: fewer than five samples make it 15 min (design §4). */
  readonly stallMs: number;
  readonly cancelMs: number;
  readonly killMs: number;
  readonly commitMs: number;
  readonly settleRetryMs: number;
  readonly suspendedMs: number;
}

export const defaultPipelineLimits: PipelineLimits = {
  pollMs: 15 * secondMs,
  claimMs: 30 * secondMs,
  prepareMs: 20 * minuteMs,
  stallMs: 15 * minuteMs,
  cancelMs: 5 * minuteMs,
  killMs: minuteMs,
  commitMs: 10 * minuteMs,
  settleRetryMs: secondMs,
  suspendedMs: 3 * hourMs,
};

export type Admission = "none" | "one" | "all";

/** How an attempt ends without a result. */
export type Settlement =
  | { readonly kind: "fault"; readonly fault: Fault }
  | { readonly kind: "death"; readonly evidence: Evidence; readonly isOwnDoing: boolean }
  | { readonly kind: "release"; readonly why: string }
  | { readonly kind: "cancelled" };

export type RenderFact =
  | { readonly type: "phase.started"; readonly phase: Phase; readonly longPhaseMs: number | null }
  | { readonly type: "step.progressed"; readonly phase: Phase; readonly step: number; readonly of: number }
  | { readonly type: "render.completed"; readonly report: RenderReport }
  | { readonly type: "render.failed"; readonly fault: Fault }
  | { readonly type: "lease.lost" }
  | { readonly type: "job.cancel"; readonly jobId: string };

export type CommitFact =
  | { readonly type: "artifact.committed"; readonly jobId: string }
  | { readonly type: "artifact.refused"; readonly jobId: string; readonly problem: string; readonly fault: Fault | null };

export type PipelineEvent =
  | RenderFact
  | CommitFact
  | { readonly type: "jobs.becameAvailable" }
  | { readonly type: "pipeline.suspend"; readonly by: string }
  | { readonly type: "pipeline.resume"; readonly by: string }
  | { readonly type: "pipeline.standIn" }
  | { readonly type: "pipeline.admit"; readonly admission: Admission }
  | { readonly type: "pipeline.stop" }
  | { readonly type: "worker.connected"; readonly adopted: Lease | null }
  | { readonly type: "worker.exited"; readonly evidence: Evidence; readonly isExpected: boolean }
  | { readonly type: "model.proven"; readonly model: ModelId }
  | { readonly type: "model.lost" };

export type PipelineReport =
  | { readonly type: "job.begun"; readonly workerId: string; readonly jobId: string }
  | { readonly type: "job.ended"; readonly workerId: string; readonly jobId: string; readonly isSuccessful: boolean }
  | { readonly type: "fault.raised"; readonly report: FaultReport; readonly isHealthOnly: false }
  | { readonly type: "pipeline.suspended"; readonly workerId: string }
  | { readonly type: "pipeline.resumed"; readonly workerId: string }
  | { readonly type: "pipeline.stalled"; readonly workerId: string; readonly jobId: string }
  | { readonly type: "pipeline.stopped"; readonly workerId: string }
  | { readonly type: "device.freed"; readonly workerId: string }
  | { readonly type: "worker.restart"; readonly workerId: string; readonly reason: string };

export interface PipelineInput {
  readonly workerId: string;
  readonly parent: ActorRef<Snapshot<unknown>, PipelineReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly limits?: Partial<PipelineLimits>;
}

export interface PipelineContext {
  readonly workerId: string;
  readonly parent: ActorRef<Snapshot<unknown>, PipelineReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly limits: PipelineLimits;
  readonly isWorkerConnected: boolean;
  readonly residentModel: ModelId | null;
  readonly admission: Admission;
  readonly suspendedBy: readonly string[];
  readonly isServingStandIns: boolean;
  readonly isStopping: boolean;
  readonly lease: Lease | null;
  /** The worker has this render in hand already. */
  readonly isUnderWay: boolean;
  readonly longPhaseMs: number | null;
  readonly report: RenderReport | null;
  /** The job whose artifact is being checked and committed while the next one is rendered. */
  readonly committingJobId: string | null;
  readonly commitCount: number;
  readonly settlement: Settlement | null;
  /** Something changed since the store last had no job. */
  readonly hasNews: boolean;
}

interface LeaseOrder {
  readonly workerId: string;
  readonly lease: Lease;
}

const faultReport = (context: PipelineContext, fault: Fault, jobId: string | null): PipelineReport => ({
  type: "fault.raised",
  isHealthOnly: false,
  report: {
    fault,
    jobId,
    model: context.lease?.spec.request.model ?? context.residentModel,
    workerId: context.workerId,
    atMs: context.clock.nowMs(),
  },
});

const leaseOrder = ({ context }: { context: PipelineContext }): LeaseOrder => ({
  workerId: context.workerId,
  lease: context.lease as Lease,
});

function overdue(what: string): Fault {
  return {
    code: "WORKER_STALLED",
    attribution: "worker",
    failureType: "generation_pipeline_error",
    confidence: 0.8,
    decidedBy: `${what} did not answer within its time`,
    message: `${what} did not answer within its time.`,
    contextPoisoned: false,
    retryable: true,
    operatorAction: null,
    evidence: { message: what },
  };
}

const phaseStates = { encode: "encoding", denoise: "denoising", decode: "decoding", mux: "muxing" } as const;
const stallEvidence: Evidence = { stalledForMs: 0, message: "the render stalled" };
type PhaseStarted = Extract<PipelineEvent, { type: "phase.started" }>;

/** One transition a phase, guarded by the phase's name. */
const phaseTransitions = (["encode", "denoise", "decode", "mux"] as const).map((wanted) => ({
  guard: { type: "isPhase" as const, params: ({ event }: { event: PhaseStarted }) => ({ phase: event.phase, wanted }) },
  target: `.${phaseStates[wanted]}` as const,
  actions: { type: "storePhase" as const, params: ({ event }: { event: PhaseStarted }) => ({ longPhaseMs: event.longPhaseMs }) },
}));

/** A phase: every step starts the stall limit anew. */
const phaseState = (name: (typeof phaseStates)[Phase], description: string) => ({
  description,
  on: { "step.progressed": { target: name, reenter: true } },
  after: { stallMs: { target: "#pipeline.stalled" } },
});

export const pipelineMachine = setup({
  types: {
    context: {} as PipelineContext,
    events: {} as PipelineEvent,
    input: {} as PipelineInput,
    output: {} as { workerId: string },
    tags: {} as MachineTag,
  },
  actors: {
    claimJob: fromPromise<Lease | null, { workerId: string; residentModel: ModelId | null }>(() =>
      Promise.reject(new Error("claimJob was not provided")),
    ),
    /** Makes the job's model and memory mode ready on the worker; null, or the fault that ends the attempt. */
    prepareJob: fromPromise<Fault | null, LeaseOrder>(() => Promise.reject(new Error("prepareJob was not provided"))),
    renderJob: fromCallback<PipelineEvent, LeaseOrder & { isUnderWay: boolean }>(() => {
      throw new Error("renderJob was not provided");
    }),
    /** Renews the lease; says when it is lost, or when the owner asked for the end. */
    keepLease: fromCallback<PipelineEvent, LeaseOrder>(() => {
      throw new Error("keepLease was not provided");
    }),
    /** Checks, publishes and commits; keeps the lease meanwhile. Reports artifact.committed or artifact.refused. */
    commitArtifact: fromCallback<PipelineEvent, LeaseOrder & { report: RenderReport }>(() => {
      throw new Error("commitArtifact was not provided");
    }),
    /** True when the device is free of the job; false when the worker must be killed. */
    cancelRender: fromPromise<boolean, LeaseOrder>(() => Promise.reject(new Error("cancelRender was not provided"))),
    settleAttempt: fromPromise<void, LeaseOrder & { settlement: Settlement }>(() =>
      Promise.reject(new Error("settleAttempt was not provided")),
    ),
  },
  guards: {
    mayClaim: ({ context }) =>
      context.hasNews &&
      context.isWorkerConnected &&
      context.residentModel !== null &&
      context.admission !== "none" &&
      context.suspendedBy.length === 0 &&
      !context.isStopping,
    isStopping: ({ context }) => context.isStopping,
    isSuspended: ({ context }) => context.suspendedBy.length > 0,
    servesStandIns: ({ context }) => context.isServingStandIns,
    hasLease: (_, params: { lease: Lease | null }) => params.lease !== null,
    isFit: (_, params: { fault: Fault | null }) => params.fault === null,
    isFreed: (_, params: { isFreed: boolean }) => params.isFreed,
    isOurs: ({ context }, params: { jobId: string }) => context.lease?.jobId === params.jobId,
    isFree: ({ context }) => context.suspendedBy.length === 0,
    servesNoStandIns: ({ context }) => !context.isServingStandIns,
    canHandOver: ({ context }) => context.committingJobId === null,
    isPhase: (_, params: { phase: Phase; wanted: Phase }) => params.phase === params.wanted,
  },
  actions: {
    noteConnected: assign({ isWorkerConnected: true }),
    noteExited: assign({ isWorkerConnected: false, residentModel: null }),
    noteProven: assign((_, params: { model: ModelId }) => ({ residentModel: params.model })),
    noteModelLost: assign({ residentModel: null }),
    storeAdopted: assign((_, params: { lease: Lease | null }) => ({
      isWorkerConnected: true,
      lease: params.lease,
      isUnderWay: true,
      report: null,
    })),
    storeLease: assign((_, params: { lease: Lease | null }) => ({
      lease: params.lease,
      isUnderWay: false,
      report: null,
      settlement: null,
      longPhaseMs: null,
    })),
    dropLease: assign({ lease: null, report: null, isUnderWay: false, settlement: null }),
    storeReport: assign((_, params: { report: RenderReport }) => ({ report: params.report })),
    storePhase: assign((_, params: { longPhaseMs: number | null }) => ({ longPhaseMs: params.longPhaseMs })),
    storeSettlement: assign((_, params: { settlement: Settlement }) => ({ settlement: params.settlement })),
    setAdmission: assign((_, params: { admission: Admission }) => ({ admission: params.admission })),
    spendAdmission: assign(({ context }) => ({ admission: context.admission === "one" ? ("none" as const) : context.admission })),
    hold: assign(({ context }, params: { by: string }) => ({ suspendedBy: [...new Set([...context.suspendedBy, params.by])] })),
    letGo: assign(({ context }, params: { by: string }) => ({ suspendedBy: context.suspendedBy.filter((holder) => holder !== params.by) })),
    letAllGo: assign({ suspendedBy: [] }),
    serveStandIns: assign({ isServingStandIns: true }),
    endStandIns: assign({ isServingStandIns: false }),
    planStop: assign({ isStopping: true }),
    spawnCommit: enqueueActions(({ context, enqueue }) => {
      if (context.lease === null || context.report === null) return;
      enqueue(
        spawnChild("commitArtifact", {
          id: `commit-${context.lease.jobId}-${context.lease.fence}`,
          input: { workerId: context.workerId, lease: context.lease, report: context.report },
        }),
      );
      enqueue.assign({
        committingJobId: context.lease.jobId,
        commitCount: context.commitCount + 1,
        lease: null,
        report: null,
        isUnderWay: false,
      });
    }),
    noteNews: assign({ hasNews: true }),
    forgetNews: assign({ hasNews: false }),
    forgetCommit: assign({ committingJobId: null }),
    reportBegun: sendTo(
      ({ context }) => context.parent,
      ({ context }): PipelineReport => ({ type: "job.begun", workerId: context.workerId, jobId: context.lease?.jobId ?? "" }),
    ),
    reportEnded: sendTo(
      ({ context }) => context.parent,
      ({ context }, params: { jobId: string; isSuccessful: boolean }): PipelineReport => ({
        type: "job.ended",
        workerId: context.workerId,
        ...params,
      }),
    ),
    reportAttemptOver: sendTo(
      ({ context }) => context.parent,
      ({ context }): PipelineReport => ({
        type: "job.ended",
        workerId: context.workerId,
        jobId: context.lease?.jobId ?? "",
        isSuccessful: false,
      }),
    ),
    raiseRenderFault: sendTo(
      ({ context }) => context.parent,
      ({ context }, params: { fault: Fault }): PipelineReport => faultReport(context, params.fault, context.lease?.jobId ?? null),
    ),
    raiseRefusal: enqueueActions(({ context, enqueue }, params: { fault: Fault | null; jobId: string }) => {
      if (params.fault !== null) enqueue.sendTo(context.parent, faultReport(context, params.fault, params.jobId));
    }),
    reportSuspended: sendTo(
      ({ context }) => context.parent,
      ({ context }): PipelineReport => ({ type: "pipeline.suspended", workerId: context.workerId }),
    ),
    reportResumed: sendTo(
      ({ context }) => context.parent,
      ({ context }): PipelineReport => ({ type: "pipeline.resumed", workerId: context.workerId }),
    ),
    reportStopped: sendTo(
      ({ context }) => context.parent,
      ({ context }): PipelineReport => ({ type: "pipeline.stopped", workerId: context.workerId }),
    ),
    reportFreed: sendTo(
      ({ context }) => context.parent,
      ({ context }): PipelineReport => ({ type: "device.freed", workerId: context.workerId }),
    ),
    reportStalled: sendTo(
      ({ context }) => context.parent,
      ({ context }): PipelineReport => ({ type: "pipeline.stalled", workerId: context.workerId, jobId: context.lease?.jobId ?? "" }),
    ),
    requestKill: sendTo(
      ({ context }) => context.parent,
      ({ context }, params: { reason: string }): PipelineReport => ({
        type: "worker.restart",
        workerId: context.workerId,
        reason: params.reason,
      }),
    ),
  },
  delays: {
    pollMs: ({ context }) => context.limits.pollMs,
    claimMs: ({ context }) => context.limits.claimMs,
    prepareMs: ({ context }) => context.limits.prepareMs,
    stallMs: ({ context }) => Math.max(context.limits.stallMs, context.longPhaseMs ?? 0),
    cancelMs: ({ context }) => context.limits.cancelMs,
    killMs: ({ context }) => context.limits.killMs,
    commitMs: ({ context }) => context.limits.commitMs,
    settleRetryMs: ({ context }) => context.limits.settleRetryMs,
    suspendedMs: ({ context }) => context.limits.suspendedMs,
  },
}).createMachine({
  id: "pipeline",
  context: ({ input }) => ({
    workerId: input.workerId,
    parent: input.parent,
    clock: input.clock,
    limits: { ...defaultPipelineLimits, ...input.limits },
    isWorkerConnected: false,
    residentModel: null,
    admission: "all",
    suspendedBy: [],
    isServingStandIns: false,
    isStopping: false,
    lease: null,
    isUnderWay: false,
    longPhaseMs: null,
    report: null,
    committingJobId: null,
    commitCount: 0,
    settlement: null,
    hasNews: true,
  }),
  output: ({ context }) => ({ workerId: context.workerId }),
  initial: "idle",
  on: {
    "worker.connected": { actions: [{ type: "noteConnected" }] },
    "worker.exited": { actions: [{ type: "noteExited" }] },
    "model.proven": { actions: [{ type: "noteProven", params: ({ event }) => ({ model: event.model }) }, { type: "noteNews" }] },
    "model.lost": { actions: [{ type: "noteModelLost" }] },
    "jobs.becameAvailable": { actions: [{ type: "noteNews" }] },
    "pipeline.admit": {
      actions: [{ type: "setAdmission", params: ({ event }) => ({ admission: event.admission }) }, { type: "noteNews" }],
    },
    "pipeline.suspend": { actions: [{ type: "hold", params: ({ event }) => ({ by: event.by }) }] },
    "pipeline.resume": {
      actions: [{ type: "letGo", params: ({ event }) => ({ by: event.by }) }, { type: "endStandIns" }, { type: "noteNews" }],
    },
    "pipeline.standIn": { actions: [{ type: "serveStandIns" }] },
    "pipeline.stop": { actions: [{ type: "planStop" }] },
    "artifact.committed": {
      actions: [{ type: "forgetCommit" }, { type: "reportEnded", params: ({ event }) => ({ jobId: event.jobId, isSuccessful: true }) }],
    },
    "artifact.refused": {
      actions: [
        { type: "forgetCommit" },
        { type: "reportEnded", params: ({ event }) => ({ jobId: event.jobId, isSuccessful: false }) },
        { type: "raiseRefusal", params: ({ event }) => ({ fault: event.fault, jobId: event.jobId }) },
      ],
    },
  },
  states: {
    idle: {
      description: "No job in hand; looks for one when told, and now and then by itself.",
      tags: ["servable"],
      always: [
        { guard: "isStopping", target: "stopped" },
        { guard: "servesStandIns", target: "mock" },
        { guard: "isSuspended", target: "suspended" },
        { guard: "mayClaim", target: "claiming" },
      ],
      on: {
        "worker.connected": [
          {
            guard: { type: "hasLease", params: ({ event }) => ({ lease: event.adopted }) },
            target: "inHand.generating",
            actions: [{ type: "storeAdopted", params: ({ event }) => ({ lease: event.adopted }) }, { type: "reportBegun" }],
          },
          { actions: [{ type: "noteConnected" }] },
        ],
      },
      after: { pollMs: { target: "idle", reenter: true, actions: { type: "noteNews" } } },
    },
    claiming: {
      description: "Asks the store for the next job.",
      tags: ["servable"],
      entry: { type: "forgetNews" },
      invoke: {
        src: "claimJob",
        input: ({ context }) => ({ workerId: context.workerId, residentModel: context.residentModel }),
        onDone: [
          {
            guard: { type: "hasLease", params: ({ event }) => ({ lease: event.output }) },
            target: "inHand",
            actions: [
              { type: "storeLease", params: ({ event }) => ({ lease: event.output }) },
              { type: "spendAdmission" },
              { type: "reportBegun" },
            ],
          },
          { target: "idle" },
        ],
        onError: { target: "idle" },
      },
      after: { claimMs: { target: "idle" } },
    },
    inHand: {
      description: "A job is in hand, and its lease is kept.",
      initial: "preparing",
      invoke: {
        src: "keepLease",
        input: leaseOrder,
        onError: {
          target: "cancelling",
          actions: { type: "storeSettlement", params: { settlement: { kind: "release", why: "its lease could not be kept" } } },
        },
      },
      on: {
        "worker.exited": {
          target: "settling",
          actions: [
            { type: "noteExited" },
            {
              type: "storeSettlement",
              params: ({ event }) => ({ settlement: { kind: "death", evidence: event.evidence, isOwnDoing: event.isExpected } }),
            },
          ],
        },
        "lease.lost": {
          target: "cancelling",
          actions: { type: "storeSettlement", params: { settlement: { kind: "release", why: "its lease was lost" } } },
        },
        "job.cancel": {
          guard: { type: "isOurs", params: ({ event }) => ({ jobId: event.jobId }) },
          target: "cancelling",
          actions: { type: "storeSettlement", params: { settlement: { kind: "cancelled" } } },
        },
        "pipeline.stop": {
          target: "settling",
          actions: [
            { type: "planStop" },
            { type: "storeSettlement", params: { settlement: { kind: "release", why: "the service stops" } } },
          ],
        },
      },
      states: {
        preparing: {
          description: "Makes the job's model and memory mode ready.",
          tags: ["busy", "servable"],
          invoke: {
            src: "prepareJob",
            input: leaseOrder,
            onDone: [
              { guard: { type: "isFit", params: ({ event }) => ({ fault: event.output }) }, target: "generating" },
              {
                target: "#pipeline.settling",
                actions: {
                  type: "storeSettlement",
                  params: ({ event }) => ({ settlement: { kind: "fault", fault: event.output as Fault } }),
                },
              },
            ],
            onError: {
              target: "#pipeline.settling",
              actions: { type: "storeSettlement", params: { settlement: { kind: "release", why: "the worker could not be prepared" } } },
            },
          },
          after: {
            prepareMs: {
              target: "#pipeline.settling",
              actions: { type: "storeSettlement", params: { settlement: { kind: "fault", fault: overdue("preparing the worker") } } },
            },
          },
        },
        generating: {
          description: "The worker renders.",
          tags: ["busy", "servable"],
          initial: "encoding",
          invoke: {
            src: "renderJob",
            input: ({ context }) => ({ workerId: context.workerId, lease: context.lease as Lease, isUnderWay: context.isUnderWay }),
            onError: {
              target: "#pipeline.settling",
              actions: { type: "storeSettlement", params: { settlement: { kind: "fault", fault: overdue("the render") } } },
            },
          },
          on: {
            "phase.started": phaseTransitions,
            "render.completed": {
              target: "#pipeline.handingOver",
              actions: { type: "storeReport", params: ({ event }) => ({ report: event.report }) },
            },
            "render.failed": {
              target: "#pipeline.settling",
              actions: [
                { type: "storeSettlement", params: ({ event }) => ({ settlement: { kind: "fault", fault: event.fault } }) },
                { type: "raiseRenderFault", params: ({ event }) => ({ fault: event.fault }) },
              ],
            },
          },
          states: {
            encoding: phaseState("encoding", "Reads the prompt."),
            denoising: phaseState("denoising", "Takes the picture out of the noise, step by step."),
            decoding: phaseState("decoding", "Turns latents into frames."),
            muxing: phaseState("muxing", "Writes the video file."),
          },
        },
      },
    },
    handingOver: {
      description: "The file is there; its check and commit go on beside the next job.",
      tags: ["busy", "servable"],
      always: { guard: "canHandOver", target: "idle", actions: [{ type: "spawnCommit" }, { type: "noteNews" }] },
      after: {
        commitMs: {
          target: "settling",
          actions: { type: "storeSettlement", params: { settlement: { kind: "release", why: "the commit before it did not end" } } },
        },
      },
    },
    stalled: {
      description: "No progress for too long; the worker is stopped.",
      tags: ["degraded", "busy"],
      entry: [{ type: "reportStalled" }, { type: "requestKill", params: { reason: "its render stalled" } }],
      on: {
        "worker.exited": {
          target: "settling",
          actions: [
            { type: "noteExited" },
            { type: "storeSettlement", params: { settlement: { kind: "death", evidence: stallEvidence, isOwnDoing: false } } },
          ],
        },
      },
      after: {
        killMs: {
          target: "settling",
          actions: { type: "storeSettlement", params: { settlement: { kind: "death", evidence: stallEvidence, isOwnDoing: false } } },
        },
      },
    },
    cancelling: {
      description: "Frees the device of the job; kills the worker when it does not let go.",
      tags: ["busy"],
      invoke: {
        src: "cancelRender",
        input: leaseOrder,
        onDone: [
          {
            guard: { type: "isFreed", params: ({ event }) => ({ isFreed: event.output }) },
            target: "settling",
            actions: { type: "reportFreed" },
          },
          { actions: { type: "requestKill", params: { reason: "a cancelled render did not end" } } },
        ],
        onError: { actions: { type: "requestKill", params: { reason: "a cancelled render did not end" } } },
      },
      on: { "worker.exited": { target: "settling", actions: [{ type: "noteExited" }, { type: "reportFreed" }] } },
      after: {
        cancelMs: { target: "settling", actions: { type: "requestKill", params: { reason: "a cancelled render did not end in time" } } },
      },
    },
    settling: {
      description: "Writes how the attempt ended.",
      tags: ["busy"],
      invoke: {
        src: "settleAttempt",
        input: ({ context }) => ({
          workerId: context.workerId,
          lease: context.lease as Lease,
          settlement: context.settlement ?? { kind: "release", why: "the attempt ended without a reason" },
        }),
        onDone: { target: "idle", actions: [{ type: "reportAttemptOver" }, { type: "dropLease" }, { type: "noteNews" }] },
        onError: { description: "The store cannot write now; tried again after a moment." },
      },
      on: { "worker.exited": { actions: [{ type: "noteExited" }] } },
      after: {
        settleRetryMs: { target: "settling", reenter: true },
      },
    },
    suspended: {
      description: "Recovery has the worker; no job is claimed.",
      tags: ["recovering"],
      entry: { type: "reportSuspended" },
      exit: { type: "reportResumed" },
      always: [
        { guard: "isStopping", target: "stopped" },
        { guard: "servesStandIns", target: "mock" },
        { guard: "isFree", target: "idle" },
      ],
      on: {
        "worker.connected": [
          {
            guard: { type: "hasLease", params: ({ event }) => ({ lease: event.adopted }) },
            target: "inHand.generating",
            actions: [{ type: "storeAdopted", params: ({ event }) => ({ lease: event.adopted }) }, { type: "reportBegun" }],
          },
          { actions: [{ type: "noteConnected" }] },
        ],
      },
      after: { suspendedMs: { target: "idle", actions: [{ type: "letAllGo" }, { type: "endStandIns" }] } },
    },
    mock: {
      description: "Stand-ins only: no real video from this worker right now.",
      tags: ["mock", "recovering"],
      always: [
        { guard: "isStopping", target: "stopped" },
        { guard: "servesNoStandIns", target: "idle" },
      ],
      on: {
        "pipeline.admit": {
          target: "idle",
          actions: [
            { type: "setAdmission", params: ({ event }) => ({ admission: event.admission }) },
            { type: "endStandIns" },
            { type: "letAllGo" },
            { type: "noteNews" },
          ],
        },
      },
      after: { suspendedMs: { target: "idle", actions: [{ type: "letAllGo" }, { type: "endStandIns" }] } },
    },
    stopped: {
      description: "The service stops; nothing is claimed any more.",
      type: "final",
      entry: { type: "reportStopped" },
    },
  },
});
