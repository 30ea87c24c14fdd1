/**
 * What the conformance checks need to know of a worker: its command, its models, how patient to be, and what it
 * promises beyond the protocol.
 */
import type { WorkerPromises } from "../../contract/worker-promises.ts";
import type { RenderRequest } from "../../core/job.ts";
import type { ModelEntry } from "../../core/model-entry.ts";
import type { LoadProfile } from "../../core/words.ts";
import type { WorkerCommand } from "../worker-process.ts";

/** How patient the checks are with this worker. */
interface TimeoutsMs {
  /** The time from spawn to handshake. */
  readonly start: number;
  readonly load: number;
  /** The time of a whole render, the short or the long one. */
  readonly render: number;
  /** The time of the slowest denoise step of the long render. */
  readonly step: number;
}

/** One kind of worker, as the conformance suite meets it. */
export interface WorkerSubject {
  readonly name: string;
  readonly command: WorkerCommand;
  readonly profile: LoadProfile;
  /** The model of both requests; null for a model of one's own, of which nobody else knows its grid and its experts. */
  readonly model: ModelEntry | null;
  /** This render ends within seconds. */
  readonly shortRequest: RenderRequest;
  /**
   * This render denoises long enough to be met in the middle, and over at least two checkpoints where there are any.
   */
  readonly longRequest: RenderRequest;
  readonly timeoutsMs: TimeoutsMs;
  readonly promises: WorkerPromises;
}

interface DecodedFacts {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

/** Decodes a whole file by a program that the worker does not use itself; rejects when it does not play. */
export type Decode = (path: string) => Promise<DecodedFacts>;
