/**
 * The effects of the model loader machine: find the files, fetch, verify, load, prove by a test render, unload. A
 * model counts as loaded only after its test render.
 */
import { fromCallback, fromPromise } from "xstate";
import type { Clock, TimerHandle } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Fault } from "../../core/fault.ts";
import type { ArtifactFiles } from "../../core/ports/artifact-files.ts";
import type { ProbeOrder } from "../../core/ports/worker.ts";
import { minuteMs } from "../../core/units.ts";
import type {
  LoadOrder,
  ModelLoaderEvent,
  ModelProof,
  ProveOrder,
  Resolution,
  VerifyOrder,
} from "../../machines/model-loader-types.ts";
import { classify, classifyThrown } from "../../recovery/classify.ts";
import { clipWords } from "../../recovery/fit-sentences.ts";
import type { LastRenders } from "../rendering/last-renders.ts";
import { toWorkerRequest } from "../rendering/render.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";
import type { LoadGate } from "./load-gate.ts";
import { downloadFiles, findBrokenFile, resolveFiles } from "./model-files.ts";
import { type LoadNeeds, prepareLoad } from "./prepare-load.ts";

export interface LoaderNeeds extends LoadNeeds {
  readonly clock: Clock;
  readonly links: Pick<WorkerLinks, "clientOf" | "connected" | "onNotice">;
  readonly artifacts: Pick<ArtifactFiles, "checkpointDir" | "pathOf">;
  readonly lastRenders: Pick<LastRenders, "of">;
  readonly loadGate: Pick<LoadGate, "enter">;
}

/** While a load waits for its turn it is not stuck: whoever is before it has a deadline of its own. */
const tellWaitingEveryMs = minuteMs;

/** Weights pass through the host's memory: as many loads at once as fit into it. */
async function takeTurn(
  parts: LoaderNeeds,
  { workerId, model }: LoadOrder,
  onWait: () => void,
  signal: AbortSignal,
): Promise<() => void> {
  const { clock, catalog, loadGate } = parts;
  const needBytes = parts.links.connected(workerId).identity.isSimulated ? 0 : catalog.entryOf(model).weightBytes;
  let timer: TimerHandle | undefined;
  const wait = (): void => {
    onWait();
    timer = clock.setTimer(wait, tellWaitingEveryMs);
  };
  timer = clock.setTimer(wait, tellWaitingEveryMs);
  try {
    return await loadGate.enter(needBytes, signal);
  } finally {
    clock.clearTimer(timer);
  }
}

/** The memory mode is read at the moment of the load: recovery may have made it leaner since the order. */
function load(parts: LoaderNeeds, order: LoadOrder, send: (event: ModelLoaderEvent) => void): () => void {
  const giveUp = new AbortController();
  const stopListening = parts.links.onNotice(order.workerId, (notice) => {
    if (notice.kind === "loadProgress" && notice.model === order.model)
      send({ type: "load.progressed", ratio: notice.ratio });
  });
  const begin = async (): Promise<void> => {
    const leave = await takeTurn(parts, order, () => send({ type: "load.progressed", ratio: 0 }), giveUp.signal);
    try {
      await loadOrStepBack(parts, order, giveUp.signal);
    } finally {
      leave();
    }
    send({ type: "load.succeeded" });
  };
  void begin().catch((thrown: unknown) => {
    if (!giveUp.signal.aborted) send({ type: "load.failed", fault: classifyThrown(thrown, { phase: "load" }) });
  });
  return () => {
    giveUp.abort();
    stopListening();
  };
}

async function loadNow(parts: LoaderNeeds, { workerId, model }: LoadOrder, signal: AbortSignal): Promise<void> {
  const profile = await prepareLoad(parts, workerId, model);
  await parts.links.connected(workerId).loadModel({ model, profile }, signal);
}

