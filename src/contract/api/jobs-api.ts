/** Jobs in our own words: submit, find, look at, cancel, try again; what was set aside; and the door of the intake. */
import { z } from "zod";
import { type JobState, jobStates } from "../../core/words.ts";
import { intakeSchema } from "../intake-wire.ts";
import { jobDetailSchema, jobListSchema, jobSubmissionSchema, labelPattern, longestLabelCount } from "../jobs-wire.ts";
import { modelName } from "../model-name.ts";
import { apiRoute, jsonAnswer, jsonBody } from "./api-route.ts";
import { limitParam } from "./list-params.ts";
import { idempotencyHeader, orderRefusals } from "./order-params.ts";

const tags = ["jobs"];
const params = z.object({ id: z.string() });
const usualCount = 100;

const admitted = {
  200: jsonAnswer(jobDetailSchema, "This idempotency key was used before: the job of then."),
  201: jsonAnswer(jobDetailSchema, "The job is on the disk."),
};

export const submitJob = apiRoute({
  method: "post",
  path: "/api/v1/jobs",
  role: "submitter",
  tags,
  summary: "Submits a job; the answer comes when it is on the disk.",
  request: { headers: idempotencyHeader(), body: jsonBody(jobSubmissionSchema) },
  responses: admitted,
  refusals: [...orderRefusals, "REQUEST_MALFORMED", "WEBHOOK_REFUSED"],
});

const listedWith = <Word extends string>(what: string, isWord: (word: string) => word is Word, longestCount: number) =>
  z
    .string()
    .refine(
      (text) => text.split(",").length <= longestCount && text.split(",").every(isWord),
      `must be one or more ${what}, with commas between`,
    )
    .transform((text) => text.split(",") as Word[]);

const isState = (word: string): word is JobState => (jobStates as readonly string[]).includes(word);
const isLabel = (word: string): word is string => labelPattern.test(word);
const statePattern = jobStates.join("|");

const moment = (description: string) =>
  z.iso
    .datetime({ offset: true, error: "must be a time in ISO 8601, for instance 2026-11-23T17:40:00Z" })
    .transform((text) => Date.parse(text))
    .meta({ type: "string", format: "date-time", description });

export const listJobs = apiRoute({
  method: "get",
  path: "/api/v1/jobs",
  role: "viewer",
  tags,
  summary: "Newest jobs first, page by page.",
  request: {
    query: z.object({
      state: listedWith(`of ${jobStates.join(", ")}`, isState, jobStates.length)
        .meta({
          type: "string",
          pattern: `^(${statePattern})(,(${statePattern})){0,5}$`,
          description: "States, with commas between.",
        })
        .optional(),
      label: listedWith("labels", isLabel, longestLabelCount)
        .meta({ type: "string", description: "Labels with commas between; a job must have all of them." })
        .optional(),
      model: modelName.optional(),
      since: moment("Submitted then or later.").optional(),
      until: moment("Submitted then or earlier.").optional(),
      limit: limitParam.default(usualCount),
      cursor: z
        .string()
        .regex(/^\d{1,16}\.[A-Za-z0-9-]{1,64}$/, "is not one that this list gave out; begin without one")
        .optional(),
    }),
  },
  responses: { 200: jsonAnswer(jobListSchema, "The jobs, and the cursor of the next page where there is one.") },
  refusals: ["REQUEST_INVALID"],
});

export const showJob = apiRoute({
  method: "get",
  path: "/api/v1/jobs/{id}",
  role: "viewer",
  tags,
  summary: "One job with its attempts, changes and artifacts.",
  request: { params },
  responses: { 200: jsonAnswer(jobDetailSchema, "The job.") },
  refusals: ["JOB_NOT_FOUND"],
});

export const cancelJob = apiRoute({
  method: "post",
  path: "/api/v1/jobs/{id}/cancel",
  role: "submitter",
  tags,
  summary: "Ends a waiting job at once, and asks for the end of a running one.",
  request: { params },
  responses: { 200: jsonAnswer(jobDetailSchema, "The job: cancelled, or running with cancel_requested.") },
  refusals: ["JOB_NOT_FOUND", "JOB_STATE_CONFLICT"],
});

export const retryJob = apiRoute({
  method: "post",
  path: "/api/v1/jobs/{id}/retry",
  role: "submitter",
  tags,
  summary: "Submits what failed or was cancelled once more: a new job that names the old one, which stays as it is.",
  request: { params, headers: idempotencyHeader() },
  responses: admitted,
  refusals: ["JOB_NOT_FOUND", "JOB_STATE_CONFLICT", "JOB_QUARANTINED", ...orderRefusals],
});

export const releaseJob = apiRoute({
  method: "post",
  path: "/api/v1/jobs/{id}/release",
  role: "operator",
  tags,
  summary: "Lets a job out of quarantine: it waits again, with a fresh budget and a fresh deadline.",
  request: { params },
  responses: { 200: jsonAnswer(jobDetailSchema, "The job.") },
  refusals: ["JOB_NOT_FOUND", "JOB_STATE_CONFLICT"],
});

export const dropJob = apiRoute({
  method: "post",
  path: "/api/v1/jobs/{id}/drop",
  role: "operator",
  tags,
  summary: "Leaves a quarantined job failed for good; its evidence stays until the retention.",
  request: { params },
  responses: { 200: jsonAnswer(jobDetailSchema, "The job.") },
  refusals: ["JOB_NOT_FOUND", "JOB_STATE_CONFLICT"],
});

export const drainIntake = apiRoute({
  method: "post",
  path: "/api/v1/jobs/drain",
  role: "operator",
  tags,
  summary: "Refuses new submissions, also after a restart, while what was accepted is rendered; a resume ends it.",
  responses: { 200: jsonAnswer(intakeSchema, "The intake is drained.") },
});
