/**
 * One render as its worker reports it, told to the pipeline machine as facts. It serves renders that begin here and
 * renders that an earlier supervisor began.
 */
import type { Clock } from "../../core/clock.ts";
import { WorkerError } from "../../core/errors.ts";
import { effectiveRequest, type Lease, type RenderRequest } from "../../core/job.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { ArtifactFiles } from "../../core/ports/artifact-files.ts";
import type { WorkerNotice, WorkerRequest } from "../../core/ports/worker.ts";
import { secondMs } from "../../core/units.ts";
import type { LoadProfile, Phase } from "../../core/words.ts";
import type { RenderFact } from "../../machines/pipeline-types.ts";
import { classify, classifyThrown } from "../../recovery/classify.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";
import type { LearnedStepTimes } from "./learned.ts";
import type { ProgressTracker } from "./progress-tracker.ts";
import { createRenderTimes, type Reached } from "./render-times.ts";

export interface RenderNeeds {
  readonly catalog: ModelCatalog;
  readonly links: Pick<WorkerLinks, "connected" | "onNotice">;
  readonly artifacts: Pick<ArtifactFiles, "pathOf" | "stagingPath" | "checkpointDir">;
  readonly progress: Pick<ProgressTracker, "note">;
  readonly clock: Clock;
  readonly steps: LearnedStepTimes;
  readonly profiles: { of(workerId: string): LoadProfile };
}

/** A thread counts as standing still only after this: inside one long step it looks the same for a while. */
const stillFromMs = 10 * secondMs;

function isAbout(notice: WorkerNotice, lease: Lease): boolean {
  if (notice.kind === "completed") return notice.report.jobId === lease.jobId && notice.report.fence === lease.fence;
  if (notice.kind === "progress" || notice.kind === "failed")
    return notice.jobId === lease.jobId && notice.fence === lease.fence;
  return false;
}

export interface RenderOrder {
  readonly workerId: string;
  readonly lease: Lease;
  /** The worker is believed to have this render in hand already (after an adoption). */
  readonly isUnderWay: boolean;
}

/**
 * Renders one attempt on one worker, or takes up a render that is under way. Reports facts until the end; returns the
 * function that stops listening. The render itself goes on until it is cancelled.
 */
export function followRender(ports: RenderNeeds, order: RenderOrder, report: (fact: RenderFact) => void): () => void {
  const { workerId, lease } = order;
  let phase: Phase | null = null;
  let furthestStep = -1;
  let isOver = false;
  const end = (fact: RenderFact): void => {
    if (isOver) return;
    isOver = true;
    report(fact);
  };
  const times = createRenderTimes(ports, lease, ports.profiles.of(workerId));
  const noteProgress = (reached: Reached): void => {
    const { step, of } = reached;
    // A worker that says the same again and again has not moved; one that announces a long phase once more begins it anew.
    if (reached.phase === phase && step <= furthestStep && reached.longPhaseMs === undefined) return;
    const { leftMs, begun } = times.note(reached);
    phase = reached.phase;
    furthestStep = step;
    ports.progress.note({ jobId: lease.jobId, workerId, phase, step, of, leftMs });
    if (begun !== null)
      report({ type: "phase.started", phase, longPhaseMs: reached.longPhaseMs ?? null, limits: begun });
    report({ type: "step.progressed", phase, step, of });
  };
  let isStill = false;
  const noteIdle = (idleMs: number): void => {
    if (idleMs >= stillFromMs === isStill) return;
    isStill = !isStill;
    report({ type: "render.stoodStill", sinceMs: isStill ? ports.clock.nowMs() - idleMs : null });
  };
  // Listening comes first: what ends between the question and the answer is heard all the same.
  const stopListening = ports.links.onNotice(workerId, (notice) => {
    if (notice.kind === "heartbeat" && !isOver) noteIdle(notice.mainThreadIdleMs);
    if (isOver || !isAbout(notice, lease)) return;
    if (notice.kind === "progress") noteProgress(notice);
    else if (notice.kind === "completed") {
      times.end();
      end({ type: "render.completed", report: notice.report });
    } else if (notice.kind === "failed")
      end({ type: "render.failed", fault: classify({ workerFailure: notice.failure }) });
  });
  const begin = async (): Promise<void> => {
    const attach = order.isUnderWay ? await ports.links.connected(workerId).attach() : null;
    if (attach === null || attach.jobId !== lease.jobId || attach.fence !== lease.fence)
      await startRender(ports, order);
    else if (attach.result !== null) end({ type: "render.completed", report: attach.result });
    else if (attach.failure !== null)
      end({ type: "render.failed", fault: classify({ workerFailure: attach.failure }) });
    else if (attach.phase !== null && !isOver)
      noteProgress({ phase: attach.phase, step: attach.step ?? 0, of: attach.of ?? 1 });
  };
  void begin().catch((thrown: unknown) => {
    // Whoever watches the process tells of its end, with evidence, or ends one that says nothing more: it is a death.
    if (hasConnectionEnded(thrown)) return;
    end({ type: "render.failed", fault: classifyThrown(thrown, { phase: phase ?? "encode" }) });
  });
  return () => {
    isOver = true;
    stopListening();
  };
}

/** The connection went away under a call; a call without a connection is refused by an error of another kind. */
const hasConnectionEnded = (thrown: unknown): boolean =>
  thrown instanceof WorkerError && thrown.code === "WORKER_EXITED";

/** The worker reads the image's file by itself. */
export function toWorkerRequest(
  { artifacts }: { readonly artifacts: Pick<ArtifactFiles, "pathOf"> },
  { imageName, ...request }: RenderRequest,
): WorkerRequest {
  return imageName === undefined ? request : { ...request, imagePath: artifacts.pathOf({ name: imageName }) };
}

async function startRender(ports: RenderNeeds, { workerId, lease }: RenderOrder): Promise<void> {
  await ports.links.connected(workerId).generate({
    jobId: lease.jobId,
    fence: lease.fence,
    request: toWorkerRequest(ports, effectiveRequest(lease)),
    workflow: lease.spec.workflow,
    outputPath: ports.artifacts.stagingPath(lease.jobId, lease.fence, "result"),
    checkpointDir: ports.artifacts.checkpointDir(lease.jobId),
  });
}
