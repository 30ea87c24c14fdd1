/** Pausing and resuming the workers, as an operator asks. */
import { intakeSchema } from "../intake-wire.ts";
import { apiRoute, jsonAnswer } from "./api-route.ts";
import { documentedBody } from "./documented-body.ts";

const tags = ["jobs"];

export interface PauseBody {
  /** Workers end when idle, so that their cards are free. */
  readonly release_gpu?: boolean;
}

export const pauseIntake = apiRoute({
  method: "post",
  path: "/api/v1/jobs/pause",
  role: "operator",
  tags,
  summary: "No job begins until a resume; with `release_gpu` workers end when idle. Waits for that at most 30 s.",
  request: {
    body: documentedBody<PauseBody>({
      "application/json": () => ({ type: "object", properties: { release_gpu: { type: "boolean" } } }),
    }),
  },
  responses: { 200: jsonAnswer(intakeSchema, "Where the pause has got to.") },
  refusals: ["REQUEST_MALFORMED", "REQUEST_INVALID"],
});

export const resumeIntake = apiRoute({
  method: "post",
  path: "/api/v1/jobs/resume",
  role: "operator",
  tags,
  summary: "Jobs are taken again.",
  responses: { 200: jsonAnswer(intakeSchema, "They are.") },
});
