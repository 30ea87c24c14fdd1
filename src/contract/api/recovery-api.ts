/**
 * Recovery for the compatible clients. `trigger` and `reset` answer 200 also when nothing could be repaired, because
 * they expect it.
 */
import { z } from "zod";
import { failureTypes } from "../../core/words.ts";
import {
  actionsSchema,
  attemptListSchema,
  healthSchema,
  recoveryStatusSchema,
  resetSchema,
  triggeredSchema,
} from "../recovery-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";
import { documentedBody } from "./documented-body.ts";
import { limitParam } from "./list-params.ts";

const tags = ["recovery"];

export const showRecovery = apiRoute({
  method: "get",
  path: "/api/v1/recovery/status",
  role: "viewer",
  tags,
  summary: "What recovery does and what it was worth.",
  responses: { 200: jsonAnswer(recoveryStatusSchema, "The status.") },
});

export const checkHealth = apiRoute({
  method: "get",
  path: "/api/v1/recovery/health",
  role: "viewer",
  tags,
  summary: "Measures host and cards now; a measurement that fails is an answer too.",
  responses: { 200: jsonAnswer(healthSchema, "The measurement.") },
});

export const listActions = apiRoute({
  method: "get",
  path: "/api/v1/recovery/actions",
  role: "viewer",
  tags,
  summary: "Which failure types and actions there are.",
  responses: { 200: jsonAnswer(actionsSchema, "Their names and what they mean.") },
});

export interface TriggerBody {
  readonly failure_type: (typeof failureTypes)[number];
  /** Climbs although a test render passes, and suspends the job in hand. */
  readonly force?: boolean;
  /** The worker that is meant; else the one that is in trouble, or the first one. */
  readonly worker_id?: string;
  /** The compatible clients send it; it is not read. */
  readonly context?: Readonly<Record<string, unknown>>;
}

export const triggerRecovery = apiRoute({
  method: "post",
  path: "/api/v1/recovery/trigger",
  role: "operator",
  tags,
  summary: "Repairs what is broken, and answers when that has ended, or after 25 s that it is still pending.",
  request: {
    query: z.object({
      failure_type: z.string().optional().describe("Where the body names none."),
      wait: z
        .string()
        .regex(/^\d{1,6}$/, "must be a number of seconds")
        .optional()
        .describe("Seconds to wait for the end: 25 where it is not given, at most 120; 0 answers at once."),
      force: z.string().optional().describe("Where the body does not say it: true or 1."),
      worker_id: z
        .string()
        .optional()
        .describe("Where the body names none; else the worker that is in trouble, or the first one."),
    }),
    body: documentedBody<TriggerBody>({
      "application/json": () => ({
        type: "object",
        properties: {
          failure_type: { type: "string", enum: [...failureTypes] },
          force: { type: "boolean" },
          worker_id: { type: "string" },
          context: {},
        },
      }),
    }),
  },
  responses: { 200: jsonAnswer(triggeredSchema, "What was done, also when it did not help.") },
  refusals: ["REQUEST_MALFORMED", { code: "REQUEST_INVALID", status: 400 }, "REQUEST_INVALID"],
});

export const resetRecovery = apiRoute({
  method: "post",
  path: "/api/v1/recovery/reset",
  role: "operator",
  tags,
  summary: "Forgets cooldowns and stand-in mode, and proves the main model again.",
  responses: { 200: jsonAnswer(resetSchema, "What came of it within ten seconds.") },
});

export const listAttempts = apiRoute({
  method: "get",
  path: "/api/v1/recovery/recovery-attempts",
  role: "viewer",
  tags,
  summary: "Actions that ran, newest first.",
  request: { query: z.object({ limit: limitParam.default(50) }) },
  responses: { 200: jsonAnswer(attemptListSchema, "The attempts.") },
  refusals: ["REQUEST_INVALID"],
});

const time = z.iso.datetime();

export const startMonitoring = apiRoute({
  method: "post",
  path: "/api/v1/recovery/health-monitoring/start",
  role: "operator",
  tags,
  summary: "Host and cards are measured again.",
  responses: {
    200: jsonAnswer(
      z.strictObject({ health_monitoring_started: z.boolean(), message: z.string(), timestamp: time }),
      "They are.",
    ),
  },
});

export const stopMonitoring = apiRoute({
  method: "post",
  path: "/api/v1/recovery/health-monitoring/stop",
  role: "operator",
  tags,
  summary: "Host and cards are not measured until a start of the monitoring or of the service.",
  responses: {
    200: jsonAnswer(
      z.strictObject({ health_monitoring_stopped: z.boolean(), message: z.string(), timestamp: time }),
      "They are not.",
    ),
  },
});

export const enableMock = apiRoute({
  method: "post",
  path: "/api/v1/recovery/enable-mock-generation",
  role: "operator",
  tags,
  summary:
    "Confirms that stand-ins serve. They do so by themselves, and never in the place of a main model that works.",
  responses: {
    200: jsonAnswer(
      z.strictObject({ mock_generation_enabled: z.literal(true), message: z.string(), timestamp: time }),
      "They serve.",
    ),
  },
  refusals: ["FEATURE_UNSUPPORTED"],
});
