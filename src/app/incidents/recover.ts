/**
 * Carries out what recovery decides: measures before a rung, acts, measures again, and runs the proofs. It returns
 * evidence alone; whether an action helped is said by recovery/verdicts.ts.
 */
import { messageOf, UnderstudyError } from "../../core/errors.ts";
import type { ActionEvidence } from "../../core/fault.ts";
import type { Change, JobView, RenderRequest } from "../../core/job.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { peakBytes, residentBytes } from "../../core/model-figures.ts";
import type { ArtifactFiles } from "../../core/ports/artifact-files.ts";
import type { GpuAdapter } from "../../core/ports/gpu-adapter.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { WorkerClient, WorkerStats } from "../../core/ports/worker.ts";
import { endedJobStates, type LoadProfile, loadProfiles, type ModelId } from "../../core/words.ts";
import type { Fit } from "../../jobs/fit.ts";
import type { PerformActionInput, ProbeAnswer, RecoveryTarget, RungEvidence } from "../../machines/recovery-types.ts";
import { classify } from "../../recovery/classify.ts";
import { envelopeOf, isCardClean } from "../../recovery/envelopes.ts";
import { clipWords } from "../../recovery/fit-sentences.ts";
import { type RungFacts, unknownFacts } from "../../recovery/preconditions.ts";
import type { AttemptMemory } from "../rendering/attempt-memory.ts";
import type { LearnedMemory } from "../rendering/learned.ts";
import type { Resident } from "../rendering/plan-render.ts";
import { toWorkerRequest } from "../rendering/render.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";

export interface RecoverPorts {
  readonly catalog: ModelCatalog;
  readonly jobs: Pick<JobStore, "get">;
  readonly artifacts: Pick<ArtifactFiles, "pathOf" | "checkpointDir">;
  readonly links: Pick<WorkerLinks, "clientOf" | "connected">;
  readonly gpu: GpuAdapter;
  /** The model that a worker holds when no job wants another. */
  readonly ownModelOf: (workerId: string) => ModelId;
  /** Whether a hub may be asked for the model's files; null where models have no files. */
  readonly canFetchFiles: (model: ModelId) => boolean | null;
  /** Fetches what is missing or wrong; whether every file matches its hash then. Null where models have no files. */
  readonly repairFiles: (model: ModelId) => Promise<boolean | null>;
  /** What the job allows to change so that it fits beside the model as it is loaded; null when nothing does. */
  readonly planReduction: (workerId: string, job: JobView, resident: Resident) => Fit | null;
  readonly envelopes: Pick<LearnedMemory, "peakOf" | "noteMisfit" | "noteFit">;
  readonly attempts: Pick<AttemptMemory, "wasClean">;
  /** Everything that stands before a load; the memory mode in which this worker carries the model. */
  readonly prepareLoad: (workerId: string, model: ModelId) => Promise<LoadProfile>;
  /** The worker's next load chooses from this memory mode on; the offload rung makes it leaner. */
  readonly setProfile: (workerId: string, profile: LoadProfile, why: string) => void;
  /** Whether the condition behind the fault is measured no more; null when it cannot be measured from outside. */
  readonly isConditionGone: (target: RecoveryTarget) => Promise<boolean | null>;
}

const noEvidence: RungEvidence = {
  evidence: null,
  neededBytes: null,
  filesMatch: null,
  isConditionGone: null,
  error: null,
};

/** Of the jobs that failed one that is still to be rendered, else any that is kept; null when there is none. */
async function jobOf({ jobs }: RecoverPorts, { jobIds }: RecoveryTarget): Promise<JobView | null> {
  let ended: JobView | null = null;
  for (const jobId of jobIds) {
    const job = await jobs.get(jobId);
    if (job !== null && !endedJobStates.includes(job.state)) return job;
    ended ??= job;
  }
  return ended;
}

const modelToFetch = (ports: RecoverPorts, { model, workerId }: RecoveryTarget): ModelId =>
  model ?? ports.ownModelOf(workerId);

export function leanerProfile(client: WorkerClient, current: LoadProfile | null): LoadProfile | null {
  const from = current === null ? 0 : loadProfiles.indexOf(current) + 1;
  return loadProfiles.slice(from).find((profile) => client.identity.profiles.includes(profile)) ?? null;
}

/** What the failed job needs beside the resident model, in bytes; null when there is no job. */
function neededBytesOf({ catalog }: RecoverPorts, job: JobView | null, stats: WorkerStats): number | null {
  if (job === null) return null;
  const { request } = job.spec;
  const profile = stats.profile ?? "model-offload";
  const resident = stats.residentModel === null ? 0 : residentBytes(catalog.entryOf(stats.residentModel), profile);
  return Math.max(0, peakBytes(catalog.entryOf(request.model), request, profile) - resident - stats.memory.freeBytes);
}

