/** What recovery needs of a worker's card. Acting and judging are kept apart: who acts never says that it helped. */
import type { ActionEvidence, EvidenceMeasure } from "../fault.ts";
import type { LoadProfile, ModelId } from "../words.ts";

/**
 * Acts on one worker's card: measure → act through the worker → measure. It returns evidence and never says whether the
 * action helped; recovery/verdicts.ts alone says that. Rejects with WorkerError when the action could not be applied.
 */
export interface GpuAdapter {
  measure(workerId: string): Promise<EvidenceMeasure>;
  /** Polls the device's free memory every 250 ms, at most 5 s, until it rose by `neededBytes`. */
  clearCache(workerId: string, neededBytes: number, signal?: AbortSignal): Promise<ActionEvidence>;
  applyOptimization(workerId: string, signal?: AbortSignal): Promise<ActionEvidence>;
  enableOffload(
    workerId: string,
    order: { readonly model: ModelId; readonly profile: LoadProfile },
    signal?: AbortSignal,
  ): Promise<ActionEvidence>;
  /** Nothing is done to the card: records the changes of the job against what is free. */
  reduce(workerId: string, changes: readonly string[], signal?: AbortSignal): Promise<ActionEvidence>;
}
