/**
 * Parts that the payloads of several kinds share. Each is made anew by a call, because schemas are made only when they are
 * asked for. Names end in their unit: `_ms` is a span, `_at_ms` a moment since 1970.
 */
import { z } from "zod";
import { type ErrorCode, errorCodes } from "../error-codes.ts";
import type { Evidence } from "../fault.ts";
import { attributions, failureTypes, faultClassNames, recoveryActions } from "../words.ts";

export const nothing = () => z.object({});
export const names = () => z.array(z.string()).readonly();
export const action = () => z.enum(recoveryActions);
export const failureType = () => z.enum(failureTypes);

const isErrorCode = (value: unknown): value is ErrorCode =>
  typeof value === "string" && Object.hasOwn(errorCodes, value);
export const errorCode = () => z.custom<ErrorCode>(isErrorCode).meta({ type: "string" });

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);
const evidence = () => z.custom<Evidence>(isObject).meta({ type: "object" });

/** A fault as rows keep it: every text sanitised, of a log only the telling lines. */
export const fault = () =>
  z.object({
    faultClass: z.enum(faultClassNames),
    code: errorCode(),
    attribution: z.enum(attributions),
    failureType: failureType().nullable(),
    confidence: z.number(),
    decidedBy: z.string(),
    message: z.string(),
    contextPoisoned: z.boolean(),
    retryable: z.boolean(),
    operatorAction: z.string().nullable(),
    // Rows of an older program kept none.
    evidence: evidence().exactOptional(),
  });
export type KeptFault = z.infer<ReturnType<typeof fault>>;

const measure = () =>
  z.object({
    atMs: z.number(),
    deviceFreeBytes: z.number().nullable(),
    workerReservedBytes: z.number().nullable(),
    workerAllocatedBytes: z.number().nullable(),
    note: z.string().exactOptional(),
  });

/** What was measured around an action, beside the worker that acted. */
export const actionEvidence = () =>
  z.object({ action: action(), before: measure(), applied: names(), after: measure() });
