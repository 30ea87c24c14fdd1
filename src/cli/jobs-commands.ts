/** `understudy jobs …`: asks the running service. */
import { readFileSync } from "node:fs";
import type { Config } from "../config/schema.ts";
import { type JobDetail, type JobWire, jobDetailSchema, jobListSchema } from "../contract/jobs-wire.ts";
import { UnderstudyError } from "../core/errors.ts";
import { ifKnown, present } from "../core/present.ts";
import { exitCodes } from "./exit-codes.ts";
import { whereabouts } from "./job-progress.ts";
import type { JobsVerb, JobsWanted } from "./orders.ts";
import { askService, refusalOf, type ServiceAnswer } from "./running-service.ts";
import { say } from "./say.ts";
import { waitForJob } from "./wait-for-job.ts";

const usualListCount = "20";
const print = (value: unknown): void => say(JSON.stringify(value, null, 2));

function refuse(answer: ServiceAnswer, isJson: boolean): number {
  if (isJson) print(answer.body);
  else process.stderr.write(`understudy: ${refusalOf(answer)}\n`);
  return exitCodes.failed;
}

/** The exit code: 0 for a real video, 4 for a stand-in as the end, 1 for everything else. */
function exitCodeOf({ state, is_mock: isStandIn }: JobDetail): number {
  if (state !== "succeeded") return exitCodes.failed;
  return isStandIn ? exitCodes.degraded : exitCodes.ok;
}

function endLines(address: string, job: JobDetail): string[] {
  const simulated = job.simulated ? " (simulated)" : "";
  return [
    `${job.id}  ${job.state}${simulated}  ${job.message}`,
    ...(job.state === "succeeded" ? [`${address}/api/v1/outputs/${job.id}/video`] : []),
  ];
}

async function follow(config: Config, submitted: JobDetail, { isJson }: JobsWanted): Promise<number> {
  const waited = await waitForJob(config, submitted.id);
  if (waited.kind === "interrupted") {
    const message = `Job ${submitted.id} goes on; understudy jobs show ${submitted.id} tells how it is, and jobs cancel ends it.`;
    if (isJson) print({ ...submitted, waiting: "interrupted" });
    process.stderr.write(`\n${message}\n`);
    return exitCodes.interrupted;
  }
  if (waited.kind === "gone") {
    process.stderr.write(`understudy: ${waited.message}\n`);
    return waited.exitCode;
  }
  const { address } = await askService(config, "GET", "/livez");
  if (isJson) print(waited.job);
  else say(endLines(address, waited.job).join("\n"));
  return exitCodeOf(waited.job);
}

function readImage(path: string): string {
  try {
    return readFileSync(path).toString("base64");
  } catch (thrown) {
    throw new UnderstudyError("NOT_FOUND", `The image ${path} cannot be read.`, { cause: thrown });
  }
}

/** A submission or a new try: both answer with a job that may be waited for. */
async function enter(config: Config, wanted: JobsWanted, path: string, body?: object): Promise<number> {
  const { idempotencyKey: key, isWaiting, isJson } = wanted;
  const answer = await askService(config, "POST", path, body, key === null ? {} : { "idempotency-key": key });
  if (!answer.isOk) return refuse(answer, isJson);
  const job = jobDetailSchema.parse(answer.body);
  if (isWaiting) {
    process.stderr.write(`Job ${job.id} is accepted.\n`);
    return follow(config, job, wanted);
  }
  if (isJson) print(job);
  else say(`${job.id}  ${job.message}`);
  return exitCodes.ok;
}

const submit = (config: Config, wanted: JobsWanted): Promise<number> =>
  enter(config, wanted, "/api/v1/jobs", {
    model: config.lead,
    ...wanted.fields,
    ...present({ image: ifKnown(wanted.imagePath, readImage) }),
  });

const retry = (config: Config, wanted: JobsWanted): Promise<number> =>
  enter(config, wanted, `/api/v1/jobs/${encodeURIComponent(wanted.operand)}/retry`);

