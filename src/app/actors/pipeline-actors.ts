import { fromCallback, fromPromise } from "xstate";
import type { Evidence, Fault } from "../../core/fault.ts";
import type { AttemptFailure, Lease } from "../../core/job.ts";
import type { RenderReport } from "../../core/ports/worker.ts";
import { minuteMs } from "../../core/units.ts";
import type { ModelId } from "../../core/words.ts";
import type { PipelineEvent, Settlement } from "../../machines/pipeline-types.ts";
import { classify } from "../../recovery/classify.ts";
import { commitRender, keepLease, type LeaseOrder } from "../effects/commit.ts";
import { followRender, type RenderFact } from "../effects/render.ts";
import type { ServiceParts } from "../service-ports.ts";

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
      else if (parts.drill.running !== null) await jobs.release(lease, "its worker ended in a drill");
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
    claimJob: fromPromise<Lease | null, { workerId: string; residentModel: ModelId | null }>(async ({ input }) => {
      if (parts.diskWatch.isShort()) return null;
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
      commitRender(parts, input, sendBack),
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
