/** Everything that the pipeline's chart names: guards, actions, delays, and the effects that src/app provides. */
import { assign, enqueueActions, sendTo, setup, spawnChild } from "xstate";
import type { Evidence, Fault } from "../core/fault.ts";
import type { Lease } from "../core/job.ts";
import type { RenderReport } from "../core/ports/worker.ts";
import { ifKnown, present } from "../core/present.ts";
import type { MachineTag, ModelId, Phase } from "../core/words.ts";
import { faultOfDelay } from "../recovery/classify.ts";
import { type StepLimits, unknownLimits } from "../recovery/step-history.ts";
import { held } from "./held.ts";
import { callbackOf, promiseOf } from "./not-provided.ts";
import type {
  Admission,
  Claim,
  LeaseOrder,
  PipelineContext,
  PipelineEvent,
  PipelineInput,
  PipelineReport,
  Preparation,
  Settlement,
} from "./pipeline-types.ts";

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

export const leaseOrder = ({ context }: { context: PipelineContext }): LeaseOrder => ({
  workerId: context.workerId,
  lease: held(context.lease, "the job's lease"),
});

export const overdue = (what: string): Fault => faultOfDelay(what, 0.8, { message: what });

/** How the attempt ends when its worker could not be made ready. */
export function settlementOfPreparation(preparation: Preparation): Settlement {
  if (preparation.kind === "waits") return { kind: "release", why: preparation.why, notBeforeMs: preparation.untilMs };
  const fault = preparation.kind === "unfit" ? preparation.fault : overdue("preparing the worker");
  return { kind: "fault", fault, hasBegun: false };
}

const phaseStates = { encode: "encoding", denoise: "denoising", decode: "decoding", mux: "muxing" } as const;
/** Without progress for so long the phase in hand has stalled; a phase that was announced as long extends its own limit. */
const stallMsOf = ({ stepLimits, longPhaseMs }: PipelineContext): number =>
  Math.max(stepLimits.stallMs, longPhaseMs ?? 0);
/** What is known about a render that does not move. */
const stallOf = (context: PipelineContext): Evidence => ({
  stalledForMs: stallMsOf(context),
  ...present({
    mainThreadIdleMs: ifKnown(context.stillSinceMs, (stillSinceMs) => context.clock.nowMs() - stillSinceMs),
  }),
});
type PhaseStarted = Extract<PipelineEvent, { type: "phase.started" }>;

/** The attempt ends through nobody's fault: the job goes back into the queue. */
export const release = (why: string) =>
  ({ type: "storeSettlement", params: { settlement: { kind: "release", why } } }) as const;

type Exited = Extract<PipelineEvent, { type: "worker.exited" }>;

/** The worker ended under the job; `hasBegun`: while it rendered it. */
export const deathOf = ({ hasBegun }: { readonly hasBegun: boolean }) =>
  ({
    type: "storeSettlement",
    params: ({ event }: { event: Exited }): { settlement: Settlement } => ({
      settlement: { kind: "death", evidence: event.evidence, isOwnDoing: event.isExpected, hasBegun },
    }),
  }) as const;

/** One transition a phase, guarded by the phase's name. */
export const phaseTransitions = (["encode", "denoise", "decode", "mux"] as const).map((wanted) => ({
  guard: { type: "isPhase" as const, params: ({ event }: { event: PhaseStarted }) => ({ phase: event.phase, wanted }) },
  target: `.${phaseStates[wanted]}` as const,
  actions: { type: "storePhase" as const, params: ({ event }: { event: PhaseStarted }) => event },
}));

type Suspend = Extract<PipelineEvent, { type: "pipeline.suspend" }>;

/** Another incident of the same worker need not wait for what is so already. */
export const joinSuspension = {
  "pipeline.suspend": {
    actions: [
      { type: "hold" as const, params: ({ event }: { event: Suspend }) => ({ by: event.by }) },
      "reportSuspended" as const,
    ],
  },
};

/** A phase: every step starts the stall limit anew. */
export const phaseState = (name: (typeof phaseStates)[Phase], description: string) => ({
  description,
  on: { "step.progressed": { target: name, reenter: true } },
  after: { stallMs: { target: "#pipeline.stalled" } },
});

