/** Drills against the running service: a fault, and how well the service stood it. */
import { z } from "zod";
import { drillListSchema, scoreCardSchema } from "../drill-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";

const tags = ["drills"];

export const listDrills = apiRoute({
  method: "get",
  path: "/api/v1/recovery/drills",
  role: "viewer",
  tags,
  summary: "Every drill with its newest score cards.",
  responses: { 200: jsonAnswer(drillListSchema, "The drills.") },
});

export const runDrill = apiRoute({
  method: "post",
  path: "/api/v1/recovery/drills/{name}",
  role: "operator",
  tags,
  summary: "Plays a fault, and answers when the service has recovered: after seconds to some minutes.",
  request: { params: z.object({ name: z.string() }) },
  responses: { 200: jsonAnswer(scoreCardSchema, "How it went.") },
  refusals: ["NOT_FOUND", "DRILL_NOT_POSSIBLE"],
});
