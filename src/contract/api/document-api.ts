/** The contract itself, for programs and for people. */
import { z } from "zod";
import { apiRoute, jsonAnswer } from "./api-route.ts";

export const showDocument = apiRoute({
  method: "get",
  path: "/openapi.json",
  role: "open",
  tags: ["contract"],
  summary: "This document: OpenAPI 3.1.",
  responses: { 200: jsonAnswer(z.record(z.string(), z.unknown()), "The document.") },
});
