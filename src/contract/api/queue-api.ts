/** The queue as the compatible clients poll it. */
import { z } from "zod";
import { queueSchema, taskStatuses } from "../task-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";
import { limitParam, longestListCount } from "./list-params.ts";

const tags = ["queue"];
const messageSchema = z.strictObject({ message: z.string(), task_id: z.string() });
const idParam = z.object({ id: z.string() });

export const listQueue = apiRoute({
  method: "get",
  path: "/api/v1/queue",
  role: "viewer",
  tags,
  summary: "Newest tasks first, with counts.",
  request: {
    query: z.object({
      limit: limitParam.default(longestListCount),
      status_filter: z.enum(taskStatuses).optional(),
    }),
  },
  responses: { 200: jsonAnswer(queueSchema, "Tasks and counts.") },
  refusals: ["REQUEST_INVALID"],
});

export const cancelTask = apiRoute({
  method: "post",
  path: "/api/v1/queue/{id}/cancel",
  role: "submitter",
  tags,
  summary: "Cancels a task that waits or is being rendered.",
  request: { params: idParam },
  responses: { 200: jsonAnswer(messageSchema, "It is cancelled, or is being stopped.") },
  refusals: ["JOB_NOT_FOUND", { code: "JOB_STATE_CONFLICT", status: 400 }],
});

export const deleteTask = apiRoute({
  method: "delete",
  path: "/api/v1/queue/{id}",
  role: "submitter",
  tags,
  summary:
    "Deletes an ended task with its files. One whose stand-in is shown is cancelled first, for its real video is still owed.",
  request: { params: idParam },
  responses: { 200: jsonAnswer(messageSchema, "It is gone.") },
  refusals: ["JOB_NOT_FOUND", { code: "JOB_STATE_CONFLICT", status: 400 }, "JOB_STATE_CONFLICT"],
});

export const clearQueue = apiRoute({
  method: "post",
  path: "/api/v1/queue/clear",
  role: "operator",
  tags,
  summary:
    "Deletes what is completed, failed or cancelled. What was set aside stays, and so does a stand-in whose real video is owed.",
  responses: {
    200: jsonAnswer(z.strictObject({ message: z.string(), cleared_tasks: z.number().int() }), "They are gone."),
  },
});
