/** One answer for dashboards and scripts, which would otherwise put it together from several. */
import { statusSchema } from "../status-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";

export const showStatus = apiRoute({
  method: "get",
  path: "/api/v1/status",
  role: "viewer",
  tags: ["probes"],
  summary: "The whole service at a glance: mode, workers, jobs by state, open incidents.",
  responses: { 200: jsonAnswer(statusSchema, "How the service is.") },
});
