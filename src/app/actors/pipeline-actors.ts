import { fromCallback, fromPromise } from "xstate";
import type { TimerHandle } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Evidence, Fault } from "../../core/fault.ts";
import type { AttemptFailure, Lease } from "../../core/job.ts";
import type { RenderReport } from "../../core/ports/worker.ts";
import { minuteMs } from "../../core/units.ts";
import type { ModelId } from "../../core/words.ts";
import { acceptResult } from "../../jobs/accept-result.ts";
import type { PipelineEvent, Settlement } from "../../machines/pipeline-types.ts";
import { classify } from "../../recovery/classify.ts";
import { followRender, type RenderFact } from "../effects/render.ts";
import type { ServiceParts } from "../service-ports.ts";

interface LeaseOrder {
  readonly workerId: string;
  readonly lease: Lease;
}

/** Deaths of this host's workers, to tell a job that kills from a host that does. */
interface Deaths {
  readonly jobId: string;
  readonly atMs: number;
}

const otherDeathMs = 10 * minuteMs;
const retryDelayMs = 1_000;

const eventOf = (fact: RenderFact): PipelineEvent => {
  switch (fact.kind) {
    case "phaseStarted":
      return { type: "phase.started", phase: fact.phase, longPhaseMs: fact.longPhaseMs };
    case "stepProgressed":
      return { type: "step.progressed", phase: fact.phase, step: fact.step, of: fact.of };
    case "completed":
      return { type: "render.completed", report: fact.report };
    case "failed":
      return { type: "render.failed", fault: fact.fault };
  }
};

/** Renews at a third of the lease, and at once: after a standstill the renewal comes before anybody sweeps. */
function keepLease(parts: ServiceParts, lease: Lease, send: (event: PipelineEvent) => void): () => void {
  let timer: TimerHandle | undefined;
  let isOver = false;
  const everyMs = Math.max(200, parts.config.leaseMs / 3);
  const renew = async (): Promise<void> => {
    try {
      const answer = await parts.store.jobs.renew(lease, parts.config.leaseMs);
      if (isOver) return;
      if (answer === "lost") send({ type: "lease.lost" });
      else if (answer === "cancel") send({ type: "job.cancel", jobId: lease.jobId });
    } catch (thrown) {
      // The store cannot write now; the fence decides in the end, so the render goes on.
      parts.logger.warn({ event: "lease.notRenewed", jobId: lease.jobId, message: messageOf(thrown) });
    }
    if (!isOver) timer = parts.clock.setTimer(() => void renew(), everyMs);
  };
  timer = parts.clock.setTimer(() => void renew(), everyMs);
  return () => {
    isOver = true;
    parts.clock.clearTimer(timer);
  };
}

function commit(parts: ServiceParts, order: LeaseOrder & { report: RenderReport }, send: (event: PipelineEvent) => void): () => void {
  const { lease, report, workerId } = order;
  const stopRenewing = keepLease(parts, lease, () => undefined);
  const identity = parts.links.clientOf(workerId)?.identity;
  const servedBy = { workerId, kind: identity?.kind ?? "simulator", isSimulated: identity?.isSimulated ?? true };
  const refuse = async (problem: string): Promise<Fault> => {
    const fault = classify({ outputProblem: problem, phase: "mux" });
    await parts.store.jobs.fail(lease, {
      code: fault.code,
      message: problem,
      isRetryable: true,
      kind: "error",
      evidence: { problem },
      runAtMs: parts.clock.nowMs() + retryDelayMs,
    });
    return fault;
  };
  const work = async (): Promise<PipelineEvent> => {
    const acceptance = await acceptResult(
      { jobs: parts.store.jobs, artifacts: parts.artifacts, media: parts.media, clock: parts.clock },
      { lease, report, servedBy, changes: [] },
    );
    const fault = acceptance.kind === "refused" ? await refuse(acceptance.problem) : null;
    parts.progress.clear(lease.jobId);
    await parts.links
      .clientOf(workerId)
      ?.acknowledge(lease.jobId, lease.fence)
      .catch(() => undefined);
    return acceptance.kind === "committed"
      ? { type: "artifact.committed", jobId: lease.jobId }
      : {
          type: "artifact.refused",
          jobId: lease.jobId,
          problem: acceptance.kind === "refused" ? acceptance.problem : acceptance.kind,
          fault,
        };
  };
  void work()
    .catch(async (thrown: unknown): Promise<PipelineEvent> => {
      parts.logger.error({ event: "commit.failed", jobId: lease.jobId, message: messageOf(thrown) });
      await parts.store.jobs.release(lease, `its result could not be committed: ${messageOf(thrown)}`).catch(() => undefined);
      return { type: "artifact.refused", jobId: lease.jobId, problem: messageOf(thrown), fault: null };
    })
    .then((event) => {
      stopRenewing();
      send(event);
    });
  return stopRenewing;
}

