/**
 * The effects of the pipeline machine: claim a job, prepare its worker, follow the render, commit the file, give the
 * attempt back. The machine decides what comes next; every write here carries the fence of its attempt.
 */
import { fromCallback, fromPromise } from "xstate";
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { Fault } from "../../core/fault.ts";
import type { AttemptFailure, Lease } from "../../core/job.ts";
import type { ArtifactFiles } from "../../core/ports/artifact-files.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { ClaimRequest } from "../../core/ports/job-store.ts";
import type { RenderReport, WorkerHost, WorkerStats } from "../../core/ports/worker.ts";
import { waitReasonOf } from "../../core/wait-reason.ts";
import type { LoadProfile, ModelId } from "../../core/words.ts";
import type { Claim, LeaseOrder, PipelineEvent, Preparation, Settlement } from "../../machines/pipeline-types.ts";
import { type Recurrence, sameSignatureWithinMs } from "../../recovery/blame.ts";
import {
  chargeOfDeath,
  chargeOfError,
  evidenceOfError,
  explanationOf,
  failureOf,
  toldExplanation,
} from "../../recovery/charge.ts";
import { classify, faultOf } from "../../recovery/classify.ts";
import { envelopeOf } from "../../recovery/envelopes.ts";
import { recognition } from "../../recovery/recognition.ts";
import { signatureOf } from "../../recovery/signature.ts";
import { canRepeat, phaseOfFault } from "../../recovery/trials.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";
import type { AttemptMemory } from "./attempt-memory.ts";
import { type CommitNeeds, commitRender, keepLease } from "./commit.ts";
import type { LastRenders } from "./last-renders.ts";
import type { LearnedMemory } from "./learned.ts";
import { type PlanNeeds, planOf, planRender, waitingOf } from "./plan-render.ts";
import type { ProgressTracker } from "./progress-tracker.ts";
import { followRender, type RenderNeeds } from "./render.ts";
import type { WaitingJobs } from "./waiting-jobs.ts";

/** What taking a job and giving it back takes. */
interface SettleNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly store: Pick<Store, "jobs">;
  readonly artifacts: Pick<ArtifactFiles, "removeCheckpoints">;
  readonly links: Pick<WorkerLinks, "clientOf">;
  readonly host: Pick<WorkerHost, "recordJob">;
  readonly progress: Pick<ProgressTracker, "clear">;
  readonly lastRenders: Pick<LastRenders, "noteFailure">;
  /** The drill that runs: who dies in it is no witness against the job. */
  readonly drill: { readonly running: string | null };
}

interface PrepareNeeds extends PlanNeeds {
  readonly lastRenders: Pick<LastRenders, "note">;
  readonly store: Pick<Store, "jobs">;
  readonly links: Pick<WorkerLinks, "clientOf" | "connected">;
  readonly host: Pick<WorkerHost, "recordJob">;
  readonly clock: Pick<Clock, "nowMs">;
  readonly envelopes: Pick<LearnedMemory, "fits" | "carries" | "peakOf" | "misfitEndsAtMs">;
  readonly attempts: Pick<AttemptMemory, "note">;
  readonly waitingJobs: Pick<WaitingJobs, "add" | "drop">;
  readonly profiles: {
    of(workerId: string): LoadProfile;
    /** There was room for so long that a richer memory mode is worth a load. */
    isDue(workerId: string): boolean;
    choose(workerId: string, profile: LoadProfile): void;
  };
  /** Notes whether there is room for a richer memory mode now. */
  readonly noteRoom: (workerId: string, stats: WorkerStats) => void;
}

interface ClaimNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly store: Pick<Store, "jobs">;
  readonly config: Pick<Config, "workers" | "leaseMs">;
  readonly links: Pick<WorkerLinks, "clientOf" | "processBeganAtMs">;
  readonly epoch: number;
  readonly diskWatch: { isShort(): boolean };
  readonly unavailableModels: { isUnavailable(workerId: string, model: ModelId): boolean };
}

export interface PipelineNeeds extends SettleNeeds, PrepareNeeds, ClaimNeeds, RenderNeeds, CommitNeeds {
  readonly clock: Clock;
  readonly store: Pick<Store, "jobs" | "events">;
  readonly artifacts: ArtifactFiles;
  readonly links: Pick<WorkerLinks, "clientOf" | "connected" | "onNotice" | "processBeganAtMs">;
  readonly progress: Pick<ProgressTracker, "clear" | "note">;
  readonly profiles: PrepareNeeds["profiles"];
  readonly lastRenders: LastRenders;
  readonly envelopes: LearnedMemory;
  readonly config: Pick<Config, "workers" | "leaseMs" | "loadProfile" | "alternative">;
}

