/** Errors with a code that the API knows. `retryable` tells callers whether the same call may succeed later. */
import type { ErrorCode } from "./error-codes.ts";

export interface UnderstudyErrorOptions {
  readonly cause?: unknown;
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The base of every error that this program throws on purpose. Expected outcomes are values, not errors. */
export class UnderstudyError extends Error {
  override readonly name: string = "UnderstudyError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: UnderstudyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

export class StoreError extends UnderstudyError {
  override readonly name = "StoreError";
}

export class WorkerError extends UnderstudyError {
  override readonly name = "WorkerError";
}

export class MediaError extends UnderstudyError {
  override readonly name = "MediaError";
}

export class ModelError extends UnderstudyError {
  override readonly name = "ModelError";
}

/** The message of anything that was thrown; never a stack. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
