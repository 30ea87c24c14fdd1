/** Videos in the shape of OpenAI's API, which vLLM-Omni and others speak too; docs/openai-videos.md. */
import { z } from "zod";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { resolutionsOf } from "../../core/model-figures.ts";
import { longestPromptLength } from "../order.ts";
import { videoRequestSchema } from "../videos-request.ts";
import {
  modelListSchema,
  modelObjectSchema,
  videoDeletedSchema,
  videoListSchema,
  videoObjectSchema,
} from "../videos-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";
import { documentedBody, type JsonSchema, looseObject } from "./documented-body.ts";
import { idempotencyHeader, orderRefusals } from "./order-params.ts";

const tags = ["videos"];
const idParam = z.object({ id: z.string() });

/** What clients write at least; the rest is described in the document. */
export type VideoOrder = { readonly prompt: string } & Readonly<Record<string, unknown>>;

const file: JsonSchema = { type: "string", format: "binary", description: "JPEG, PNG or WebP, at most 10 MB." };

function fieldsSchema(catalog: ModelCatalog, toImage: (reference: JsonSchema) => JsonSchema): JsonSchema {
  const json = looseObject(videoRequestSchema);
  const sizes = [...new Set(catalog.entries.flatMap(resolutionsOf))];
  return {
    ...json,
    required: ["prompt"],
    properties: {
      ...json.properties,
      prompt: { type: "string", minLength: 1, maxLength: longestPromptLength, pattern: "\\S" },
      model: { type: "string", enum: [...catalog.ids], description: "The main model unless it is named." },
      size: { type: "string", enum: sizes, default: "1280x720" },
      input_reference: toImage(json.properties["input_reference"] ?? {}),
    },
  };
}

const createBody = documentedBody<VideoOrder>(
  {
    "application/json": (catalog) => fieldsSchema(catalog, (reference) => reference),
    "multipart/form-data": (catalog) => fieldsSchema(catalog, (reference) => ({ anyOf: [file, reference] })),
  },
  true,
);

export const createVideo = apiRoute({
  method: "post",
  path: "/v1/videos",
  role: "submitter",
  tags,
  summary: "Takes a video's order, durably: a form as OpenAI's SDK sends it, or JSON.",
  request: {
    headers: idempotencyHeader("The same key with the same fields gives the first video back."),
    body: createBody,
  },
  responses: { 200: jsonAnswer(videoObjectSchema, "It is durable.") },
  refusals: ["REQUEST_MALFORMED", "MEDIA_TYPE_UNSUPPORTED", "IMAGE_ADDRESS_REFUSED", ...orderRefusals],
});

const pageCount = { usual: 20, most: 100 } as const;
const limitProblem = `must be a whole number from 1 to ${pageCount.most}`;

export const listVideos = apiRoute({
  method: "get",
  path: "/v1/videos",
  role: "viewer",
  tags,
  summary: "Videos by age, a page at a time.",
  request: {
    query: z.object({
      after: z.string().min(1).max(64).optional().describe("Only what comes behind this video."),
      limit: z
        .string()
        .refine((text) => /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= pageCount.most, limitProblem)
        .transform(Number)
        .meta({ type: "integer", minimum: 1, maximum: pageCount.most })
        .default(pageCount.usual),
      order: z.enum(["asc", "desc"], "must be asc or desc").default("desc"),
    }),
  },
  responses: { 200: jsonAnswer(videoListSchema, "The page.") },
  refusals: ["REQUEST_INVALID"],
});

export const showVideo = apiRoute({
  method: "get",
  path: "/v1/videos/{id}",
  role: "viewer",
  tags,
  summary: "One video, where it is and what it became.",
  request: { params: idParam },
  responses: { 200: jsonAnswer(videoObjectSchema, "The video.") },
  refusals: ["JOB_NOT_FOUND"],
});

export const deleteVideo = apiRoute({
  method: "delete",
  path: "/v1/videos/{id}",
  role: "submitter",
  tags,
  summary: "Ends what is still owed of it, and deletes it with its files.",
  request: { params: idParam },
  responses: { 200: jsonAnswer(videoDeletedSchema, "It is gone, or is being stopped.") },
  refusals: ["JOB_NOT_FOUND"],
});

const contentVariants = ["video", "thumbnail", "spritesheet", "standin"] as const;
const bytes = z.string().meta({ format: "binary" });
const content = { "video/mp4": { schema: bytes }, "image/jpeg": { schema: bytes } };

export const downloadContent = apiRoute({
  method: "get",
  path: "/v1/videos/{id}/content",
  role: "viewer",
  tags,
  summary: "The video's file, a real frame of it, or the stand-in that was shown before it.",
  request: {
    params: idParam,
    query: z.object({
      variant: z.enum(contentVariants, `must be one of ${contentVariants.join(", ")}`).default("video"),
    }),
  },
  responses: {
    200: { description: "The whole file.", content },
    206: { description: "The part that was asked for.", content },
    304: { description: "The file that the client has is current." },
    416: { description: "The file has no such part." },
  },
  refusals: ["JOB_NOT_FOUND", "NOT_FOUND", "JOB_STATE_CONFLICT", "REQUEST_INVALID", "FEATURE_UNSUPPORTED"],
});

/** What the API has besides and no worker here does. */
const notDone = <Path extends string>(path: Path, summary: string) =>
  apiRoute({
    method: "post",
    path,
    role: "submitter",
    tags,
    summary,
    responses: {},
    refusals: ["FEATURE_UNSUPPORTED"],
  });

export const remixVideo = apiRoute({
  method: "post",
  path: "/v1/videos/{id}/remix",
  role: "submitter",
  tags,
  summary: "Not done here: a video made from another one.",
  request: { params: idParam },
  responses: {},
  refusals: ["FEATURE_UNSUPPORTED"],
});
export const editVideo = notDone("/v1/videos/edits", "Not done here: a changed video.");
export const extendVideo = notDone("/v1/videos/extensions", "Not done here: a longer video.");

export const listModels = apiRoute({
  method: "get",
  path: "/v1/models",
  role: "viewer",
  tags,
  summary: "Names that a request may give as its model.",
  responses: { 200: jsonAnswer(modelListSchema, "The models.") },
});

export const showModel = apiRoute({
  method: "get",
  path: "/v1/models/{model}",
  role: "viewer",
  tags,
  summary: "One of them.",
  request: { params: z.object({ model: z.string() }) },
  responses: { 200: jsonAnswer(modelObjectSchema, "The model.") },
  refusals: ["NOT_FOUND"],
});
