/** Faults on request, with simulated workers only. */
import { z } from "zod";
import { apiRoute, jsonAnswer } from "./api-route.ts";
import { documentedBody } from "./documented-body.ts";

export interface KillBody {
  readonly worker_id?: string;
}

export const killWorker = apiRoute({
  method: "post",
  path: "/api/v1/simulator/kill",
  role: "operator",
  tags: ["simulator"],
  summary: "Ends a simulated worker's process with SIGKILL.",
  request: {
    body: documentedBody<KillBody>({
      "application/json": () => ({
        type: "object",
        properties: { worker_id: { type: ["string", "null"], maxLength: 64 } },
      }),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.strictObject({ message: z.string(), worker_id: z.string(), pid: z.number().int() }),
      "It was killed.",
    ),
  },
  refusals: ["REQUEST_MALFORMED", "REQUEST_INVALID", "NOT_FOUND", "FEATURE_UNSUPPORTED"],
});
