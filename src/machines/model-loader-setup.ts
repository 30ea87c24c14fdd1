/** Everything that the loader's chart names: guards, actions, delays, and the effects that src/app provides. */
import { assign, sendTo, setup } from "xstate";
import type { Fault } from "../core/fault.ts";
import type { LoadProfile, MachineTag, ModelId } from "../core/words.ts";
import { classify, classifyThrown, faultOf } from "../recovery/classify.ts";
import { recognition } from "../recovery/recognition.ts";
import { retryDelayMs } from "../recovery/retry-delays.ts";
import {
  defaultModelLoaderLimits,
  type LoadOrder,
  type ModelLoaderContext,
  type ModelLoaderEvent,
  type ModelLoaderInput,
  type ModelLoaderReport,
  type ModelProof,
  type ProveOrder,
  type Resolution,
  type VerifyOrder,
} from "./model-loader-types.ts";
import { callbackOf, promiseOf } from "./not-provided.ts";

/** The context of a loader whose worker has not come yet. */
export const contextOf = (input: ModelLoaderInput): ModelLoaderContext => ({
  workerId: input.workerId,
  parent: input.parent,
  clock: input.clock,
  limits: { ...defaultModelLoaderLimits, ...input.limits },
  own: { model: input.model, profile: input.profile },
  wanted: { model: input.model, profile: input.profile },
  isWorkerConnected: false,
  failedCount: 0,
  downloadCount: 0,
  areFilesReadAgain: false,
  fault: null,
  trial: "none",
  rendered: null,
});

export const orderOf = ({ context }: { context: ModelLoaderContext }): LoadOrder => ({
  workerId: context.workerId,
  ...context.wanted,
});

/** A step of loading that did not answer within its time. */
export const overdueFault = (what: string): Fault =>
  faultOf(recognition("stall", 0.6, `${what} gave no sign of activity`), {
    phase: "load",
    message: `${what} gave no sign of activity within its time.`,
  });

/** Fetched again and again, the file still does not match its hash: another fetch would give the same. */
export function corruptFault(brokenFile: string | null): Fault {
  const name = brokenFile ?? "A model file";
  const message = `${name} does not match its hash, however often it is fetched.`;
  return classify({ phase: "load", brokenFile: name, message });
}

export const rejectionFault = (what: string, thrown: unknown): Fault =>
  classifyThrown(thrown, { phase: "load", during: what });

/** Wanted by a job, and not the model that this worker is there for. */
const isOfJob = ({ wanted, own }: ModelLoaderContext): boolean => wanted.model !== own.model;

/** The wait after so many tries that failed; null when the last of them was the last one. */
const waitMsOf = ({ limits }: ModelLoaderContext, failedCount: number): number | null =>
  retryDelayMs(limits.loads, failedCount, 0.5);

type ModelLoad = Extract<ModelLoaderEvent, { type: "model.load" }>;

/** Whoever asks for the model that is being made ready waits for the same load; another wish begins a load of its own. */
export const joinSameLoad = {
  "model.ensure": { description: "Joins the load that is under way." },
  "model.load": {
    guard: {
      type: "isWantedAlready" as const,
      params: ({ event }: { event: ModelLoad }) => ({ model: event.model, profile: event.profile }),
    },
    description: "Joins the load that is under way.",
  },
} as const;

