/** Finished videos and their files. */
import { z } from "zod";
import { outputsSchema, videoSchema } from "../output-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";
import { limitParam, longestListCount } from "./list-params.ts";

const tags = ["outputs"];
const idParam = z.object({ id: z.string() });
const bytes = z.string().meta({ format: "binary" });

/** A file, whole or in part, as RFC 9110 has it. */
const fileAnswers = <MimeType extends string>(mimeTypes: readonly MimeType[]) => {
  const content = Object.fromEntries(mimeTypes.map((type) => [type, { schema: bytes }])) as Record<
    MimeType,
    { schema: typeof bytes }
  >;
  return {
    200: { description: "The whole file.", content },
    206: { description: "The part that was asked for.", content },
    304: { description: "The file that the client has is current." },
    416: { description: "The file has no such part." },
  } as const;
};
const rangeHeaders = z.object({
  range: z.string().optional(),
  "if-range": z.string().optional(),
  "if-none-match": z.string().optional(),
});

export const listOutputs = apiRoute({
  method: "get",
  path: "/api/v1/outputs",
  role: "viewer",
  tags,
  summary: "Videos that can be seen, newest first, one entry a job.",
  request: { query: z.object({ limit: limitParam.default(longestListCount) }) },
  responses: { 200: jsonAnswer(outputsSchema, "The videos.") },
  refusals: ["REQUEST_INVALID"],
});

export const showOutput = apiRoute({
  method: "get",
  path: "/api/v1/outputs/{id}",
  role: "viewer",
  tags,
  summary: "One of them.",
  request: { params: idParam },
  responses: { 200: jsonAnswer(videoSchema, "The video's entry.") },
  refusals: ["NOT_FOUND"],
});

export const deleteOutput = apiRoute({
  method: "delete",
  path: "/api/v1/outputs/{id}",
  role: "submitter",
  tags,
  summary: "Deletes a video with its job. Where it is a stand-in whose real video is owed, that is cancelled first.",
  request: { params: idParam },
  responses: { 200: jsonAnswer(z.strictObject({ message: z.string() }), "It is gone.") },
  refusals: ["NOT_FOUND", "JOB_STATE_CONFLICT"],
});

const fileOf = <Path extends string, MimeType extends string>(
  path: Path,
  summary: string,
  mimeTypes: readonly MimeType[],
) =>
  apiRoute({
    method: "get",
    path,
    role: "viewer",
    tags,
    summary,
    request: { params: idParam, headers: rangeHeaders },
    responses: fileAnswers(mimeTypes),
    refusals: ["NOT_FOUND"],
  });

export const showVideo = fileOf("/api/v1/outputs/{id}/video", "The video, to be played.", ["video/mp4"]);
export const downloadVideo = fileOf("/api/v1/outputs/{id}/download", "The video, to be kept.", ["video/mp4"]);
export const showThumbnail = fileOf("/api/v1/outputs/{id}/thumbnail", "A real frame of it.", ["image/jpeg"]);

export const showThumbnailByName = apiRoute({
  method: "get",
  path: "/thumbnails/{name}",
  role: "viewer",
  tags,
  summary: "The same by the base name of `thumbnail_path`, where the compatible clients' gallery looks for it.",
  request: { params: z.object({ name: z.string() }), headers: rangeHeaders },
  responses: fileAnswers(["image/jpeg"]),
  refusals: ["NOT_FOUND"],
});

export const showArtifact = apiRoute({
  method: "get",
  path: "/artifacts/{sha256}",
  role: "viewer",
  tags,
  summary: "A file by its own hash: this address never changes what it gives.",
  request: { params: z.object({ sha256: z.string() }), headers: rangeHeaders },
  responses: fileAnswers(["video/mp4", "image/jpeg"]),
  refusals: ["NOT_FOUND"],
});
