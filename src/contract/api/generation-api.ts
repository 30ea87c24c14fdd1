/** Submitting a job, and looking at one. */
import { z } from "zod";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { resolutionsOf } from "../../core/model-figures.ts";
import { detectedSchema } from "../detect-model.ts";
import { longestPromptLength } from "../order.ts";
import { type SubmitFields, submitSchema } from "../submit-request.ts";
import { jobStatusSchema, submittedSchema } from "../task-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";
import { documentedBody, type JsonSchema, looseObject } from "./documented-body.ts";
import { idempotencyHeader, orderRefusals } from "./order-params.ts";

const tags = ["generation"];

/** What clients write: everything but model and prompt may be left out. */
export type SubmitBody = Pick<SubmitFields, "model_type" | "prompt"> & Partial<SubmitFields>;

function fieldsSchema(catalog: ModelCatalog, image: JsonSchema): JsonSchema {
  const json = looseObject(submitSchema);
  const resolutions = [...new Set(catalog.entries.flatMap(resolutionsOf))];
  return {
    ...json,
    properties: {
      ...json.properties,
      model_type: { type: "string", enum: [...catalog.ids] },
      prompt: { ...(json.properties["prompt"] as object), minLength: 1, pattern: "\\S" },
      resolution: { type: "string", enum: resolutions, default: "1280x720" },
      image,
      end_image: image,
    },
  };
}

const file: JsonSchema = { type: "string", format: "binary", description: "JPEG, PNG or WebP, at most 10 MB." };
const noFile: JsonSchema = { enum: [null, ""], description: "Images are files of a form." };

const submission = {
  headers: idempotencyHeader("The same key with the same fields gives the first job back."),
  body: documentedBody<SubmitBody>(
    {
      "application/json": (catalog) => fieldsSchema(catalog, noFile),
      "multipart/form-data": (catalog) => fieldsSchema(catalog, file),
    },
    true,
  ),
};
const refusals = ["REQUEST_MALFORMED", "MEDIA_TYPE_UNSUPPORTED", ...orderRefusals] as const;

const submitTo = <Path extends string>(path: Path, summary: string) =>
  apiRoute({
    method: "post",
    path,
    role: "submitter",
    tags,
    summary,
    request: submission,
    responses: { 200: jsonAnswer(submittedSchema, "It is durable.") },
    refusals,
  });

export const submitGeneration = submitTo(
  "/api/v1/generation/submit",
  "Takes a job, durably, in the fields of the compatible routes.",
);
export const generate = submitTo("/api/v1/generate", "The same under the other name of the compatible route.");

export const showGeneration = apiRoute({
  method: "get",
  path: "/api/v1/generate/{id}",
  role: "viewer",
  tags,
  summary: "One job, where it is and what it became.",
  request: { params: z.object({ id: z.string() }) },
  responses: { 200: jsonAnswer(jobStatusSchema, "The job.") },
  refusals: ["JOB_NOT_FOUND"],
});

const truth = z.enum(["true", "false", "1", "0", ""]).optional();

export const detectModelType = apiRoute({
  method: "get",
  path: "/api/v1/generation/models/detect",
  role: "viewer",
  tags,
  summary: "Which model suits a prompt: the compatible clients' form asks before it submits.",
  request: {
    query: z.object({ prompt: z.string().max(longestPromptLength).optional(), has_image: truth, has_end_image: truth }),
  },
  responses: { 200: jsonAnswer(detectedSchema, "The model, and why.") },
  refusals: ["REQUEST_INVALID"],
});