/** What is known before a rung is tried; unreachable workers leave everything else unknown. */
export async function examineRung(
  ports: RecoverPorts,
  target: RecoveryTarget,
  signal: AbortSignal,
): Promise<RungFacts> {
  const client = ports.links.clientOf(target.workerId);
  if (client === null) return { ...unknownFacts, isWorkerConnected: false };
  const job = await jobOf(ports, target);
  const stats = await client.stats(signal);
  const plan = reductionOf(ports, target, job, stats);
  return {
    ...unknownFacts,
    isWorkerConnected: true,
    canFetchFiles: ports.canFetchFiles(modelToFetch(ports, target)),
    reservedUnallocatedBytes: Math.max(0, stats.memory.reservedBytes - stats.memory.allocatedBytes),
    neededBytes: neededBytesOf(ports, job, stats),
    hasLeanerProfile: leanerProfile(client, stats.profile) !== null,
    hasConsentedReduction: job === null ? null : plan !== null && plan.changes.length > 0,
    supportedActions: client.identity.actions,
    isNeighbourToBlame: isNeighbourToBlame(stats, client),
  };
}

const residentOf = ({ residentModel, profile }: WorkerStats): Resident | null =>
  residentModel === null || profile === null ? null : { model: residentModel, profile };

/** Others hold more of the card than this worker does, and this worker's own cache could not make up for it. */
function isNeighbourToBlame(stats: WorkerStats, client: WorkerClient): boolean {
  const { totalBytes } = client.identity.device;
  const othersBytes = totalBytes - stats.memory.freeBytes - stats.memory.reservedBytes;
  return othersBytes > totalBytes / 2;
}

async function offload(
  ports: RecoverPorts,
  target: PerformActionInput,
  client: WorkerClient,
  signal: AbortSignal,
): Promise<ActionEvidence> {
  const stats = await client.stats(signal);
  const profile = leanerProfile(client, stats.profile);
  if (profile === null) throw new UnderstudyError("WORKER_ERROR", "the leanest load profile is in use already");
  ports.setProfile(target.workerId, profile, "a repair for want of memory");
  return ports.gpu.enableOffload(
    target.workerId,
    { model: stats.residentModel ?? target.model ?? ports.ownModelOf(target.workerId), profile },
    signal,
  );
}

function reductionOf(ports: RecoverPorts, target: RecoveryTarget, job: JobView | null, stats: WorkerStats): Fit | null {
  const resident = residentOf(stats);
  return job === null || resident === null ? null : ports.planReduction(target.workerId, job, resident);
}

const describeChange = ({ field, from, to }: Change): string => `${field} ${to} instead of ${from}`;

/** Nothing is done to the card: what the job allows to change is chosen, and the proof runs the failed phase in that form. */
async function reduce(
  ports: RecoverPorts,
  target: PerformActionInput,
  client: WorkerClient,
  job: JobView | null,
  signal: AbortSignal,
): Promise<RungEvidence> {
  const stats = await client.stats(signal);
  const plan = reductionOf(ports, target, job, stats);
  if (plan === null || plan.changes.length === 0)
    return { ...noEvidence, error: "nothing that the job allows to change would fit" };
  const place = { deviceUuid: client.identity.device.uuid, profile: plan.profile };
  const resident =
    stats.residentModel === null ? 0 : residentBytes(ports.catalog.entryOf(stats.residentModel), plan.profile);
  const neededBytes = Math.max(0, ports.envelopes.peakOf(place, envelopeOf(ports.catalog, plan.request)) - resident);
  const evidence = await ports.gpu.reduce(target.workerId, plan.changes.map(describeChange), signal);
  return { ...noEvidence, neededBytes, evidence };
}

async function measureAround(
  ports: RecoverPorts,
  target: PerformActionInput,
  signal: AbortSignal,
): Promise<RungEvidence> {
  // Host and card are measured from outside, whether the worker lives or not.
  if (target.action === "system_health_check")
    return { ...noEvidence, isConditionGone: await ports.isConditionGone(target) };
  const client = ports.links.connected(target.workerId);
  const job = await jobOf(ports, target);
  const neededBytes = neededBytesOf(ports, job, await client.stats(signal));
  switch (target.action) {
    case "clear_gpu_cache":
      return {
        ...noEvidence,
        neededBytes,
        evidence: await ports.gpu.clearCache(target.workerId, neededBytes ?? 0, signal),
      };
    case "apply_vram_optimization":
      return { ...noEvidence, neededBytes, evidence: await ports.gpu.applyOptimization(target.workerId, signal) };
    case "enable_cpu_offload":
      return { ...noEvidence, neededBytes, evidence: await offload(ports, target, client, signal) };
    case "reduce_generation_params":
      return reduce(ports, target, client, job, signal);
    case "retry_model_download":
      return { ...noEvidence, filesMatch: await ports.repairFiles(modelToFetch(ports, target)) };
    case "restart_pipeline":
    case "fallback_to_mock":
      return { ...noEvidence, error: `${target.action} is not done here` };
  }
}

