/** Incidents as a program and as a person reads them, and what recovery was worth. */
import { z } from "zod";
import { type IncidentStatus, incidentStatuses } from "../../core/words.ts";
import { analyticsSchema } from "../analytics-wire.ts";
import { incidentListSchema, incidentReportSchema } from "../incident-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";
import { limitParam } from "./list-params.ts";

const tags = ["incidents"];
const usualCount = 50;
const statusPattern = `^(${incidentStatuses.join("|")})(,(${incidentStatuses.join("|")}))*$`;

export const listIncidents = apiRoute({
  method: "get",
  path: "/api/v1/recovery/incidents",
  role: "viewer",
  tags,
  summary: "Newest first, page by page.",
  request: {
    query: z.object({
      limit: limitParam.default(usualCount),
      cursor: z.string().optional().describe("Of the page before."),
      status: z
        .string()
        .regex(new RegExp(statusPattern), `must be one or more of ${incidentStatuses.join(", ")}, with commas between`)
        .transform((text) => text.split(",") as IncidentStatus[])
        .optional(),
    }),
  },
  responses: { 200: jsonAnswer(incidentListSchema, "One page.") },
  refusals: ["REQUEST_INVALID"],
});

export const showIncident = apiRoute({
  method: "get",
  path: "/api/v1/recovery/incidents/{id}",
  role: "viewer",
  tags,
  summary: "One with its whole story: cause, steps, proofs, jobs. As Markdown where the Accept header wants it.",
  request: { params: z.object({ id: z.string() }) },
  responses: {
    200: {
      description: "The report.",
      content: { "application/json": { schema: incidentReportSchema }, "text/markdown": { schema: z.string() } },
    },
  },
  refusals: ["NOT_FOUND"],
});

export const showAnalytics = apiRoute({
  method: "get",
  path: "/api/v1/recovery/analytics",
  role: "viewer",
  tags,
  summary: "What recovery was worth, counted from rows.",
  request: {
    query: z.object({
      since: z
        .string()
        .regex(/^\d{4}-\d\d-\d\d/, "must be a time of the past in ISO 8601, for instance 2026-11-23T17:40:00Z")
        .optional()
        .describe("A time of the past in ISO 8601; 30 days ago where none is given."),
    }),
  },
  responses: { 200: jsonAnswer(analyticsSchema, "The figures.") },
  refusals: ["REQUEST_INVALID"],
});
