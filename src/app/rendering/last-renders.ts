/**
 * Remembers what each worker rendered last, or failed at: a worker that is tried again is tried by what it is there for,
 * and not only by a clip of two steps.
 */
import type { RenderRequest } from "../../core/job.ts";
import type { Phase } from "../../core/words.ts";

interface LastRender {
  readonly jobId: string;
  readonly request: RenderRequest;
  /** The one in which it failed; the longest one where it did not. */
  readonly phase: Phase;
}

export interface LastRenders {
  note(workerId: string, jobId: string, request: RenderRequest): void;
  /** @param phase null where it is not known, or is none that can be run alone */
  noteFailure(workerId: string, jobId: string, phase: Phase | null): void;
  of(workerId: string): LastRender | null;
}

export function createLastRenders(): LastRenders {
  const last = new Map<string, LastRender>();
  return {
    note: (workerId, jobId, request) => {
      last.set(workerId, { jobId, request, phase: "denoise" });
    },
    noteFailure: (workerId, jobId, phase) => {
      const known = last.get(workerId);
      if (known?.jobId === jobId && phase !== null) last.set(workerId, { ...known, phase });
    },
    of: (workerId) => last.get(workerId) ?? null,
  };
}