/** Carries an action out and reports what was measured around it; never whether it helped. */
export async function performAction(
  ports: RecoverPorts,
  target: PerformActionInput,
  signal: AbortSignal,
): Promise<RungEvidence> {
  try {
    return await measureAround(ports, target, signal);
  } catch (thrown) {
    if (!(thrown instanceof UnderstudyError)) throw thrown;
    return { ...noEvidence, error: messageOf(thrown) };
  }
}

/** Loads the model for a proof where it is not on the card. Answers why the load was refused; null when it was not. */
async function loadForProof(
  ports: RecoverPorts,
  client: WorkerClient,
  workerId: string,
  model: ModelId,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    const profile = await ports.prepareLoad(workerId, model);
    await client.loadModel({ model, profile }, signal);
    return null;
  } catch (thrown) {
    if (!(thrown instanceof UnderstudyError)) throw thrown;
    return messageOf(thrown);
  }
}

/** A fault of a model's own is over when that very model renders; any other when the worker renders with what it holds. */
function modelToProve(
  ports: RecoverPorts,
  { workerId, model, fault }: RecoveryTarget,
  { residentModel }: WorkerStats,
): ModelId {
  const faulty = fault.attribution === "model" ? model : null;
  return faulty ?? residentModel ?? model ?? ports.ownModelOf(workerId);
}

/** The test render: 2 steps, one of each expert where there are two, asserted by the worker's own count. */
export async function runCanary(
  ports: RecoverPorts,
  target: RecoveryTarget,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const client = ports.links.clientOf(target.workerId);
  if (client === null) return { verdict: "failed", reason: "the worker is not connected" };
  const stats = await client.stats(signal);
  const model = modelToProve(ports, target, stats);
  if (stats.residentModel !== model) {
    const refusal = await loadForProof(ports, client, target.workerId, model, signal);
    if (refusal !== null) return { verdict: "failed", reason: refusal };
  }
  const report = await client.probe({ kind: "canary", model }, signal);
  if (report.failure !== null) return { verdict: "failed", reason: report.failure.message };
  return report.passed
    ? { verdict: "passed", reason: `test render of ${model} took ${Math.round(report.tookMs)} ms` }
    : { verdict: "failed", reason: "the test render did not finish" };
}

/** What the proof renders: the asked form, or, after a reduction, the form that was chosen. */
function requestToProve(ports: RecoverPorts, target: RecoveryTarget, job: JobView, stats: WorkerStats): RenderRequest {
  if (target.action !== "reduce_generation_params") return job.spec.request;
  return reductionOf(ports, target, job, stats)?.request ?? job.spec.request;
}

/** Runs the failed job's failed phase again; `unknown` when there is no job. What it shows is kept for every later job. */
export async function proveEnvelope(
  ports: RecoverPorts,
  target: RecoveryTarget,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const job = await jobOf(ports, target);
  if (job === null) return { verdict: "unknown", reason: "there is no failed job to try again" };
  const failedPhase = target.fault.evidence.phase ?? target.fault.evidence.workerFailure?.phase ?? "denoise";
  const phase = failedPhase === "load" || failedPhase === "idle" ? "denoise" : failedPhase;
  const client = ports.links.connected(target.workerId);
  const stats = await client.stats(signal);
  const request = requestToProve(ports, target, job, stats);
  const envelope = envelopeOf(ports.catalog, request);
  const place = { deviceUuid: client.identity.device.uuid, profile: stats.profile ?? "model-offload" };
  const isClean =
    ports.attempts.wasClean(job.id, place) &&
    isCardClean(stats.memory, { model: envelope.model, profile: place.profile });
  const report = await client.probe(
    {
      kind: "phase",
      phase,
      request: toWorkerRequest(ports, request),
      checkpointDir: ports.artifacts.checkpointDir(job.id),
    },
    signal,
  );
  if (report.failure !== null) {
    if (classify({ workerFailure: report.failure }).code === "GPU_OUT_OF_MEMORY")
      await ports.envelopes.noteMisfit(place, envelope, { isClean, phase });
    return { verdict: "failed", reason: report.failure.message };
  }
  if (!report.passed) return { verdict: "failed", reason: `${phase} did not finish` };
  await ports.envelopes.noteFit(place, envelope);
  return {
    verdict: "passed",
    reason: `${phase} of ${clipWords(request)} ran again`,
  };
}