export const pipelineSetup = setup({
  types: {
    context: {} as PipelineContext,
    events: {} as PipelineEvent,
    input: {} as PipelineInput,
    output: {} as { workerId: string },
    tags: {} as MachineTag,
  },
  actors: {
    claimJob: promiseOf<Claim, { workerId: string; residentModel: ModelId | null }>("claimJob"),
    /** Decides in which form and memory mode the job is rendered; loads nothing itself. */
    prepareJob: promiseOf<Preparation, LeaseOrder>("prepareJob"),
    renderJob: callbackOf<PipelineEvent, LeaseOrder & { isUnderWay: boolean }>("renderJob"),
    /** Renews the lease; says when it is lost, or when the owner asked for the end. */
    keepLease: callbackOf<PipelineEvent, LeaseOrder>("keepLease"),
    /** Checks, publishes and commits; keeps the lease meanwhile. Reports artifact.committed or artifact.refused. */
    commitArtifact: callbackOf<PipelineEvent, LeaseOrder & { report: RenderReport }>("commitArtifact"),
    /** True when the device is free of the job; false when the worker must be killed. */
    cancelRender: promiseOf<boolean, LeaseOrder>("cancelRender"),
    settleAttempt: promiseOf<void, LeaseOrder & { settlement: Settlement }>("settleAttempt"),
  },
  guards: {
    mayClaim: ({ context }) =>
      context.hasNews &&
      context.isWorkerConnected &&
      context.residentModel !== null &&
      context.admission !== "none" &&
      context.suspendedBy.length === 0 &&
      !context.isPaused &&
      !context.isStopping,
    isStopping: ({ context }) => context.isStopping,
    isSuspended: ({ context }) => context.suspendedBy.length > 0,
    servesStandIns: ({ context }) => context.isServingStandIns,
    /** The worker that it was claimed for is gone, or on its way: it would never be told of the job's end. */
    hasLeaseInVain: ({ context }, params: { lease: Lease | null }) =>
      params.lease !== null && !context.isWorkerConnected,
    wantsFreshProcess: (_, params: { wantsFreshProcess: boolean }) => params.wantsFreshProcess,
    hasLease: (_, params: { lease: Lease | null }) => params.lease !== null,
    isReady: (_, params: { preparation: Preparation }) => params.preparation.kind === "ready",
    /** One load an attempt: a worker that does not hold what was loaded would be asked for ever. */
    needsModel: ({ context }, params: { preparation: Preparation }) =>
      params.preparation.kind === "load" && context.wantedModel === null,
    isWanted: ({ context }, params: { model: ModelId }) => context.wantedModel === params.model,
    isWaitingForModel: ({ context }) => context.wantedModel !== null,
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
      stillSinceMs: null,
      report: null,
    })),
    storeLease: assign((_, params: { lease: Lease | null }) => ({
      lease: params.lease,
      isUnderWay: false,
      report: null,
      settlement: null,
      longPhaseMs: null,
      stillSinceMs: null,
      stepLimits: unknownLimits,
      wantedModel: null,
    })),
    storeDue: assign((_, params: { dueAtMs: number | null }) => params),
    storePrepared: assign((_, params: { preparation: Preparation }) =>
      params.preparation.kind === "ready" ? { lease: params.preparation.lease, wantedModel: null } : {},
    ),
    reportPlanned: enqueueActions(({ context, enqueue }, params: { preparation: Preparation }) => {
      if (params.preparation.kind !== "ready") return;
      const report: PipelineReport = {
        type: "render.planned",
        workerId: context.workerId,
        peakBytes: params.preparation.peakBytes,
      };
      enqueue.sendTo(context.parent, report);
    }),
    wantModel: enqueueActions(({ context, enqueue }, params: { preparation: Preparation }) => {
      if (params.preparation.kind !== "load") return;
      const { model, profile } = params.preparation;
      enqueue.assign({ wantedModel: model });
      const report: PipelineReport = { type: "model.wanted", workerId: context.workerId, model, profile };
      enqueue.sendTo(context.parent, report);
    }),
    dropLease: assign({ lease: null, report: null, isUnderWay: false, settlement: null }),
    storeReport: assign((_, params: { report: RenderReport }) => ({ report: params.report })),
    storePhase: assign((_, params: { longPhaseMs: number | null; limits: StepLimits }) => ({
      longPhaseMs: params.longPhaseMs,
      stepLimits: params.limits,
    })),
    noteStill: assign((_, params: { sinceMs: number | null }) => ({ stillSinceMs: params.sinceMs })),
    storeSettlement: assign((_, params: { settlement: Settlement }) => ({ settlement: params.settlement })),
    storeStall: assign(({ context }) => ({
      settlement: { kind: "death" as const, evidence: stallOf(context), isOwnDoing: false, hasBegun: true },
    })),
    setAdmission: assign((_, params: { admission: Admission }) => ({ admission: params.admission })),
    spendAdmission: assign(({ context }) => ({
      admission: context.admission === "one" ? ("none" as const) : context.admission,
    })),
    hold: assign(({ context }, params: { by: string }) => ({
      suspendedBy: [...new Set([...context.suspendedBy, params.by])],
    })),
    letGo: assign(({ context }, params: { by: string }) => ({
      suspendedBy: context.suspendedBy.filter((holder) => holder !== params.by),
    })),
    letAllGo: assign({ suspendedBy: [] }),
    serveStandIns: assign({ isServingStandIns: true }),
    endStandIns: assign({ isServingStandIns: false }),
    planStop: assign({ isStopping: true }),
    pause: assign({ isPaused: true }),
    unpause: assign({ isPaused: false }),
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
    noteNews: assign({ hasNews: true, dueAtMs: null }),
    forgetNews: assign({ hasNews: false }),
    forgetCommit: assign({ committingJobId: null }),
    reportBegun: sendTo(
      ({ context }) => context.parent,
      ({ context }): PipelineReport => ({
        type: "job.begun",
        workerId: context.workerId,
        jobId: context.lease?.jobId ?? "",
      }),
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
      ({ context }, params: { fault: Fault }): PipelineReport =>
        faultReport(context, params.fault, context.lease?.jobId ?? null),
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
      ({ context }): PipelineReport => ({
        type: "pipeline.stalled",
        workerId: context.workerId,
        jobId: context.lease?.jobId ?? "",
        evidence: stallOf(context),
      }),
    ),
    requestFreshProcess: sendTo(
      ({ context }) => context.parent,
      ({ context }): PipelineReport => ({ type: "worker.recycle", workerId: context.workerId }),
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
    pollMs: ({ context }) => {
      const { dueAtMs, clock, limits } = context;
      return dueAtMs === null ? limits.pollMs : Math.min(limits.pollMs, Math.max(0, dueAtMs - clock.nowMs()));
    },
    claimMs: ({ context }) => context.limits.claimMs,
    prepareMs: ({ context }) => context.limits.prepareMs,
    stallMs: ({ context }) => stallMsOf(context),
    cancelMs: ({ context }) => context.stepLimits.cancelMs,
    killMs: ({ context }) => context.limits.killMs,
    commitMs: ({ context }) => context.limits.commitMs,
    settleRetryMs: ({ context }) => context.limits.settleRetryMs,
    suspendedMs: ({ context }) => context.limits.suspendedMs,
  },
});
