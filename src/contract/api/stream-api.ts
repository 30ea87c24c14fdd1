/** What stays open: server-sent events and the compatible clients' socket. */
import { z } from "zod";
import { frameSchemas } from "../event-frames.ts";
import { topicsParam } from "../stream-topics.ts";
import { apiRoute } from "./api-route.ts";
import { documentedStream } from "./documented-body.ts";

const tags = ["streams"];
const events = { "text/event-stream": { schema: z.string() } };

export const streamEvents = apiRoute({
  method: "get",
  path: "/api/v1/events",
  role: "viewer",
  tags,
  summary: "The event log as it grows: a snapshot first, or what was missed since Last-Event-ID.",
  request: {
    query: z.object({ topics: topicsParam }),
    headers: z.object({ "last-event-id": z.string().optional().describe("Number of the last row that was read.") }),
  },
  responses: { 200: documentedStream(frameSchemas) },
  refusals: ["REQUEST_INVALID", "DRAINING"],
});

export const streamHealth = apiRoute({
  method: "get",
  path: "/api/v1/health/stream",
  role: "viewer",
  tags,
  summary:
    "Health and incidents, and measurements as they are made: a snapshot first, or what was missed since Last-Event-ID.",
  request: {
    query: z.object({
      topics: z
        .literal("health")
        .optional()
        .describe("`health`: health as it is judged and incidents, without measurements and the service's mode."),
    }),
    headers: z.object({ "last-event-id": z.string().optional().describe("Number of the last frame that was read.") }),
  },
  responses: { 200: { description: "Events without end.", content: events } },
  refusals: ["REQUEST_INVALID", "DRAINING"],
});

export const openSocket = apiRoute({
  method: "get",
  path: "/ws",
  role: "viewer",
  tags,
  summary: "The compatible clients' WebSocket: frames of jobs, queue, measurements and recovery by topic.",
  responses: { 101: { description: "The socket is open." } },
  refusals: [{ code: "REQUEST_MALFORMED", status: 426 }, "DRAINING"],
});
