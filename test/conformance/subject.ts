import type { RenderRequest } from "../../src/core/job.ts";
import type { LoadProfile } from "../../src/core/words.ts";
import type { WorkerCommand } from "../../src/workers/worker-process.ts";

/** How a worker is made to fail on purpose: by its environment, by a `fault/inject` card, or by words in the prompt. */
export type Provocation =
  | { readonly by: "environment"; readonly env: Readonly<Record<string, string>> }
  | { readonly by: "card"; readonly card: string }
  | { readonly by: "prompt"; readonly words: string };

/**
 * What a worker can be held to beyond the protocol's core. A promise that is left out makes the checks that need it
 * `unsupported`, which is neither a pass nor a failure.
 */
export interface WorkerPromises {
  /** Writes a checkpoint at least every so many steps of the long render. */
  readonly checkpointEverySteps?: number;
  /** Writes `<pid>.json` with its device's memory into the device directory. */
  readonly deviceFile?: true;
  /** Makes a checkpoint on `shutdown` and on SIGTERM before it ends. */
  readonly checkpointAtEnd?: true;
  /** A profile that needs less memory when idle than the subject's own. */
  readonly leanerProfile?: LoadProfile;
  /** The denoise phase runs out of memory. */
  readonly outOfMemory?: Provocation;
  /** The device's context is lost in the denoise phase: reported, then exit code 75. */
  readonly poisonedContext?: Provocation;
  /** The main thread stops turning in the denoise phase and never goes on. */
  readonly blockedMainThread?: Provocation;
  /** An environment that the worker must refuse with exit code 78. */
  readonly badConfiguration?: Readonly<Record<string, string>>;
  /** The environment that shortens the time after which a worker without any connection ends by itself. */
  readonly orphanTime?: (limitMs: number) => Readonly<Record<string, string>>;
}
export type PromiseName = keyof WorkerPromises;

/** How patient the checks are, in this worker's measure. */
export interface PatienceMs {
  /** From spawn to handshake. */
  readonly start: number;
  readonly load: number;
  /** The whole of the short render, or of the long one. */
  readonly render: number;
  /** One denoise step of the long render, the worst one. */
  readonly step: number;
}

/** One kind of worker, as the conformance suite meets it. */
export interface WorkerSubject {
  readonly name: string;
  readonly command: WorkerCommand;
  readonly profile: LoadProfile;
  /** Ends within seconds. */
  readonly shortRequest: RenderRequest;
  /** Denoises long enough to be met in the middle, and over at least two checkpoints where there are any. */
  readonly longRequest: RenderRequest;
  readonly patienceMs: PatienceMs;
  readonly promises: WorkerPromises;
}

export interface DecodedFacts {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

/** Decodes a whole file by a program that the worker does not use itself; rejects when it does not play. */
export type Decode = (path: string) => Promise<DecodedFacts>;
