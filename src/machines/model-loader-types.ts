/** What the model loader understands, remembers and reports. Its limits tell a slow load from a stuck one. */
import type { ActorRef, Snapshot } from "xstate";
import type { Clock } from "../core/clock.ts";
import type { Fault, FaultReport } from "../core/fault.ts";
import { hourMs, minuteMs, secondMs } from "../core/units.ts";
import type { LoadProfile, ModelId } from "../core/words.ts";
import { retryTables } from "../recovery/retry-delays.ts";

export interface ModelLoaderLimits {
  readonly resolveMs: number;
  readonly downloadStallMs: number;
  readonly verifyMs: number;
  /** A load without any sign of activity for this long is stuck; a slow one is not. */
  readonly stuckMs: number;
  /** Long, because a first test render after a load compiles kernels. */
  readonly proveMs: number;
  readonly unloadMs: number;
  /** Tries after the first one; the waits between them are the table's. */
  readonly retryCount: number;
  /** Fetches in one load of files that do not match their hash, before the source is given up. */
  readonly fetchCount: number;
  readonly permanentRestMs: number;
}

export const defaultModelLoaderLimits: ModelLoaderLimits = {
  resolveMs: minuteMs,
  downloadStallMs: 30 * secondMs,
  verifyMs: hourMs,
  stuckMs: 5 * minuteMs,
  proveMs: 2 * minuteMs,
  unloadMs: 2 * minuteMs,
  retryCount: retryTables.model_loading.retryCount,
  fetchCount: 2,
  permanentRestMs: 10 * minuteMs,
};

export interface LoadOrder {
  readonly workerId: string;
  readonly model: ModelId;
  readonly profile: LoadProfile;
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
  | { readonly type: "model.proven"; readonly workerId: string; readonly model: ModelId; readonly profile: LoadProfile }
  | { readonly type: "model.unloaded"; readonly workerId: string }
  | { readonly type: "model.loadFailed"; readonly workerId: string; readonly model: ModelId; readonly fault: Fault }
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
  readonly tryCount: number;
  /** Fetches in this load. */
  readonly fetchCount: number;
  /** Every file was read again since this model was wanted. */
  readonly areFilesReadAgain: boolean;
  readonly fault: Fault | null;
}

export type Resolution = { readonly kind: "present" } | { readonly kind: "missing"; readonly missingBytes: number };