/** A step to a richer memory mode that cannot even be loaded is no fault: the mode is as it was before. */
async function loadOrStepBack(parts: LoaderNeeds, order: LoadOrder, signal: AbortSignal): Promise<void> {
  try {
    await loadNow(parts, order, signal);
  } catch (thrown) {
    if (signal.aborted || !parts.profiles.stepBack(order.workerId, `its load failed: ${messageOf(thrown)}`))
      throw thrown;
    await loadNow(parts, order, signal);
  }
}

/** Neither is one whose test render fails: the mode before it is loaded and proven instead. */
async function prove(parts: LoaderNeeds, order: ProveOrder, signal: AbortSignal): Promise<ModelProof> {
  const proof = await proveOnce(parts, order, signal);
  const { fault } = proof;
  if (fault === null) parts.profiles.confirm(order.workerId);
  if (fault === null || !parts.profiles.stepBack(order.workerId, `its test render failed: ${fault.message}`))
    return proof;
  await loadNow(parts, order, signal);
  return proveOnce(parts, order, signal);
}

interface Test {
  readonly request: ProbeOrder;
  readonly size: ModelProof["size"];
  readonly what: string;
}

/** What the worker failed at or rendered last, where a trial is asked for and that was with this model. */
function testOf(parts: LoaderNeeds, { workerId, model, isJobSize }: ProveOrder): Test {
  const last = isJobSize ? parts.lastRenders.of(workerId) : null;
  if (last?.request.model !== model)
    return { request: { kind: "canary", model }, size: "canary", what: "a small test render" };
  const { jobId, request, phase } = last;
  const checkpointDir = parts.artifacts.checkpointDir(jobId);
  return {
    request: { kind: "phase", phase, request: toWorkerRequest(parts, request), checkpointDir },
    size: "job",
    what: `a test render of a job's size (${phase} of ${clipWords(request)})`,
  };
}

async function proveOnce(parts: LoaderNeeds, order: ProveOrder, signal: AbortSignal): Promise<ModelProof> {
  const { request, size, what } = testOf(parts, order);
  return { size, what, fault: await faultOfTest(parts, order, request, signal) };
}

async function faultOfTest(
  parts: LoaderNeeds,
  order: LoadOrder,
  request: ProbeOrder,
  signal: AbortSignal,
): Promise<Fault | null> {
  const client = parts.links.connected(order.workerId);
  // Recovery may have put another model on the card since: its test render would prove nothing about this one.
  if ((await client.stats(signal)).residentModel !== order.model)
    return classify({ phase: "load", message: `${order.model} is not on the card` });
  const report = await client.probe(request, signal);
  if (report.passed) return null;
  return report.failure === null
    ? classify({ phase: "load", message: "the test render did not finish" })
    : classify({ workerFailure: report.failure });
}

export const loaderActors = (parts: LoaderNeeds) => ({
  resolveModel: fromPromise<Resolution, LoadOrder>(({ input }) => resolveFiles(parts.models, input.model)),
  downloadModel: fromCallback<ModelLoaderEvent, LoadOrder>(({ input, sendBack }) =>
    downloadFiles(parts.models, input.model, sendBack),
  ),
  verifyModel: fromPromise<string | null, VerifyOrder>(({ input }) =>
    findBrokenFile(parts.models, input.model, input.isRehash),
  ),
  loadModel: fromCallback<ModelLoaderEvent, LoadOrder>(({ input, sendBack }) => load(parts, input, sendBack)),
  proveModel: fromPromise<ModelProof, ProveOrder>(({ input, signal }) => prove(parts, input, signal)),
  unloadModel: fromPromise<void, { workerId: string }>(async ({ input, signal }) => {
    await parts.links.connected(input.workerId).unloadModel(signal);
  }),
  clearCache: fromPromise<void, { workerId: string }>(async ({ input, signal }) => {
    await parts.links.connected(input.workerId).runAction({ action: "clear_gpu_cache" }, signal);
  }),
});