const retryDelayMs = 1_000;

/** What came before this failure, of this job and of others. */
async function recurrenceOf({ clock, store }: SettleNeeds, lease: Lease, fault: Fault): Promise<Recurrence> {
  const signature = signatureOf(fault);
  const earlier = await store.jobs.earlierAlike(lease, signature);
  const alike = await store.jobs.jobsFailedAlike(signature, clock.nowMs() - sameSignatureWithinMs);
  return { ...earlier, hasSameUnderOther: alike.some((jobId) => jobId !== lease.jobId) };
}

async function deathFailure(
  parts: SettleNeeds,
  lease: Lease,
  { evidence, hasBegun }: Extract<Settlement, { kind: "death" }>,
): Promise<AttemptFailure> {
  const nowMs = parts.clock.nowMs();
  const fault = classify(evidence);
  const explanation = explanationOf({ fault, hasBegun, recurrence: await recurrenceOf(parts, lease, fault) });
  const { logTail: _tail, ...shown } = evidence;
  const told = { ...shown, decided_by: fault.decidedBy, ...toldExplanation(explanation) };
  return failureOf(fault, chargeOfDeath(fault, lease, explanation), told, nowMs);
}

async function settle(parts: SettleNeeds, { lease, workerId }: LeaseOrder, settlement: Settlement): Promise<void> {
  const { jobs } = parts.store;
  parts.progress.clear(lease.jobId);
  // Nobody waits for the answer: a worker that is stopped would hold the stop of the service, and the next render
  // drops a kept result too.
  void parts.links
    .clientOf(workerId)
    ?.acknowledge(lease.jobId, lease.fence)
    .catch(() => undefined);
  await parts.host.recordJob(workerId, null).catch(() => undefined);
  // The job is never claimable at once: what gave it back would give it back again, in a loop that lets nothing else
  // happen.
  const runAtMs = parts.clock.nowMs() + retryDelayMs;
  switch (settlement.kind) {
    case "release":
      await jobs.release(lease, settlement.why, Math.max(runAtMs, settlement.notBeforeMs ?? 0));
      return;
    case "cancelled":
      await jobs.confirmCancel(lease);
      await parts.artifacts.removeCheckpoints(lease.jobId);
      return;
    case "death":
      if (settlement.isOwnDoing) await jobs.release(lease, "its worker was stopped on purpose", runAtMs);
      else if (parts.drill.running !== null) await jobs.release(lease, "its worker ended in a drill", runAtMs);
      else await jobs.fail(lease, await deathFailure(parts, lease, settlement));
      return;
    case "fault": {
      const { fault, hasBegun } = settlement;
      parts.lastRenders.noteFailure(workerId, lease.jobId, canRepeat(fault) ? phaseOfFault(fault) : null);
      const charge = chargeOfError(fault, lease, { hasBegun, recurrence: await recurrenceOf(parts, lease, fault) });
      await jobs.fail(lease, failureOf(fault, charge, evidenceOfError(fault), parts.clock.nowMs()));
    }
  }
}

/** Nobody could tell at submission what its card is: the request asks for more than any worker has. */
const tooLarge = (): Fault => {
  const message = "The job fits no worker of this service in any memory mode, and in no form that it allows.";
  return faultOf(
    { ...recognition("request", 0.9, "the figures of the model and of every card"), sentence: message },
    {},
  );
};

function unfitNow(parts: PrepareNeeds, { workerId, lease }: LeaseOrder): Preparation {
  const waiting = waitingOf(parts, workerId, lease.spec);
  if (waiting.kind === "until") parts.waitingJobs.add(lease.jobId);
  return waiting.kind === "never"
    ? { kind: "unfit", fault: tooLarge() }
    : { kind: "waits", untilMs: waiting.atMs, why: waitReasonOf(waiting.atMs, waiting.because) };
}

