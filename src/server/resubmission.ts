/** Submits an ended job once more: a new job names the old one, whose record stays as it is. */

import type { Submission } from "../contract/submission.ts";
import type { JobView } from "../core/job.ts";
import { present } from "../core/present.ts";
import type { ServerPorts } from "./server-ports.ts";

/** The image goes along as a copy, because the files of the old job go with its own retention. */
async function imageOf(job: JobView, { artifacts }: Pick<ServerPorts, "artifacts">): Promise<Submission["image"]> {
  const image = job.artifacts.find(({ kind }) => kind === "image");
  if (image === undefined) return undefined;
  return { bytes: new Uint8Array(await new Response(artifacts.read(image)).arrayBuffer()), mimeType: image.mimeType };
}

/** The new job is the same request, with as much time as the old one had. */
export async function resubmissionOf(
  job: JobView,
  ports: Pick<ServerPorts, "artifacts">,
  who: Pick<Submission, "apiKeyId" | "idempotencyKey">,
): Promise<Submission> {
  const image = await imageOf(job, ports);
  return {
    ...who,
    spec: job.spec,
    idempotencyBody: who.idempotencyKey === null ? null : JSON.stringify(["retry", job.id]),
    priority: job.priority,
    deadlineMs: Math.max(1, job.deadlineAtMs - job.createdAtMs),
    labels: job.labels,
    webhookUrl: job.webhookUrl,
    retryOf: job.id,
    ...present({ image }),
  };
}
