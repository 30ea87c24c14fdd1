/** Routes of jobs in the service's own words, `/api/v1/jobs`, which the command line uses too. */
import {
  cancelJob,
  drainIntake,
  dropJob,
  listJobs,
  releaseJob,
  retryJob,
  showJob,
  submitJob,
} from "../../contract/api/jobs-api.ts";
import { toIntake } from "../../contract/intake-wire.ts";
import { type JobDetail, problemOfSubmission, toJob, toJobDetail, toOrder } from "../../contract/jobs-wire.ts";
import { jobOrderText } from "../../contract/order-text.ts";
import type { JobView } from "../../core/job.ts";
import { present, withoutNulls } from "../../core/present.ts";
import { type Accepted, acceptSubmission, admit, type Refusing, submitterOf } from "../accept-submission.ts";
import type { ApiApp } from "../api-app.ts";
import type { AppOptions, HttpContext } from "../http-types.ts";
import { type Refused, refuse } from "../problems.ts";
import { readImage } from "../read-image.ts";
import { resubmissionOf } from "../resubmission.ts";
import type { ServerPorts } from "../server-ports.ts";

const fresh = { "cache-control": "no-cache" };

const notFound = (context: HttpContext, id: string): Refused =>
  refuse(context, {
    code: "JOB_NOT_FOUND",
    detail: `There is no job ${id.slice(0, 64)}, or it is older than what is kept.`,
  });

const conflict = (context: HttpContext, detail: string): Refused =>
  refuse(context, { code: "JOB_STATE_CONFLICT", detail });

const detailOf = async (ports: ServerPorts, job: JobView): Promise<JobDetail> =>
  toJobDetail(job, {
    progress: ports.progressOf(job.id),
    deliveries: job.webhookUrl === null ? [] : await ports.webhooks.listOf(job.id),
    estimate: ports.admission.estimateOf(job.spec),
    outlook: await ports.outlook.of(job),
  });

/** Answers a submission and a new try alike. */
async function answerAccepted(context: HttpContext, ports: ServerPorts, accepted: Accepted | Refusing) {
  if ("refused" in accepted) return accepted.refused;
  const { job, isReplayed, headers } = accepted;
  const detail = await detailOf(ports, job);
  return context.json(detail, isReplayed ? 200 : 201, { location: `/api/v1/jobs/${job.id}`, ...headers });
}

function addSubmission(app: ApiApp, ports: ServerPorts, options: AppOptions): void {
  app.openapi(submitJob, async (context) => {
    const fields = context.req.valid("json");
    const problem = problemOfSubmission(fields, { catalog: ports.catalog, hasImage: fields.image !== undefined });
    if (problem !== null) return refuse(context, { code: "REQUEST_INVALID", ...problem });
    const { url = null } = fields.webhook ?? {};
    const refusal = url === null ? null : ports.webhooks.problemOf(url);
    if (refusal !== null) return refuse(context, { code: "WEBHOOK_REFUSED", param: "webhook.url", detail: refusal });
    const image =
      fields.image === undefined ? undefined : await readImage(ports, "image", Buffer.from(fields.image, "base64"));
    if (image !== undefined && "refusal" in image) return refuse(context, image.refusal);
    const accepted = await acceptSubmission(context, ports, {
      order: toOrder(fields),
      consent: options.ownConsent,
      text: jobOrderText(fields, image?.sha256 ?? null),
      image,
      priority: fields.priority,
      labels: fields.labels,
      webhookUrl: url,
      ...present({ deadlineMs: fields.deadline_ms }),
    });
    return answerAccepted(context, ports, accepted);
  });

  app.openapi(retryJob, async (context) => {
    const { id } = context.req.valid("param");
    const job = await ports.jobs.get(id);
    if (job === null) return notFound(context, id);
    if (job.state === "quarantined") {
      const detail = "This job was set aside because it ended the worker; an operator releases or drops it.";
      return refuse(context, { code: "JOB_QUARANTINED", detail });
    }
    if (job.state !== "failed" && job.state !== "cancelled")
      return conflict(context, `Only what failed or was cancelled is tried again; this job is ${job.state}.`);
    const again = await resubmissionOf(job, ports, submitterOf(context));
    return answerAccepted(context, ports, await admit(context, ports, again));
  });
}

function addReading(app: ApiApp, ports: ServerPorts): void {
  app.openapi(listJobs, async (context) => {
    const { state, label, model, since, until, limit, cursor } = context.req.valid("query");
    const page = await ports.jobs.list({
      limit,
      ...present({ states: state, labels: label, model, fromMs: since, untilMs: until, cursor }),
    });
    const jobs = page.jobs.map((job) => toJob(job, ports.progressOf(job.id)));
    return context.json({ jobs, ...withoutNulls({ cursor: page.cursor }) }, 200, fresh);
  });

  app.openapi(showJob, async (context) => {
    const { id } = context.req.valid("param");
    const job = await ports.jobs.get(id);
    return job === null ? notFound(context, id) : context.json(await detailOf(ports, job), 200, fresh);
  });
}

type Ended = "ok" | "refused" | "absent";

function addChanges(app: ApiApp, ports: ServerPorts): void {
  /** Answers with the job as it is after the change; a job that is gone meanwhile is not found. */
  const answer = async (context: HttpContext, id: string, outcome: Ended, refusal: (job: JobView) => string) => {
    const job = outcome === "absent" ? null : await ports.jobs.get(id);
    if (job === null) return notFound(context, id);
    if (outcome === "refused") return conflict(context, refusal(job));
    return context.json(await detailOf(ports, job), 200, fresh);
  };
  const notAside = (job: JobView): string =>
    `Only a job that was set aside is released or dropped; this job is ${job.state}.`;

  app.openapi(cancelJob, async (context) => {
    const { id } = context.req.valid("param");
    const outcome = await ports.control.cancelJob(id, context.get("actor"));
    const ended = outcome === "absent" ? "absent" : outcome === "ended" ? "refused" : "ok";
    return answer(context, id, ended, (job) => `It has ended already: this job is ${job.state}.`);
  });

  app.openapi(releaseJob, async (context) => {
    const { id } = context.req.valid("param");
    return answer(context, id, await ports.quarantine.release(id, context.get("actor")), notAside);
  });

  app.openapi(dropJob, async (context) => {
    const { id } = context.req.valid("param");
    return answer(context, id, await ports.quarantine.drop(id, context.get("actor")), notAside);
  });

  app.openapi(drainIntake, async (context) =>
    context.json(toIntake(await ports.intake.drain(context.get("actor")), false), 200),
  );
}

export function addJobsRoutes(app: ApiApp, ports: ServerPorts, options: AppOptions): void {
  addSubmission(app, ports, options);
  addReading(app, ports);
  addChanges(app, ports);
}
