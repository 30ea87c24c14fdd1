/** One render in a simulated worker's hand, and what the worker tells of it. */
import type { TimerHandle } from "../../src/core/clock.ts";
import type { DeviceMemory, WorkerFailure } from "../../src/core/fault.ts";
import type { AttachReport, GenerateOrder, RenderReport } from "../../src/core/ports/worker.ts";
import type { LoadProfile, ModelId, Phase } from "../../src/core/words.ts";

/** Denoise steps that every job of a simulated world asks for. */
export const stepsPerJob = 16;

export interface Render {
  readonly order: GenerateOrder;
  readonly resumedFromStep: number;
  readonly beganAtMs: number;
  phase: Phase;
  step: number;
  timer: TimerHandle | undefined;
  stepsRendered: number;
}

export interface FailedAttempt {
  readonly order: GenerateOrder;
  readonly failure: WorkerFailure;
}

/** Steps of the phase that it is in. */
export const lengthOf = ({ phase, order }: Render): number => (phase === "denoise" ? order.request.steps : 1);

export function reportOf(render: Render, memory: DeviceMemory, nowMs: number): RenderReport {
  const { order, stepsRendered, resumedFromStep, beganAtMs } = render;
  const { jobId, fence, outputPath, request } = order;
  return {
    jobId,
    fence,
    outputPath,
    frames: request.frames,
    renderedWidth: request.width,
    renderedHeight: request.height,
    stepsRendered,
    resumedFromStep,
    renderMs: nowMs - beganAtMs,
    peakBytes: memory.peakBytes,
    heldBytes: memory.allocatedBytes,
  };
}

interface InHand {
  readonly render: Render | null;
  readonly result: RenderReport | null;
  readonly failed: FailedAttempt | null;
  readonly model: ModelId | null;
  readonly profile: LoadProfile | null;
  readonly standstillMs: number;
}

/** What a new supervisor is told of the attempt in hand, or of the one that is kept for it. */
export function attachReportOf({ render, result, failed, model, profile, standstillMs }: InHand): AttachReport {
  return {
    jobId: render?.order.jobId ?? result?.jobId ?? failed?.order.jobId ?? null,
    fence: render?.order.fence ?? result?.fence ?? failed?.order.fence ?? null,
    phase: render?.phase ?? null,
    step: render?.step ?? null,
    of: render === null ? null : lengthOf(render),
    result,
    failure: failed?.failure ?? null,
    residentModel: model,
    profile,
    standstillMs: render === null ? 0 : standstillMs,
  };
}
