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
  tryCount: 0,
  fetchCount: 0,
  areFilesReadAgain: false,
  fault: null,
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
    /** The test render of the wanted model, which must be on the card; resolves with null when it passed, else with the fault. */
    proveModel: promiseOf<Fault | null, LoadOrder>("proveModel"),
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
    triesRemain: ({ context }) => context.tryCount < context.limits.retryCount && context.fault?.retryable === true,
    isPresent: (_, params: { resolution: Resolution }) => params.resolution.kind === "present",
    isSound: (_, params: { brokenFile: string | null }) => params.brokenFile === null,
    isProven: (_, params: { fault: Fault | null }) => params.fault === null,
    isWantedAlready: ({ context }, params: { model: ModelId; profile: LoadProfile }) =>
      context.wanted.model === params.model && context.wanted.profile === params.profile,
    fetchesRemain: ({ context }) => context.fetchCount < context.limits.fetchCount,
    holdsWanted: ({ context }, params: { residentModel: ModelId | null; isAdopted: boolean }) =>
      params.isAdopted && params.residentModel === context.wanted.model,
  },
  actions: {
    noteConnected: assign({ isWorkerConnected: true, tryCount: 0 }),
    noteExited: assign({ isWorkerConnected: false }),
    want: assign((_, params: { model: ModelId; profile: LoadProfile }) => ({
      wanted: { model: params.model, profile: params.profile },
      tryCount: 0,
      areFilesReadAgain: false,
    })),
    wantOwn: assign({ wanted: ({ context }) => context.own, tryCount: 0, areFilesReadAgain: false, fault: null }),
    readAgain: assign({ areFilesReadAgain: true }),
    countFetch: assign({ fetchCount: ({ context }) => context.fetchCount + 1 }),
    forgetFetches: assign({ fetchCount: 0 }),
    countTry: assign({ tryCount: ({ context }) => context.tryCount + 1 }),
    forgetTries: assign({ tryCount: 0, areFilesReadAgain: false, fault: null }),
    noteAdopted: assign(({ context }, params: { profile: LoadProfile | null }) => ({
      isWorkerConnected: true,
      wanted: { model: context.wanted.model, profile: params.profile ?? context.wanted.profile },
    })),
    noteFault: assign((_, params: { fault: Fault | null }) => ({ fault: params.fault })),
    reportProven: sendTo(
      ({ context }) => context.parent,
      ({ context }): ModelLoaderReport => ({ type: "model.proven", workerId: context.workerId, ...context.wanted }),
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
    proveMs: ({ context }) => context.limits.proveMs,
    unloadMs: ({ context }) => context.limits.unloadMs,
    retryMs: ({ context }) => retryDelayMs("model_loading", context.tryCount, 0.5) ?? 0,
    permanentRestMs: ({ context }) => context.limits.permanentRestMs,
  },
});
