/** Turns a worker's refusals and broken connections into the service's own errors, and says which of them may pass. */
import { ConnectionError, ErrorCodes, ResponseError } from "vscode-jsonrpc/node";
import { type MethodName, rpcErrors } from "../contract/worker-protocol.ts";
import type { ErrorCode } from "../core/error-codes.ts";
import { messageOf, WorkerError } from "../core/errors.ts";
import { failureFromWire } from "./wire-mapping.ts";

interface Meaning {
  readonly code: ErrorCode;
  readonly retryable: boolean;
}

const meanings: ReadonlyMap<number, Meaning> = new Map([
  [rpcErrors.unauthorized, { code: "WORKER_CONFIGURATION", retryable: false }],
  [rpcErrors.busy, { code: "WORKER_ERROR", retryable: true }],
  [rpcErrors.unsupported, { code: "FEATURE_UNSUPPORTED", retryable: false }],
  [rpcErrors.failed, { code: "WORKER_ERROR", retryable: true }],
  [rpcErrors.protocolMismatch, { code: "WORKER_PROTOCOL_MISMATCH", retryable: false }],
  [ErrorCodes.MethodNotFound, { code: "FEATURE_UNSUPPORTED", retryable: false }],
  [ErrorCodes.InvalidParams, { code: "WORKER_PROTOCOL_MISMATCH", retryable: false }],
  [ErrorCodes.PendingResponseRejected, { code: "WORKER_EXITED", retryable: true }],
  [ErrorCodes.MessageWriteError, { code: "WORKER_EXITED", retryable: true }],
  [ErrorCodes.ConnectionInactive, { code: "WORKER_EXITED", retryable: true }],
]);

/** The answer to every call on a connection that has ended: WORKER_EXITED. */
export function connectionEnded(cause?: unknown): WorkerError {
  return new WorkerError("WORKER_EXITED", "the connection to the worker ended", { cause, retryable: true });
}

/**
 * Says what a rejected request means. `details.failure` is the worker's own report, `details.rpcCode` the code on the
 * wire.
 */
export function errorOfRejection(method: MethodName, thrown: unknown): WorkerError {
  if (thrown instanceof ConnectionError) return connectionEnded(thrown);
  if (!(thrown instanceof ResponseError))
    return new WorkerError("WORKER_ERROR", `${method}: ${messageOf(thrown)}`, { cause: thrown });
  const meaning = meanings.get(thrown.code) ?? { code: "WORKER_ERROR", retryable: false };
  const failure = failureFromWire(thrown.data);
  const details = failure === null ? { rpcCode: thrown.code } : { rpcCode: thrown.code, failure };
  return new WorkerError(meaning.code, `${method}: ${thrown.message}`, {
    cause: thrown,
    retryable: meaning.retryable,
    details,
  });
}
