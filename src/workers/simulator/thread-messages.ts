/**
 * What passes between the simulator's two threads. The second one keeps the socket and the heartbeat, so that they go
 * on while the first is blocked.
 */
import type { MethodName, NotificationName } from "../../contract/worker-protocol.ts";
import type { DeviceMemory } from "../../core/fault.ts";
import type { AttachReport, WorkerIdentity } from "../../core/ports/worker.ts";

/** What the link thread answers by itself, even while the main thread is blocked. */
export interface WorkerState {
  readonly attach: AttachReport;
  readonly memory: DeviceMemory;
  readonly jobsDone: number;
}

/** Messages from the main thread, which renders, to the link thread, which owns socket and heartbeat. */
export type ToLink =
  | { readonly kind: "state"; readonly state: WorkerState }
  | { readonly kind: "notify"; readonly name: NotificationName; readonly params: unknown }
  | { readonly kind: "answer"; readonly id: number; readonly result: unknown }
  | {
      readonly kind: "refusal";
      readonly id: number;
      readonly code: number;
      readonly message: string;
      readonly data?: unknown;
    }
  | { readonly kind: "silence" }
  | { readonly kind: "lie" }
  /** The last message: whatever was said before it is to leave the process. */
  | { readonly kind: "end" };

export type ToMain =
  | { readonly kind: "call"; readonly id: number; readonly method: MethodName; readonly params: unknown }
  | { readonly kind: "orphaned" }
  | { readonly kind: "ended" };

export interface LinkData {
  readonly socketPath: string;
  readonly token: string;
  readonly identity: WorkerIdentity;
  readonly state: WorkerState;
  /** One 32-bit number says when the main thread last turned: ms since the link's start, modulo 2^31. */
  readonly pulse: SharedArrayBuffer;
  readonly startedAtMs: number;
  readonly orphanMs: number;
}
