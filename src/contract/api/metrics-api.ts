/** What a Prometheus server scrapes; it sends a key of the role viewer where one is needed. */
import { z } from "zod";
import { apiRoute } from "./api-route.ts";

export const metricsText = apiRoute({
  method: "get",
  path: "/metrics",
  role: "viewer",
  tags: ["probes"],
  summary: "Counts and measurements in the text format of Prometheus.",
  responses: { 200: { description: "One scrape.", content: { "text/plain": { schema: z.string() } } } },
});
