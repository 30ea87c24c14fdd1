/** What every way in for an order takes besides its fields, and what it refuses with. */
import { z } from "zod";
import type { ErrorCode } from "../../core/error-codes.ts";

/** The refusals of an order whose body could be read. */
export const orderRefusals = [
  "REQUEST_INVALID",
  "IMAGE_UNCHECKED",
  "ENVELOPE_TOO_LARGE",
  "LORA_UNSUPPORTED",
  "IDEMPOTENCY_KEY_REUSED",
  "QUEUE_FULL",
  "DRAINING",
  "INTAKE_DRAINED",
  "DISK_FULL",
  "STORE_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];

const key = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, "must have 1 to 255 printable characters without spaces")
  .optional();

/** @param description what the same key with the same fields gives back */
export const idempotencyHeader = (description?: string) =>
  z.object({ "idempotency-key": description === undefined ? key : key.describe(description) });