/** The plan comes first, and is durable before the render begins; the loader owns what is on the card. */
async function prepare(
  parts: PrepareNeeds,
  { workerId, lease }: LeaseOrder,
  signal: AbortSignal,
): Promise<Preparation> {
  await parts.host.recordJob(workerId, { jobId: lease.jobId, fence: lease.fence });
  const client = parts.links.connected(workerId);
  const stats = await client.stats(signal);
  const { residentModel, profile, memory } = stats;
  parts.noteRoom(workerId, stats);
  parts.waitingJobs.drop(lease.jobId);
  const resident = residentModel === null || profile === null ? null : { model: residentModel, profile };
  // Where there was room for long enough a leaner mode is not kept for the sake of the load that it saves: a worker that always
  // has a job would stay slow for ever.
  const fit = planRender(parts, workerId, lease.spec, parts.profiles.isDue(workerId) ? null : resident);
  if (fit === null) return unfitNow(parts, { workerId, lease });
  if (resident?.model !== fit.request.model || resident.profile !== fit.profile) {
    parts.profiles.choose(workerId, fit.profile);
    return { kind: "load", model: fit.request.model, profile: fit.profile };
  }
  const plan = planOf(fit);
  if (plan !== null && (await parts.store.jobs.notePlan(lease, plan)) === "stale")
    throw new Error("the lease was lost");
  const place = { deviceUuid: client.identity.device.uuid, profile: fit.profile };
  const envelope = envelopeOf(parts.catalog, fit.request);
  parts.attempts.note(lease.jobId, place, envelope.model, memory);
  parts.lastRenders.note(workerId, lease.jobId, fit.request);
  return { kind: "ready", lease: { ...lease, plan }, peakBytes: parts.envelopes.peakOf(place, envelope) };
}

/** Models that the worker renders now: those of its configuration that are not set aside. */
const offeredBy = ({ config, unavailableModels }: ClaimNeeds, workerId: string): readonly ModelId[] =>
  (config.workers.find(({ id }) => id === workerId)?.models ?? []).filter(
    (model) => !unavailableModels.isUnavailable(workerId, model),
  );

const otherWorkers = (parts: ClaimNeeds, workerId: string): ClaimRequest["otherWorkers"] =>
  parts.config.workers
    .filter(({ id }) => id !== workerId && parts.links.clientOf(id) !== null)
    .map(({ id }) => ({ id, models: offeredBy(parts, id) }));

async function claim(parts: ClaimNeeds, order: { workerId: string; residentModel: ModelId | null }): Promise<Claim> {
  const nothing: Claim = { lease: null, dueAtMs: null, wantsFreshProcess: false };
  if (parts.diskWatch.isShort()) return nothing;
  const { workerId } = order;
  const models = offeredBy(parts, workerId);
  const beganAtMs = parts.clock.nowMs();
  const outcome = await parts.store.jobs.claim({
    ...order,
    models,
    epoch: parts.epoch,
    leaseMs: parts.config.leaseMs,
    processBeganAtMs: parts.links.processBeganAtMs(workerId),
    otherWorkers: otherWorkers(parts, workerId),
  });
  if (outcome.kind === "claimed") return { ...nothing, lease: outcome.lease };
  const dueAtMs = await parts.store.jobs.nextDueAtMs(models, beganAtMs);
  return { lease: null, dueAtMs, wantsFreshProcess: outcome.kind === "wantsFreshProcess" };
}

export const pipelineActors = (parts: PipelineNeeds) => {
  return {
    claimJob: fromPromise<Claim, { workerId: string; residentModel: ModelId | null }>(({ input }) =>
      claim(parts, input),
    ),
    prepareJob: fromPromise<Preparation, LeaseOrder>(({ input, signal }) => prepare(parts, input, signal)),
    renderJob: fromCallback<PipelineEvent, LeaseOrder & { isUnderWay: boolean }>(({ input, sendBack }) => {
      const about = { jobId: input.lease.jobId, workerId: input.workerId };
      parts.store.events.note({
        kind: "render.began",
        ...about,
        data: { fence: input.lease.fence, adopted: input.isUnderWay },
      });
      return followRender(parts, input, (fact) => {
        if (fact.type === "render.completed")
          parts.store.events.note({
            kind: "render.completed",
            ...about,
            data: {
              fence: input.lease.fence,
              steps_rendered: fact.report.stepsRendered,
              resumed_from_step: fact.report.resumedFromStep,
              held_bytes: fact.report.heldBytes,
            },
          });
        sendBack(fact);
      });
    }),
    keepLease: fromCallback<PipelineEvent, LeaseOrder>(({ input, sendBack }) =>
      keepLease(parts, input.lease, sendBack),
    ),
    commitArtifact: fromCallback<PipelineEvent, LeaseOrder & { report: RenderReport }>(({ input, sendBack }) =>
      commitRender(parts, input, sendBack),
    ),
    cancelRender: fromPromise<boolean, LeaseOrder>(async ({ input, signal }) => {
      const client = parts.links.clientOf(input.workerId);
      if (client === null) return true;
      await client.cancel(input.lease.jobId, input.lease.fence, signal);
      return true;
    }),
    settleAttempt: fromPromise<void, LeaseOrder & { settlement: Settlement }>(({ input }) =>
      settle(parts, input, input.settlement),
    ),
  };
};
