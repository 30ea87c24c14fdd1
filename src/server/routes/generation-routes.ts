/** The compatible routes by which a job is submitted and looked at. */
import { detectModelType, generate, showGeneration, submitGeneration } from "../../contract/api/generation-api.ts";
import { detectModel } from "../../contract/detect-model.ts";
import { compatibleOrderText } from "../../contract/order-text.ts";
import { toOrder } from "../../contract/submit-request.ts";
import { toJobStatus, toSubmitted } from "../../contract/task-wire.ts";
import type { PromiseKind } from "../../core/words.ts";
import { acceptSubmission } from "../accept-submission.ts";
import type { ApiApp } from "../api-app.ts";
import type { AppOptions, HttpContext } from "../http-types.ts";
import { refuse } from "../problems.ts";
import { readSubmission } from "../read-submission.ts";
import type { ServerPorts } from "../server-ports.ts";

const unreadImage =
  "The image was checked, but no worker of this service reads images: the video follows the prompt alone.";
const unreadEndImage =
  "The end image was checked, but no model of this service ends at an image: the video follows the prompt and the image.";

function warningsOf(imageHashes: readonly string[], isSimulated: boolean): readonly string[] {
  if (isSimulated) return imageHashes.length > 0 ? [unreadImage] : [];
  return imageHashes.some((hash) => hash.startsWith("end_image:")) ? [unreadEndImage] : [];
}

/** What is promised is a real video, and nothing else first. */
const realKinds: readonly PromiseKind[] = ["realNow", "realLater"];

async function submit(context: HttpContext, ports: ServerPorts, options: AppOptions) {
  const read = await readSubmission(context, ports);
  if ("refusal" in read) return refuse(context, read.refusal);
  const { fields, image, imageHashes } = read;
  const text = compatibleOrderText(fields, imageHashes);
  const accepted = await acceptSubmission(context, ports, {
    order: toOrder(fields),
    consent: options.consent,
    text,
    image,
    nameOf: (field) => (field === "model" ? "model_type" : field),
  });
  if ("refused" in accepted) return accepted.refused;
  const { sentence, mode, isDegradedActive, isSimulated } = ports.status();
  const { promised, etaMs } = await ports.outlook.of(accepted.job);
  const body = toSubmitted(accepted.job, {
    model: ports.catalog.entryOf(fields.model_type),
    message: promised?.sentence ?? sentence,
    estimate: accepted.estimate,
    readyInMs: etaMs,
    isRealEnabled: promised === null ? mode !== "mock" && mode !== "draining" : realKinds.includes(promised.kind),
    isDegraded: isDegradedActive,
    warnings: warningsOf(imageHashes, isSimulated),
  });
  return context.json(body, 200, accepted.headers);
}

export function addGenerationRoutes(app: ApiApp, ports: ServerPorts, options: AppOptions): void {
  app.openapi(submitGeneration, (context) => submit(context, ports, options));
  app.openapi(generate, (context) => submit(context, ports, options));
  app.openapi(showGeneration, async (context) => {
    const job = await ports.jobs.get(context.req.valid("param").id);
    if (job === null) return refuse(context, { code: "JOB_NOT_FOUND", detail: "Task not found" });
    return context.json(toJobStatus(job, ports.progressOf(job.id)), 200, { "cache-control": "no-cache" });
  });
  app.openapi(detectModelType, (context) => {
    const { has_image: image, has_end_image: endImage } = context.req.valid("query");
    const isYes = (text: string | undefined): boolean => text === "true" || text === "1";
    const { catalog } = ports;
    return context.json(
      detectModel({ catalog, hasImage: isYes(image), hasEndImage: isYes(endImage), lead: ports.status().model }),
      200,
    );
  });
}
