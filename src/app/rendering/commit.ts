/**
 * From a finished render to the result of its job: the lease is kept, the file is checked, published and committed
 * exactly once. A file that cannot be kept at this moment is tried again, because the render behind it was dear.
 */
import type { Config } from "../../config/schema.ts";
import type { Clock, TimerHandle } from "../../core/clock.ts";
import { messageOf, UnderstudyError } from "../../core/errors.ts";
import type { Fault } from "../../core/fault.ts";
import { effectiveRequest, type Lease } from "../../core/job.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { ArtifactFiles } from "../../core/ports/artifact-files.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { Media } from "../../core/ports/media.ts";
import type { RenderReport } from "../../core/ports/worker.ts";
import { minuteMs, secondMs } from "../../core/units.ts";
import type { LoadProfile } from "../../core/words.ts";
import { type Acceptance, acceptResult } from "../../jobs/accept-result.ts";
import type { CommitFact, LeaseFact, LeaseOrder } from "../../machines/pipeline-types.ts";
import { firstOfItsKind } from "../../recovery/blame.ts";
import { chargeOfError, failureOf } from "../../recovery/charge.ts";
import { classify } from "../../recovery/classify.ts";
import { envelopeOf } from "../../recovery/envelopes.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";
import type { LearnedClipTimes, LearnedMemory } from "./learned.ts";
import type { ProgressTracker } from "./progress-tracker.ts";

/** What keeping a lease takes. */
export interface LeaseNeeds {
  readonly clock: Clock;
  readonly store: Pick<Store, "jobs">;
  readonly logger: Pick<Logger, "warn">;
  readonly config: Pick<Config, "leaseMs">;
}

/** What checking and committing a finished render takes beside it. */
export interface CommitNeeds extends LeaseNeeds {
  readonly catalog: ModelCatalog;
  readonly artifacts: ArtifactFiles;
  readonly media: Media;
  readonly logger: Pick<Logger, "warn" | "error">;
  readonly links: Pick<WorkerLinks, "clientOf">;
  readonly progress: Pick<ProgressTracker, "clear">;
  readonly profiles: { of(workerId: string): LoadProfile };
  readonly envelopes: Pick<LearnedMemory, "notePeak">;
  readonly clips: Pick<LearnedClipTimes, "note">;
}

type Refusal = Extract<Acceptance, { kind: "refused" }>;
type FinishedOrder = LeaseOrder & { readonly report: RenderReport };

const refusedRetryMs = secondMs;
/** The wait between two tries to commit while disk or database refuse; a finished render is worth it. */
const commitAgainMs = 2 * secondMs;
const commitPatienceMs = 10 * minuteMs;

/** Renews at a third of the lease, and at once: after a standstill the renewal comes before anybody sweeps. */
export function keepLease(parts: LeaseNeeds, lease: Lease, send: (fact: LeaseFact) => void): () => void {
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

/** Tries again while disk or database refuse, as long as the fence holds and the patience lasts. */
async function acceptPatiently(
  parts: LeaseNeeds,
  accept: () => Promise<Acceptance>,
  over: AbortSignal,
): Promise<Acceptance> {
  const giveUpAtMs = parts.clock.nowMs() + commitPatienceMs;
  for (;;) {
    try {
      return await accept();
    } catch (thrown) {
      const isPassing = thrown instanceof UnderstudyError && thrown.retryable;
      if (!isPassing || over.aborted || parts.clock.nowMs() >= giveUpAtMs) throw thrown;
      parts.logger.warn({ event: "commit.refused", code: thrown.code, message: thrown.message });
      await parts.clock.sleep(commitAgainMs, over);
    }
  }
}

async function refuse(parts: LeaseNeeds, lease: Lease, { problem, kept }: Refusal): Promise<Fault> {
  const fault = classify({ outputProblem: problem, phase: "mux" });
  const charge = chargeOfError(fault, lease, { hasBegun: true, recurrence: firstOfItsKind });
  const failure = failureOf(fault, charge, { problem }, parts.clock.nowMs());
  await parts.store.jobs.fail(lease, kept === null ? failure : { ...failure, rejected: kept });
  return fault;
}

async function acceptAndAcknowledge(parts: CommitNeeds, order: FinishedOrder, over: AbortSignal): Promise<CommitFact> {
  const { lease, report, workerId } = order;
  const { jobId } = lease;
  // The place is looked up before anything is waited for: meanwhile the worker may load another memory mode for the
  // next job.
  const deviceUuid = parts.links.clientOf(workerId)?.identity.device.uuid ?? workerId;
  const place = { deviceUuid, profile: parts.profiles.of(workerId) };
  const identity = parts.links.clientOf(workerId)?.identity;
  const servedBy = { workerId, kind: identity?.kind ?? "simulator", isSimulated: identity?.isSimulated ?? true };
  const ports = { jobs: parts.store.jobs, artifacts: parts.artifacts, media: parts.media, clock: parts.clock };
  const acceptance = await acceptPatiently(parts, () => acceptResult(ports, { lease, report, servedBy }), over);
  const fault = acceptance.kind === "refused" ? await refuse(parts, lease, acceptance) : null;
  parts.progress.clear(jobId);
  await parts.links
    .clientOf(workerId)
    ?.acknowledge(jobId, lease.fence)
    .catch(() => undefined);
  if (acceptance.kind === "committed") {
    const rendered = effectiveRequest(lease);
    const envelope = envelopeOf(parts.catalog, rendered);
    await parts.envelopes.notePeak(place, envelope, report.peakBytes);
    if (report.stepsRendered >= rendered.steps)
      await parts.clips.note(place, envelope.model, rendered, report.renderMs);
    return { type: "artifact.committed", jobId };
  }
  return {
    type: "artifact.refused",
    jobId,
    problem: acceptance.kind === "refused" ? acceptance.problem : acceptance.kind,
    fault,
  };
}

/**
 * Checks, publishes and commits a finished render while the lease is kept; reports once. Returns what gives it up without a
 * word: the worker keeps the result then, and the next start takes it up.
 */
export function commitRender(parts: CommitNeeds, order: FinishedOrder, send: (fact: CommitFact) => void): () => void {
  const { lease } = order;
  const over = new AbortController();
  let isGivenUp = false;
  const stopRenewing = keepLease(parts, lease, (fact) => {
    if (fact.type === "lease.lost") over.abort();
  });
  const giveBack = async (thrown: unknown): Promise<CommitFact> => {
    const problem = messageOf(thrown);
    if (!isGivenUp) {
      parts.logger.error({ event: "commit.failed", jobId: lease.jobId, message: problem });
      const runAtMs = parts.clock.nowMs() + refusedRetryMs;
      await parts.store.jobs
        .release(lease, `its result could not be committed: ${problem}`, runAtMs)
        .catch(() => undefined);
    }
    return { type: "artifact.refused", jobId: lease.jobId, problem, fault: null };
  };
  void acceptAndAcknowledge(parts, order, over.signal)
    .catch(giveBack)
    .then((fact) => {
      stopRenewing();
      if (!isGivenUp) send(fact);
    });
  return () => {
    isGivenUp = true;
    over.abort();
    stopRenewing();
  };
}
