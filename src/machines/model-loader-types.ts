/** What the model loader understands, remembers and reports. Its limits tell a slow load from a stuck one. */
import type { ActorRef, Snapshot } from "xstate";
import type { Clock } from "../core/clock.ts";
import type { Fault, FaultReport } from "../core/fault.ts";
import { hourMs, minuteMs, secondMs } from "../core/units.ts";
import type { LoadProfile, ModelId } from "../core/words.ts";
import { type RetryTable, retryTables } from "../recovery/retry-delays.ts";
import type { TestSize } from "./circuit-breaker-types.ts";

export interface ModelLoaderLimits {
  readonly resolveMs: number;
  readonly downloadStallMs: number;
  readonly verifyMs: number;
  /** A load without any sign of activity for this long is stuck; a slow one is not. */
  readonly stuckMs: number;
  /** A test render of a job's size: one phase of it, on whatever card there is. */
  readonly proveJobSizeMs: number;
  /** Long, because a first test render after a load compiles kernels. */
  readonly proveMs: number;
  readonly unloadMs: number;
  /** How often a load is tried, and after which waits. A download that failed uses up none of these tries. */
  readonly loads: RetryTable;
  /** Downloads in one load, before a source of which the files do not match their hash is given up. */
  readonly downloadCount: number;
  readonly permanentRestMs: number;
}

export const defaultModelLoaderLimits: ModelLoaderLimits = {
  resolveMs: minuteMs,
  downloadStallMs: 30 * secondMs,
  verifyMs: hourMs,
  stuckMs: 5 * minuteMs,
  proveJobSizeMs: 15 * minuteMs,
  proveMs: 2 * minuteMs,
  unloadMs: 2 * minuteMs,
  loads: retryTables.model_loading,
  downloadCount: retryTables.model_download.tryCount,
  permanentRestMs: 10 * minuteMs,
};

export interface LoadOrder {
  readonly workerId: string;
  readonly model: ModelId;
  readonly profile: LoadProfile;
}

export interface ProveOrder extends LoadOrder {
  /** Of the size of a job that was rendered here, where one is known; a small one otherwise. */
  readonly isJobSize: boolean;
}

export interface VerifyOrder extends LoadOrder {
  /** Every file is read again, whether or not it seems to have changed since it was verified. */
  readonly isRehash: boolean;
}

type LoadFact =
  | { readonly type: "load.progressed"; readonly ratio: number }
  | { readonly type: "load.succeeded" }
  | { readonly type: "load.failed"; readonly fault: Fault }
  | { readonly type: "download.progressed"; readonly doneBytes: number }
  | { readonly type: "download.succeeded" }
  | { readonly type: "download.failed"; readonly fault: Fault };

export type ModelLoaderEvent =
  | LoadFact
  | { readonly type: "model.load"; readonly model: ModelId; readonly profile: LoadProfile }
  /** The wanted model is to be ready: joins what is under way, proves what is loaded, loads what is not. */
  | { readonly type: "model.ensure" }
  /** The wanted model once more, from the start. */
  | { readonly type: "model.reload" }
  | { readonly type: "model.unload" }
  /** A test render of a job's size, as soon as the model can be rendered with. */
  | { readonly type: "model.verify" }
  | { readonly type: "download.pause" }
  | { readonly type: "download.resume" }
  | { readonly type: "download.cancel" }
  | {
      readonly type: "worker.connected";
      readonly residentModel: ModelId | null;
      readonly profile: LoadProfile | null;
      readonly isAdopted: boolean;
    }
  | { readonly type: "worker.exited" };

export type ModelLoaderReport =
  | {
      readonly type: "model.proven";
      readonly workerId: string;
      readonly model: ModelId;
      readonly profile: LoadProfile;
      /** What was rendered, where somebody had asked for a trial; null for any other proof. */
      readonly trial: Trial | null;
    }
  | { readonly type: "model.unloaded"; readonly workerId: string }
  | { readonly type: "model.loadFailed"; readonly workerId: string; readonly model: ModelId; readonly fault: Fault }
  /** A load failed, and is tried again by itself. */
  | {
      readonly type: "model.loadRetried";
      readonly workerId: string;
      readonly model: ModelId;
      readonly fault: Fault;
      /** Of the next try, from 2. */
      readonly tryNumber: number;
      readonly tryCount: number;
      readonly retryAtMs: number;
    }
  /** A model that a job wanted could not be made ready; the worker goes back to its own. */
  | { readonly type: "model.setAside"; readonly workerId: string; readonly model: ModelId; readonly fault: Fault }
  | { readonly type: "fault.raised"; readonly report: FaultReport; readonly isHealthOnly: false };

export interface ModelLoaderInput {
  readonly workerId: string;
  readonly parent: ActorRef<Snapshot<unknown>, ModelLoaderReport>;
  readonly clock: Pick<Clock, "nowMs">;
  /** The model that is wanted from the start. */
  readonly model: ModelId;
  readonly profile: LoadProfile;
  readonly limits?: Partial<ModelLoaderLimits>;
}

export interface ModelLoaderContext {
  readonly workerId: string;
  readonly parent: ActorRef<Snapshot<unknown>, ModelLoaderReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly limits: ModelLoaderLimits;
  /** What this worker is there for: it holds it when no job wants another. */
  readonly own: Pick<LoadOrder, "model" | "profile">;
  readonly wanted: { readonly model: ModelId; readonly profile: LoadProfile };
  readonly isWorkerConnected: boolean;
  /** Tries of the load that failed. */
  readonly failedCount: number;
  /** Downloads in this load. */
  readonly downloadCount: number;
  /** Every file was read again since this model was wanted. */
  readonly areFilesReadAgain: boolean;
  readonly fault: Fault | null;
  /** `owed`: somebody asked for a test render of a job's size, and it has not begun. */
  readonly trial: "none" | "owed" | "running";
  /** What the trial rendered, until it is reported. */
  readonly rendered: Trial | null;
}

interface Trial {
  readonly size: TestSize;
  /** As a sentence's part, such as `the denoise phase of 832x480 with 81 frames`. */
  readonly what: string;
}

/** What a test render showed: null where it passed. */
export interface ModelProof extends Trial {
  readonly fault: Fault | null;
}

export type Resolution = { readonly kind: "present" } | { readonly kind: "missing"; readonly missingBytes: number };
