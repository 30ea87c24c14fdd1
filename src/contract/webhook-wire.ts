/** What a webhook is told, and what a job says of that. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import { ifAny, ifKnown, withoutNulls } from "../core/present.ts";
import { deliveryIdOf, deliveryStates, type WebhookDelivery, webhookTypes } from "../core/webhook.ts";
import { artifactKinds, jobStates } from "../core/words.ts";
import { changesSchema, errorSchema, servedBySchema, toChanges, toServedBy } from "./job-parts.ts";

const time = z.iso.datetime();

export const webhookBodySchema = z
  .strictObject({
    type: z.enum(webhookTypes),
    /** When it happened. */
    timestamp: time,
    data: z.strictObject({
      job_id: z.string(),
      /** Grows with every event; of two of one job the higher one is the later. */
      sequence: z.number().int(),
      state: z.enum(jobStates),
      labels: z.array(z.string()),
      simulated: z.boolean(),
      served_by: servedBySchema.optional(),
      changes: changesSchema.optional(),
      artifact: z
        .strictObject({
          kind: z.enum(artifactKinds),
          sha256: z.string(),
          bytes: z.number().int(),
          mime_type: z.string(),
          /** Below the service's own address. */
          url: z.string(),
        })
        .optional(),
      stand_in_reason: z.string().optional(),
      error: errorSchema.optional(),
    }),
  })
  .meta({ id: "WebhookBody" });
export type WebhookBody = z.infer<typeof webhookBodySchema>;

const toArtifact = ({ kind, sha256, bytes, mimeType }: NonNullable<WebhookDelivery["facts"]["artifact"]>) => ({
  kind,
  sha256,
  bytes,
  mime_type: mimeType,
  url: `/artifacts/${sha256}`,
});

export function toWebhookBody({ type, occurredAtMs, jobId, seq, facts }: WebhookDelivery): WebhookBody {
  const { servedBy, changes, artifact, reason, error } = facts;
  return {
    type,
    timestamp: isoOf(occurredAtMs),
    data: {
      job_id: jobId,
      sequence: seq,
      state: facts.state,
      labels: [...facts.labels],
      simulated: facts.isSimulated,
      ...withoutNulls({
        served_by: ifKnown(servedBy, toServedBy),
        changes: ifAny(toChanges(changes)),
        artifact: ifKnown(artifact, toArtifact),
        stand_in_reason: reason,
        error: ifKnown(error, ({ code, message }) => ({ code, message })),
      }),
    },
  };
}

export const deliverySchema = z.strictObject({
  id: z.string(),
  type: z.enum(webhookTypes),
  state: z.enum(deliveryStates),
  occurred_at: time,
  try_count: z.number().int(),
  next_try_at: time.optional(),
  ended_at: time.optional(),
  last_status: z.number().int().optional(),
  last_problem: z.string().optional(),
});

/** Paths and queries of webhooks are often secrets, so nobody is shown more than the origin. */
export const jobWebhookSchema = z.strictObject({ origin: z.string(), deliveries: z.array(deliverySchema) });
export type JobWebhook = z.infer<typeof jobWebhookSchema>;

function toDelivery(delivery: WebhookDelivery): z.infer<typeof deliverySchema> {
  const { state, lastStatus, lastProblem, endedAtMs } = delivery;
  return {
    id: deliveryIdOf(delivery),
    type: delivery.type,
    state,
    occurred_at: isoOf(delivery.occurredAtMs),
    try_count: delivery.tryCount,
    ...withoutNulls({
      next_try_at: state === "pending" ? isoOf(delivery.nextTryAtMs) : undefined,
      ended_at: ifKnown(endedAtMs, isoOf),
      last_status: lastStatus,
      last_problem: lastProblem,
    }),
  };
}

export const toJobWebhook = (url: string, deliveries: readonly WebhookDelivery[]): JobWebhook => ({
  origin: URL.parse(url)?.origin ?? "",
  deliveries: deliveries.map(toDelivery),
});