function deathFailure(parts: ServiceParts, deaths: Deaths[], lease: Lease, evidence: Evidence): AttemptFailure {
  const nowMs = parts.clock.nowMs();
  const isHostLoss = deaths.some((death) => death.jobId !== lease.jobId && nowMs - death.atMs < otherDeathMs);
  deaths.push({ jobId: lease.jobId, atMs: nowMs });
  const fault = classify(evidence);
  const { logTail: _tail, ...shown } = evidence;
  return {
    code: fault.code,
    message: fault.message,
    isRetryable: true,
    kind: isHostLoss ? "hostLoss" : "death",
    evidence: { ...shown, decided_by: fault.decidedBy },
    runAtMs: nowMs,
  };
}

async function settle(parts: ServiceParts, deaths: Deaths[], { lease, workerId }: LeaseOrder, settlement: Settlement): Promise<void> {
  const { jobs } = parts.store;
  parts.progress.clear(lease.jobId);
  await parts.links
    .clientOf(workerId)
    ?.acknowledge(lease.jobId, lease.fence)
    .catch(() => undefined);
  await parts.host.recordJob(workerId, null).catch(() => undefined);
  switch (settlement.kind) {
    case "release":
      await jobs.release(lease, settlement.why);
      return;
    case "cancelled":
      await jobs.confirmCancel(lease);
      await parts.artifacts.removeCheckpoints(lease.jobId);
      return;
    case "death":
      if (settlement.isOwnDoing) await jobs.release(lease, "its worker was stopped on purpose");
      else await jobs.fail(lease, deathFailure(parts, deaths, lease, settlement.evidence));
      return;
    case "fault": {
      const { fault } = settlement;
      const isRetryable = fault.attribution !== "request";
      const runAtMs = parts.clock.nowMs() + retryDelayMs;
      await jobs.fail(lease, {
        code: fault.code,
        message: fault.message,
        isRetryable,
        kind: "error",
        evidence: { decided_by: fault.decidedBy },
        runAtMs,
      });
    }
  }
}

async function prepare(parts: ServiceParts, { workerId, lease }: LeaseOrder, signal: AbortSignal): Promise<Fault | null> {
  await parts.host.recordJob(workerId, { jobId: lease.jobId, fence: lease.fence });
  const client = parts.links.clientOf(workerId);
  if (client === null) throw new Error("the worker is not connected");
  const stats = await client.stats(signal);
  const { model } = lease.spec.request;
  if (stats.residentModel !== model) await client.loadModel({ model, profile: parts.profiles.of(workerId) }, signal);
  return null;
}

export const pipelineActors = (parts: ServiceParts) => {
  const deaths: Deaths[] = [];
  return {
    claimJob: fromPromise<Lease | null, { workerId: string; residentModel: ModelId | null }>(({ input }) => {
      const models = parts.config.workers.find((worker) => worker.id === input.workerId)?.models ?? [];
      return parts.store.jobs.claim({ ...input, models, epoch: parts.epoch, leaseMs: parts.config.leaseMs });
    }),
    prepareJob: fromPromise<Fault | null, LeaseOrder>(({ input, signal }) => prepare(parts, input, signal)),
    renderJob: fromCallback<PipelineEvent, LeaseOrder & { isUnderWay: boolean }>(({ input, sendBack }) => {
      const about = { jobId: input.lease.jobId, workerId: input.workerId };
      parts.store.events.note({ kind: "render.began", ...about, data: { fence: input.lease.fence, adopted: input.isUnderWay } });
      return followRender(parts, input, (fact) => {
        if (fact.kind === "completed")
          parts.store.events.note({
            kind: "render.completed",
            ...about,
            data: { fence: input.lease.fence, steps_rendered: fact.report.stepsRendered, resumed_from_step: fact.report.resumedFromStep },
          });
        sendBack(eventOf(fact));
      });
    }),
    keepLease: fromCallback<PipelineEvent, LeaseOrder>(({ input, sendBack }) => keepLease(parts, input.lease, sendBack)),
    commitArtifact: fromCallback<PipelineEvent, LeaseOrder & { report: RenderReport }>(({ input, sendBack }) =>
      commit(parts, input, sendBack),
    ),
    cancelRender: fromPromise<boolean, LeaseOrder>(async ({ input, signal }) => {
      const client = parts.links.clientOf(input.workerId);
      if (client === null) return true;
      await client.cancel(input.lease.jobId, input.lease.fence, signal);
      return true;
    }),
    settleAttempt: fromPromise<void, LeaseOrder & { settlement: Settlement }>(({ input }) =>
      settle(parts, deaths, input, input.settlement),
    ),
  };
};
