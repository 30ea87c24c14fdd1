/**
 * What every refusal looks like: an RFC 9457 problem that the compatible clients (`detail`, `message`) and OpenAI's
 * SDK (`error`) read too.
 */
import { z } from "zod";
import { type ErrorCode, errorCodes } from "../core/error-codes.ts";
import { present } from "../core/present.ts";

export const problemSchema = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string(),
    detail: z.string(),
    message: z.string(),
    error: z.strictObject({ message: z.string(), type: z.string(), code: z.string(), param: z.string().optional() }),
    next_step: z.string(),
    request_id: z.string(),
    incident_id: z.string().optional(),
    retry_after_ms: z.number().int().optional(),
  })
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof problemSchema>;

export interface ProblemAbout {
  readonly code: ErrorCode;
  /** For the caller; never a stack, a path or a prompt. */
  readonly detail: string;
  readonly requestId: string;
  /** Set where clients of a route expect another status than the code's own. */
  readonly status?: number;
  /** The field at fault. */
  readonly param?: string;
  readonly retryAfterMs?: number;
  readonly incidentId?: string;
}

/** Longer waits are ignored by OpenAI's SDK, which then retries at once. */
export const longestRetryAfterMs = 60_000;

export function toProblem(about: ProblemAbout): Problem {
  const row = errorCodes[about.code];
  const status = about.status ?? row.status;
  const type = status === 429 ? "rate_limit_error" : status >= 500 ? "server_error" : "invalid_request_error";
  return {
    type: `urn:understudy:error:${about.code}`,
    title: row.meaning,
    status,
    code: about.code,
    detail: about.detail,
    message: about.detail,
    error: {
      message: about.detail,
      type,
      code: about.code,
      ...present({ param: about.param }),
    },
    next_step: row.nextStep,
    request_id: about.requestId,
    ...present({ incident_id: about.incidentId, retry_after_ms: about.retryAfterMs }),
  };
}
