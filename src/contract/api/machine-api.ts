/** The statecharts as they run. */
import { z } from "zod";
import { machinesSchema } from "../machine-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";

const tags = ["machines"];

export const listMachines = apiRoute({
  method: "get",
  path: "/api/v1/machines",
  role: "viewer",
  tags,
  summary:
    "What each statechart is, where each actor stands, what it waits for, what it would take now and what it did last.",
  responses: { 200: jsonAnswer(machinesSchema, "Definitions and actors.") },
});

export const streamMachines = apiRoute({
  method: "get",
  path: "/api/v1/machines/stream",
  role: "viewer",
  tags,
  summary: "Every actor in a snapshot, then each step of each actor.",
  responses: { 200: { description: "Events without end.", content: { "text/event-stream": { schema: z.string() } } } },
  refusals: ["DRAINING"],
});

export const inspectMachines = apiRoute({
  method: "get",
  path: "/inspect",
  role: "operator",
  tags,
  summary:
    "A WebSocket with frames in the form of the Stately Inspector, for clients on this computer, where the service was started with --inspect.",
  responses: { 101: { description: "The socket is open." } },
  refusals: ["NOT_FOUND", "ORIGIN_REFUSED", { code: "REQUEST_MALFORMED", status: 426 }, "DRAINING"],
});