export const modelLoaderSetup = setup({
  types: {
    context: {} as ModelLoaderContext,
    events: {} as ModelLoaderEvent,
    input: {} as ModelLoaderInput,
    tags: {} as MachineTag,
  },
  actors: {
    /** Looks which files the model needs and which are missing; asks no worker. */
    resolveModel: promiseOf<Resolution, LoadOrder>("resolveModel"),
    downloadModel: callbackOf<ModelLoaderEvent, LoadOrder>("downloadModel"),
    /** Every file matches its hash; resolves with the name of the first that does not, or null. */
    verifyModel: promiseOf<string | null, VerifyOrder>("verifyModel"),
    loadModel: callbackOf<ModelLoaderEvent, LoadOrder>("loadModel"),
    /** A test render of the wanted model, which must be on the card. */
    proveModel: promiseOf<ModelProof, ProveOrder>("proveModel"),
    unloadModel: promiseOf<void, { workerId: string }>("unloadModel"),
    /** Asked before a second try: leftovers of the first may hold the memory. */
    clearCache: promiseOf<void, { workerId: string }>("clearCache"),
  },
  guards: {
    isConnected: ({ context }) => context.isWorkerConnected,
    isOfJob: ({ context }) => isOfJob(context),
    /** The worker says that the files are not what they should be, and they were not read since. */
    areFilesSuspect: ({ context }) =>
      isOfJob(context) && context.fault?.attribution === "model" && !context.areFilesReadAgain,
    isWorkerGone: ({ context }) =>
      waitMsOf(context, context.failedCount + 1) !== null && context.fault?.code === "WORKER_EXITED",
    triesRemain: ({ context }) =>
      waitMsOf(context, context.failedCount + 1) !== null && context.fault?.retryable === true,
    isPresent: (_, params: { resolution: Resolution }) => params.resolution.kind === "present",
    isSound: (_, params: { brokenFile: string | null }) => params.brokenFile === null,
    isProven: (_, params: { proof: ModelProof }) => params.proof.fault === null,
    isTrialOwed: ({ context }) => context.trial === "owed",
    isWantedAlready: ({ context }, params: { model: ModelId; profile: LoadProfile }) =>
      context.wanted.model === params.model && context.wanted.profile === params.profile,
    downloadsRemain: ({ context }) => context.downloadCount < context.limits.downloadCount,
    holdsWanted: ({ context }, params: { residentModel: ModelId | null; isAdopted: boolean }) =>
      params.isAdopted && params.residentModel === context.wanted.model,
  },
  actions: {
    noteConnected: assign({ isWorkerConnected: true, failedCount: 0 }),
    // The next process owes what this one was asked for.
    noteExited: assign(({ context }) => ({
      isWorkerConnected: false,
      trial: context.trial === "running" ? "owed" : context.trial,
    })),
    oweTrial: assign({ trial: "owed" }),
    beginTrial: assign(({ context }) => ({ trial: context.trial === "none" ? "none" : "running" })),
    dropTrial: assign({ trial: "none" }),
    noteProof: assign(({ context }, { proof: { size, what } }: { proof: ModelProof }) => ({
      trial: context.trial === "running" ? "none" : context.trial,
      rendered: context.trial === "running" ? { size, what } : null,
    })),
    forgetProof: assign({ rendered: null }),
    want: assign((_, params: { model: ModelId; profile: LoadProfile }) => ({
      wanted: { model: params.model, profile: params.profile },
      failedCount: 0,
      areFilesReadAgain: false,
    })),
    wantOwn: assign({ wanted: ({ context }) => context.own, failedCount: 0, areFilesReadAgain: false, fault: null }),
    readAgain: assign({ areFilesReadAgain: true }),
    countDownload: assign({ downloadCount: ({ context }) => context.downloadCount + 1 }),
    forgetDownloads: assign({ downloadCount: 0 }),
    countFailure: assign({ failedCount: ({ context }) => context.failedCount + 1 }),
    forgetTries: assign({ failedCount: 0, areFilesReadAgain: false, fault: null }),
    noteAdopted: assign(({ context }, params: { profile: LoadProfile | null }) => ({
      isWorkerConnected: true,
      wanted: { model: context.wanted.model, profile: params.profile ?? context.wanted.profile },
    })),
    noteFault: assign((_, params: { fault: Fault | null }) => ({ fault: params.fault })),
    reportProven: sendTo(
      ({ context }) => context.parent,
      ({ context }): ModelLoaderReport => ({
        type: "model.proven",
        workerId: context.workerId,
        ...context.wanted,
        trial: context.rendered,
      }),
    ),
    reportUnloaded: sendTo(
      ({ context }) => context.parent,
      ({ context }): ModelLoaderReport => ({ type: "model.unloaded", workerId: context.workerId }),
    ),
    reportFailed: sendTo(
      ({ context }) => context.parent,
      ({ context }, params: { type: "model.loadFailed" | "model.setAside" }): ModelLoaderReport => ({
        ...params,
        workerId: context.workerId,
        model: context.wanted.model,
        fault: context.fault ?? overdueFault("loading"),
      }),
    ),
    reportRetry: sendTo(
      ({ context }) => context.parent,
      ({ context }): ModelLoaderReport => ({
        type: "model.loadRetried",
        workerId: context.workerId,
        model: context.wanted.model,
        fault: context.fault ?? overdueFault("loading"),
        // The one that has just failed is not counted yet.
        tryNumber: context.failedCount + 2,
        tryCount: context.limits.loads.tryCount,
        retryAtMs: context.clock.nowMs() + (waitMsOf(context, context.failedCount + 1) ?? 0),
      }),
    ),
    raiseFault: sendTo(
      ({ context }) => context.parent,
      ({ context }): ModelLoaderReport => ({
        type: "fault.raised",
        isHealthOnly: false,
        report: {
          fault: context.fault ?? overdueFault("loading"),
          workerId: context.workerId,
          model: context.wanted.model,
          jobId: null,
          atMs: context.clock.nowMs(),
        },
      }),
    ),
  },
  delays: {
    resolveMs: ({ context }) => context.limits.resolveMs,
    downloadStallMs: ({ context }) => context.limits.downloadStallMs,
    verifyMs: ({ context }) => context.limits.verifyMs,
    stuckMs: ({ context }) => context.limits.stuckMs,
    proveMs: ({ context: { trial, limits } }) => (trial === "running" ? limits.proveJobSizeMs : limits.proveMs),
    unloadMs: ({ context }) => context.limits.unloadMs,
    retryMs: ({ context }) => waitMsOf(context, context.failedCount) ?? 0,
    permanentRestMs: ({ context }) => context.limits.permanentRestMs,
  },
});
