/**
 * Prepares `understudy worker check` for a worker that nobody knows yet: it starts the worker, asks it for its
 * description and times a step, so that the long render is long enough to be interrupted.
 */
import type { PromiseFile } from "../../contract/worker-promises.ts";
import type { SystemClock } from "../../core/clock.ts";
import { WorkerError } from "../../core/errors.ts";
import type { RenderRequest } from "../../core/job.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { WorkerIdentity } from "../../core/ports/worker.ts";
import { present } from "../../core/present.ts";
import { secondMs } from "../../core/units.ts";
import type { WorkerCommand } from "../worker-process.ts";
import { isProgressOf, untilCompleted } from "./check.ts";
import type { WorkerSubject } from "./subject.ts";
import { createWorkerBench, type WorkerHarness } from "./worker-harness.ts";

/** The long render denoises for this long, so that checks meet it in the middle, on a busy machine too. */
const longDenoiseMs = 4 * secondMs;
const fewestSteps = 40;
const mostSteps = 20_000;

/** Some 60 frames a second on the wire are enough to time a step by. */
function stepMsOf(times: readonly number[]): number {
  const first = times[0];
  const last = times.at(-1);
  return first === undefined || last === undefined || times.length < 2 ? 0 : (last - first) / (times.length - 1);
}

const requestOf = (file: PromiseFile, model: string): RenderRequest => ({
  model,
  prompt: "a red fox runs across fresh snow",
  width: file.width,
  height: file.height,
  frames: file.frames,
  framesPerSecond: 16,
  steps: file.steps,
  seed: 7,
  loraPath: null,
  loraStrength: 1,
  ...present({ imagePath: file.image }),
});

/** Times a denoise step, in milliseconds, by one short render. */
async function timeStep(harness: WorkerHarness): Promise<number> {
  const worker = await harness.common();
  const order = harness.order(harness.subject.shortRequest);
  const isOurs = isProgressOf(order);
  const times: number[] = [];
  worker.client.onNotice((notice) => {
    if (isOurs(notice) && notice.phase === "denoise") times.push(harness.clock.nowMs());
  });
  await worker.client.generate(order);
  await untilCompleted(harness, worker, order);
  await worker.client.acknowledge(order.jobId, order.fence);
  return stepMsOf(times);
}

async function withHarness<Found>(
  subject: WorkerSubject,
  clock: SystemClock,
  look: (harness: WorkerHarness) => Promise<Found>,
): Promise<Found> {
  const harness = createWorkerBench(subject, clock);
  try {
    return await look(harness);
  } finally {
    harness.end();
  }
}

function firstOf(what: string, wanted: string | undefined, offered: readonly string[]): string {
  const found = wanted ?? offered[0];
  if (found !== undefined && offered.includes(found)) return found;
  const there = offered.length === 0 ? "none" : offered.join(", ");
  throw new WorkerError(
    "WORKER_CONFIGURATION",
    `The worker offers no ${what}${wanted === undefined ? "" : ` ${wanted}`}; it has ${there}.`,
  );
}

/** Makes the subject. The worker is started twice: once for its own description, once to learn how fast it is. */
export async function subjectOfCommand(
  command: WorkerCommand,
  file: PromiseFile,
  { clock, catalog }: { readonly clock: SystemClock; readonly catalog: ModelCatalog },
): Promise<WorkerSubject> {
  const anyRequest = requestOf(file, file.model ?? "any");
  const unknown: WorkerSubject = {
    name: [command.file, ...command.args].join(" "),
    command,
    profile: file.profile ?? "full",
    model: null,
    shortRequest: anyRequest,
    longRequest: anyRequest,
    timeoutsMs: {
      start: file.startSeconds * secondMs,
      load: file.loadSeconds * secondMs,
      render: file.renderSeconds * secondMs,
      step: file.stepSeconds * secondMs,
    },
    promises: file.promises,
  };
  const identity: WorkerIdentity = await withHarness(
    unknown,
    clock,
    async (harness) => (await harness.start()).client.identity,
  );
  const shortRequest = requestOf(file, firstOf("model", file.model, identity.models));
  const profile = firstOf("profile", file.profile, identity.profiles) as WorkerSubject["profile"];
  const clearsCache = identity.actions.includes("clear_gpu_cache") ? ({ clearsCache: true } as const) : {};
  const known = {
    ...unknown,
    model: catalog.find(shortRequest.model) ?? null,
    shortRequest,
    profile,
    longRequest: shortRequest,
    promises: { ...file.promises, ...clearsCache },
  };
  const stepMs = await withHarness(known, clock, timeStep);
  const steps =
    stepMs === 0 ? mostSteps : Math.min(mostSteps, Math.max(fewestSteps, Math.ceil(longDenoiseMs / stepMs)));
  return { ...known, longRequest: { ...shortRequest, steps } };
}
