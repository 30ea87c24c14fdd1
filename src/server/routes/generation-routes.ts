/** Submitting a job, and looking at one. */
import { detectModelType, generate, showGeneration, submitGeneration } from "../../contract/api/generation-api.ts";
import { detectModel } from "../../contract/detect-model.ts";
import type { AdmissionOutcome } from "../../contract/submission.ts";
import { idempotencyBodyOf, parseSubmission, toConsent, toRenderRequest } from "../../contract/submit-request.ts";
import { type SubmittedAbout, toJobStatus, toSubmitted } from "../../contract/task-wire.ts";
import { drawInteger } from "../../core/chance.ts";
import type { JobView } from "../../core/job.ts";
import type { ApiApp } from "../api-app.ts";
import type { AppOptions, HttpContext } from "../http-types.ts";
import { refuse } from "../problems.ts";
import { readSubmission } from "../read-submission.ts";
import { refuseAdmission } from "../refuse-admission.ts";
import type { ServerPorts } from "../server-ports.ts";

const largestSeed = 2 ** 31 - 1;
const unreadImage =
  "The image was checked, but no worker of this service reads images: the video follows the prompt alone.";
const unreadEndImage =
  "The end image was checked, but no model of this service ends at an image: the video follows the prompt and the image.";

function answerSubmitted(
  context: HttpContext,
  ports: ServerPorts,
  { job, estimate, kind }: Extract<AdmissionOutcome, { readonly job: JobView }>,
  { model, warnings }: Pick<SubmittedAbout, "model" | "warnings">,
) {
  const { sentence, mode, isDegradedActive } = ports.status();
  const body = toSubmitted(job, {
    model,
    message: sentence,
    estimate,
    isRealEnabled: mode !== "mock" && mode !== "draining",
    isDegraded: isDegradedActive,
    warnings,
  });
  if (kind === "duplicate") context.header("idempotency-replayed", "true");
  if (job.isSimulated) context.header("x-understudy-simulated", "true");
  return context.json(body, 200);
}

/** The body is parsed here and made durable by the admission; nothing else happens on this path. */
async function submit(context: HttpContext, ports: ServerPorts, options: AppOptions) {
  const key = context.req.header("idempotency-key") ?? null;
  const read = await readSubmission(context, ports);
  if (read.kind === "refused") return refuse(context, read.refusal);
  const parsed = parseSubmission(read.fields, { catalog: ports.catalog, hasImage: read.image !== undefined });
  if (parsed.kind === "invalid")
    return refuse(context, { code: "REQUEST_INVALID", detail: parsed.message, param: parsed.param });
  const { fields, model } = parsed;
  const outcome = await ports.admission.submit({
    spec: {
      request: toRenderRequest(fields, model, () => drawInteger(ports.chance, 0, largestSeed)),
      consent: toConsent(fields, options.consent),
      workflow: null,
    },
    apiKeyId: context.get("apiKeyId"),
    idempotencyKey: key,
    ...(read.image === undefined ? {} : { image: read.image }),
    idempotencyBody: key === null ? null : idempotencyBodyOf(fields, read.imageHashes),
  });
  if (!("job" in outcome)) return refuseAdmission(context, outcome);
  const isSimulated = ports.status().isSimulated;
  const warnings = [
    ...(isSimulated && read.imageHashes.length > 0 ? [unreadImage] : []),
    ...(!isSimulated && read.imageHashes.some((hash) => hash.startsWith("end_image:")) ? [unreadEndImage] : []),
  ];
  return answerSubmitted(context, ports, outcome, { model, warnings });
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
