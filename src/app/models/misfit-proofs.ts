/**
 * Proves again what is known against sizes: on an idle worker, when the time of such a fact has come or a job waits for it. A
 * job would have to fail for it otherwise, or wait for something that is long over.
 */
import type { Clock } from "../../core/clock.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { needsImage } from "../../core/model-figures.ts";
import type { ArtifactFiles } from "../../core/ports/artifact-files.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { WorkerClient } from "../../core/ports/worker.ts";
import { minuteMs } from "../../core/units.ts";
import { isLetAlone, modelHeldBy, type Supervisor } from "../../machines/supervisor-view.ts";
import { classify } from "../../recovery/classify.ts";
import { isCardClean } from "../../recovery/envelopes.ts";
import type { LearnedMemory } from "../rendering/learned.ts";
import type { WaitingJobs } from "../rendering/waiting-jobs.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";
import { isIdle } from "./idle-worker.ts";
import type { LoadedProfiles } from "./loaded-profiles.ts";

export interface ProofNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly catalog: ModelCatalog;
  readonly config: { readonly workers: readonly { readonly id: string }[] };
  readonly links: Pick<WorkerLinks, "clientOf">;
  readonly artifacts: Pick<ArtifactFiles, "checkpointDir">;
  readonly envelopes: Pick<LearnedMemory, "provableMisfits" | "noteFit" | "noteMisfit">;
  readonly profiles: Pick<LoadedProfiles, "of">;
  readonly waitingJobs: WaitingJobs;
  readonly store: { readonly jobs: Pick<JobStore, "hasten"> };
}

type Provable = ReturnType<LearnedMemory["provableMisfits"]>[number];

/** One that gave no answer, or the same one, is not asked for again within this time. */
const againAfterMs = 10 * minuteMs;
const holder = "a proof of memory";
const proofName = "memory-proof";

async function prove(
  parts: ProofNeeds,
  client: WorkerClient,
  misfit: Provable,
  signal: AbortSignal,
): Promise<"fits" | "not" | "unknown"> {
  const { catalog, artifacts, envelopes } = parts;
  const model = catalog.entryOf(misfit.model);
  const { phase, ...size } = misfit.proof;
  const { memory, profile } = await client.stats(signal);
  if (profile !== misfit.profile || !isCardClean(memory, { model, profile })) return "unknown";
  const request = {
    ...size,
    model: model.id,
    prompt: "a proof of memory",
    framesPerSecond: model.framesPerSecond,
    steps: model.defaultSteps,
    seed: 0,
    loraPath: null,
    loraStrength: 1,
  };
  const order = { kind: "phase", phase, request, checkpointDir: artifacts.checkpointDir(proofName) } as const;
  const { passed, failure } = await client.probe(order, signal);
  const envelope = { model, ...size };
  if (passed) {
    await envelopes.noteFit(misfit, envelope);
    return "fits";
  }
  if (failure === null || classify({ workerFailure: failure }).code !== "GPU_OUT_OF_MEMORY") return "unknown";
  await envelopes.noteMisfit(misfit, envelope, { isClean: true, phase });
  return "not";
}

/** Looks at every idle worker, and proves one size on each that has something to prove. */
export function createMisfitProofs(parts: ProofNeeds, supervisor: Supervisor): (signal: AbortSignal) => Promise<void> {
  const { clock, catalog, links, envelopes, waitingJobs, store } = parts;
  const askedAtMs = new Map<string, number>();
  const keyOf = ({ deviceUuid, profile, model, tokens }: Provable): string =>
    [deviceUuid, profile, model, tokens].join(" ");
  const isDue = (misfit: Provable): boolean => {
    const nowMs = clock.nowMs();
    const isWanted = misfit.untilMs <= nowMs || waitingJobs.count() > 0;
    return isWanted && nowMs - (askedAtMs.get(keyOf(misfit)) ?? Number.NEGATIVE_INFINITY) >= againAfterMs;
  };
  const dueOn = (client: WorkerClient, workerId: string): Provable | undefined => {
    const model = modelHeldBy(supervisor.getSnapshot(), workerId)?.model;
    // A model that begins from an image has nothing to begin from here: its next job is its proof.
    if (model === undefined || needsImage(catalog.entryOf(model))) return undefined;
    const place = { deviceUuid: client.identity.device.uuid, profile: parts.profiles.of(workerId) };
    return envelopes.provableMisfits(place, model).find(isDue);
  };
  const lookAt = async (workerId: string, signal: AbortSignal): Promise<void> => {
    const client = links.clientOf(workerId);
    if (client === null || !isIdle(supervisor, workerId)) return;
    const misfit = dueOn(client, workerId);
    if (misfit === undefined) return;
    supervisor.send({ type: "worker.hold", workerId, by: holder });
    try {
      if (!isLetAlone(supervisor.getSnapshot(), workerId)) return;
      askedAtMs.set(keyOf(misfit), clock.nowMs());
      if ((await prove(parts, client, misfit, signal)) !== "fits") return;
      await store.jobs.hasten(waitingJobs.take());
      supervisor.send({ type: "jobs.becameAvailable" });
    } finally {
      supervisor.send({ type: "worker.letGo", workerId, by: holder });
    }
  };
  return async (signal) => {
    for (const { id } of parts.config.workers) await lookAt(id, signal);
  };
}
