/** Probes of a container platform, which carry no key, and what an operator watches. */
import { z } from "zod";
import { readinessSchema, serviceHealthSchema, systemHealthSchema } from "../system-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";

const tags = ["probes"];

export const liveness = apiRoute({
  method: "get",
  path: "/livez",
  role: "open",
  tags,
  summary: "The process answers; also while it drains.",
  responses: { 200: jsonAnswer(z.strictObject({ status: z.literal("alive") }), "It lives.") },
});

export const readiness = apiRoute({
  method: "get",
  path: "/readyz",
  role: "open",
  tags,
  summary: "A submission can be made durable, also where only stand-ins are served.",
  responses: { 200: jsonAnswer(readinessSchema, "It is ready.") },
  refusals: ["DRAINING", "INTAKE_DRAINED", "DISK_FULL"],
});

export const serviceHealth = apiRoute({
  method: "get",
  path: "/health",
  role: "open",
  tags,
  summary: "The short answer of the compatible routes.",
  responses: { 200: jsonAnswer(serviceHealthSchema, "How the service is.") },
});

export const systemHealth = apiRoute({
  method: "get",
  path: "/api/v1/system/health",
  role: "viewer",
  tags,
  summary: "One object that every generation of the compatible client can read.",
  responses: { 200: jsonAnswer(systemHealthSchema, "How the service is.") },
});

export const metricsText = apiRoute({
  method: "get",
  path: "/metrics",
  role: "viewer",
  tags,
  summary: "Counts and measurements in the text format of Prometheus.",
  responses: { 200: { description: "One scrape.", content: { "text/plain": { schema: z.string() } } } },
});
