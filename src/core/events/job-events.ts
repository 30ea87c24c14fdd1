/** Rows about one job: each carries its id. */
import { z } from "zod";
import { webhookTypes } from "../webhook.ts";
import { jobStates } from "../words.ts";
import { kept, told } from "./define-event.ts";
import { errorCode, nothing } from "./fields.ts";

const attemptEnds = ["death", "hostLoss", "error"] as const;

/** What rows of ended jobs share, for metrics: the model, and how long ago the job was submitted. */
const ended = { model: () => z.string(), age_ms: () => z.number() };

const failedAttempt = () =>
  z.object({
    fence: z.number(),
    attempt_ended_as: z.enum(attemptEnds),
    code: errorCode(),
    message: z.string(),
    signature: z.string().exactOptional(),
    /** The job itself may be the cause. */
    suspect: z.boolean().exactOptional(),
    attempts: z.number(),
    deaths: z.number(),
    host_losses: z.number(),
    model: ended.model(),
    age_ms: ended.age_ms(),
  });

const shown = () => z.object({ sha256: z.string(), reason: z.string().exactOptional() });

const change = () =>
  z.object({
    field: z.string(),
    from: z.union([z.string(), z.number()]),
    to: z.union([z.string(), z.number()]),
    why: z.string(),
  });

export const jobEvents = {
  "job.submitted": told("store", "A job was accepted; the caller is answered after this row is durable.", () =>
    z.object({
      model: z.string(),
      width: z.number(),
      height: z.number(),
      frames: z.number(),
      steps: z.number(),
      simulated: z.boolean(),
      retry_of: z.string().exactOptional(),
    }),
  ),
  "job.claimed": told("store", "A worker's pipeline took a job from the queue; its fence rose.", () =>
    z.object({ fence: z.number(), attempt: z.number(), model: z.string(), waited_ms: z.number() }),
  ),
  "job.changed": told("store", "An attempt is rendered in a changed form, as its job allows.", () =>
    z.object({ fence: z.number(), changes: z.array(change()).readonly() }),
  ),
  "job.adopted": told("store", "A new supervisor took over a render that went on without one.", () =>
    z.object({ fence: z.number() }),
  ),
  "job.succeeded": told(
    "store",
    "A result was committed, or a job that wanted nothing else ended with its stand-in.",
    () =>
      z.object({
        fence: z.number().exactOptional(),
        served_by: z.enum(["real", "stand_in"]),
        simulated: z.boolean(),
        sha256: z.string(),
        steps_rendered: z.number().exactOptional(),
        render_ms: z.number().exactOptional(),
        changed: z.boolean(),
        model: ended.model(),
        age_ms: ended.age_ms(),
      }),
  ),
  "job.failed": told("store", "A job ended without a video; without a fence, no attempt was under way.", () =>
    failedAttempt().partial({
      fence: true,
      attempt_ended_as: true,
      attempts: true,
      deaths: true,
      host_losses: true,
      signature: true,
      suspect: true,
    }),
  ),
  "job.retried": told("store", "An attempt ended without a result, and its job waits for the next one.", failedAttempt),
  "job.quarantined": told("store", "A job was set aside, because its renders ended workers.", failedAttempt),
  "job.cancelled": told("store", "A job was cancelled; without a fence, no attempt was under way.", () =>
    z.object({ fence: z.number().exactOptional(), model: ended.model(), age_ms: ended.age_ms() }),
  ),
  "job.cancelRequested": told("store", "A job that is being rendered is to be cancelled.", nothing),
  "job.released": told("store", "An attempt was given back without a charge, and its job waits again.", () =>
    z.object({ fence: z.number(), why: z.string(), model: z.string() }),
  ),
  "job.expired": told("store", "A job's deadline passed before its result was ready.", () =>
    z.object({ code: errorCode(), model: ended.model(), age_ms: ended.age_ms() }),
  ),
  "job.requeued": told("store", "An operator put a job that was set aside back into the queue.", () =>
    z.object({ from: z.enum(jobStates) }),
  ),
  "job.acquitted": told(
    "store",
    "A suspected job was not to blame: its worker or its size was; what was charged is given back.",
    () => z.object({ signature: z.string(), attempts: z.number() }),
  ),
  "job.dropped": told("store", "An operator dropped a job that was set aside: it stays failed.", () =>
    z.object({ code: z.string().nullable() }),
  ),
  "job.stoodIn": told("store", "A job shows a stand-in; its owner sees why.", shown),
  "job.thumbnailed": kept("store", "A job has a thumbnail.", shown),
  "job.removed": kept("store", "A job and its files were deleted on request.", () =>
    z.object({ state: z.enum(jobStates) }),
  ),
  "render.began": told("pipeline", "A worker was told to render an attempt, or went on with it.", () =>
    z.object({ fence: z.number(), adopted: z.boolean() }),
  ),
  "render.completed": told("pipeline", "A worker has rendered an attempt; its file is not checked yet.", () =>
    z.object({
      fence: z.number(),
      steps_rendered: z.number(),
      resumed_from_step: z.number(),
      held_bytes: z.number(),
    }),
  ),
  "webhook.delivered": kept("store", "A webhook took a delivery.", () =>
    z.object({ type: z.enum(webhookTypes), delivery: z.number(), tries: z.number() }),
  ),
  "webhook.abandoned": told("store", "A delivery is not tried again.", () =>
    z.object({ type: z.enum(webhookTypes), delivery: z.number(), tries: z.number(), problem: z.string() }),
  ),
};
