/**
 * Maps what a worker says in the protocol to what the program holds: a field that differs between protocol and port
 * does not compile.
 */
import type { z } from "zod";
import { fromWire } from "../contract/renaming.ts";
import {
  failureSchema,
  type NotificationName,
  type notifications,
  type ResultOf,
} from "../contract/worker-protocol.ts";
import type { WorkerFailure } from "../core/fault.ts";
import type { WorkerIdentity, WorkerNotice } from "../core/ports/worker.ts";

export function identityFromWire(answer: ResultOf<"initialize">): WorkerIdentity {
  const { simulated, protocol: _protocol, ...identity } = answer;
  return { ...fromWire(identity), isSimulated: simulated };
}

/** The worker's own report of a failure, where an error carries one. */
export function failureFromWire(data: unknown): WorkerFailure | null {
  const parsed = failureSchema.safeParse(data);
  return parsed.success ? fromWire(parsed.data) : null;
}

type Received<Name extends NotificationName> = z.infer<(typeof notifications)[Name]>;

/** How each notification of the protocol becomes a notice. */
export const noticeFromWire: { readonly [Name in NotificationName]: (params: Received<Name>) => WorkerNotice } = {
  progress: (params) => ({ kind: "progress", ...fromWire(params) }),
  load_progress: (params) => ({ kind: "loadProgress", ...fromWire(params) }),
  heartbeat: (params) => ({ kind: "heartbeat", ...fromWire(params) }),
  completed: (params) => ({ kind: "completed", report: fromWire(params) }),
  failed: (params) => ({ kind: "failed", ...fromWire(params) }),
};