function listLine(job: JobWire): string {
  const labels = job.labels.length === 0 ? "" : `  ${job.labels.join(" ")}`;
  const percent = job.progress === undefined ? "" : ` ${Math.floor(100 * job.progress.ratio)} %`;
  return `${job.id}  ${`${job.state}${percent}`.padEnd(14)} ${job.model.padEnd(10)} ${job.size.padEnd(10)} ${job.created_at}${job.is_mock ? "  stand-in" : ""}${labels}`;
}

async function list(config: Config, { query, isJson }: JobsWanted): Promise<number> {
  const answer = await askService(
    config,
    "GET",
    `/api/v1/jobs?${new URLSearchParams({ limit: usualListCount, ...query }).toString()}`,
  );
  if (!answer.isOk) return refuse(answer, isJson);
  const { jobs, cursor } = jobListSchema.parse(answer.body);
  if (isJson) print(answer.body);
  else {
    for (const job of jobs) say(listLine(job));
    if (jobs.length === 0) say("There is no such job.");
    if (cursor !== undefined) process.stderr.write("There are more; --limit shows more of them.\n");
  }
  return exitCodes.ok;
}

const changeText = (changes: JobWire["changes"]): string =>
  (changes ?? []).map(({ field, from, to, why }) => `  changed   ${field}: ${from} → ${to}, ${why}`).join("\n");

function detailLines(job: JobDetail): string[] {
  const attempts = job.attempts.map(
    ({ fence, worker_id, outcome, error }) =>
      `  attempt   ${fence} on ${worker_id}: ${outcome ?? "under way"}${error === undefined ? "" : `, ${error.code}: ${error.message}`}`,
  );
  const artifacts = job.artifacts.map(({ kind, bytes, url }) =>
    `  ${kind.padEnd(9)} ${bytes} bytes  ${url ?? ""}`.trimEnd(),
  );
  const told = (job.webhook?.deliveries ?? []).map(
    ({ type, state, try_count: tries, last_problem: problem }) =>
      `  webhook   ${type}: ${state}, ${tries} tries${problem === undefined ? "" : `; ${problem}`}`,
  );
  return [
    `${job.id}  ${job.state}${job.simulated ? " (simulated)" : ""}  ${job.message}`,
    `  asked     ${job.model} ${job.size}, ${job.frames} frames, ${job.steps} steps, seed ${job.seed}`,
    `  consent   ${job.fallback}; may change: ${job.allow.join(", ") || "nothing"}`,
    `  times     submitted ${job.created_at}, deadline ${job.deadline_at}${job.ended_at === undefined ? "" : `, ended ${job.ended_at}`}`,
    ...(job.labels.length === 0 ? [] : [`  labels    ${job.labels.join(" ")}`]),
    ...(job.retry_of === undefined ? [] : [`  retry of  ${job.retry_of}`]),
    ...(job.state === "running" ? [`  now       ${whereabouts(job)}`] : []),
    ...(job.error === undefined ? [] : [`  error     ${job.error.code}: ${job.error.message}`]),
    ...(changeText(job.changes) === "" ? [] : [changeText(job.changes)]),
    ...attempts,
    ...artifacts,
    ...told,
  ];
}

async function showOne(config: Config, { operand, isJson }: JobsWanted, act: "GET" | "cancel"): Promise<number> {
  const path = `/api/v1/jobs/${encodeURIComponent(operand)}`;
  const answer =
    act === "GET" ? await askService(config, "GET", path) : await askService(config, "POST", `${path}/cancel`);
  if (!answer.isOk) return refuse(answer, isJson);
  const job = jobDetailSchema.parse(answer.body);
  if (isJson) print(job);
  else say(act === "GET" ? detailLines(job).join("\n") : `${job.id}  ${job.message}`);
  return exitCodes.ok;
}

const verbs: Readonly<Record<JobsVerb, (config: Config, wanted: JobsWanted) => Promise<number>>> = {
  submit,
  list,
  retry,
  show: (config, wanted) => showOne(config, wanted, "GET"),
  cancel: (config, wanted) => showOne(config, wanted, "cancel"),
};

export const runJobs = (config: Config, wanted: JobsWanted): Promise<number> => verbs[wanted.verb](config, wanted);
