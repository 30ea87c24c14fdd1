/**
 * The queue in memory, as far as those who wait in it have to know it: it follows the rows of jobs, so that a sentence about
 * the queue asks the store for nothing.
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { EventRow } from "../../core/events.ts";
import type { JobView } from "../../core/job.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { OpenJob } from "../../core/ports/job-store.ts";
import { secondMs } from "../../core/units.ts";
import type { ModelId } from "../../core/words.ts";
import type { TimedRender } from "../../recovery/expected-time.ts";
import type { Logger } from "../../telemetry/logger.ts";

/** Whose turn comes when: what decides is what the claim goes by. */
type Place = Pick<OpenJob, "id" | "priority" | "createdAtMs" | "dueAtMs" | "isSuspect">;

export interface QueueWatch {
  /** Jobs that wait and can be claimed now or in a moment: those whose turn is before this one's, or all. In no order. */
  waiting(before?: Place): readonly OpenJob[];
  /** Jobs that wait for a time of their own: none can be claimed now. */
  heldBack(): readonly OpenJob[];
  /** The models of all jobs that wait, also for their time. */
  models(): ReadonlySet<ModelId>;
  /** What is being rendered, or about to be; null where that is not known. */
  sizeOf(jobId: string): OpenJob | null;
  /** The newest whole renders. */
  recent(): readonly TimedRender[];
  /** Somebody waits who did not, or waits no more. */
  onChange(listener: () => void): void;
  begin(): void;
  stop(): void;
}

const keptCount = 16;
/** An attempt that is tried again in a moment waits like the others. */
const soonMs = 5 * secondMs;
/** They change nothing of who waits. */
const beside: readonly EventRow["kind"][] = ["job.stoodIn", "job.thumbnailed", "job.changed", "job.adopted"];

/** Null for a job that ended with its stand-in, and for a render that went on from a checkpoint and seems quicker than it is. */
function timedRender({ result }: Pick<JobView, "result">): TimedRender | null {
  if (result === null || result.renderMs <= 0 || result.stepsRendered < result.effective.steps) return null;
  const { model, width, height, frames, steps } = result.effective;
  return { model, width, height, frames, steps, tookMs: result.renderMs };
}

function goesBefore(one: Place, other: Place): boolean {
  if (one.isSuspect !== other.isSuspect) return other.isSuspect;
  if (one.priority !== other.priority) return one.priority > other.priority;
  const [oneAtMs, otherAtMs] = one.isSuspect ? [one.dueAtMs, other.dueAtMs] : [one.createdAtMs, other.createdAtMs];
  return oneAtMs === otherAtMs ? one.id < other.id : oneAtMs < otherAtMs;
}

export interface QueueNeeds {
  readonly store: Pick<Store, "jobs" | "events">;
  readonly clock: Pick<Clock, "nowMs">;
  readonly logger: Pick<Logger, "warn">;
}

export function createQueueWatch({ store: { jobs, events }, clock, logger }: QueueNeeds): QueueWatch {
  const onProblem = (thrown: unknown): void => logger.warn({ event: "queue.notRead", message: messageOf(thrown) });
  const open = new Map<string, OpenJob>();
  let recent: readonly TimedRender[] = [];
  let leave: (() => void) | undefined;
  const listeners: (() => void)[] = [];
  const onChange = (): void => {
    for (const listener of listeners) listener();
  };
  const lookAt = async (ids: readonly string[]): Promise<void> => {
    const found = new Map((await jobs.openJobs(ids)).map((job) => [job.id, job]));
    for (const id of ids) {
      const job = found.get(id);
      if (job === undefined) open.delete(id);
      else open.set(id, job);
    }
    onChange();
  };
  const noteRender = async (jobId: string): Promise<void> => {
    const job = await jobs.get(jobId);
    const render = job === null ? null : timedRender(job);
    if (render !== null) recent = [render, ...recent].slice(0, keptCount);
  };
  const readAll = async (): Promise<void> => {
    for (const job of await jobs.openJobs(null)) open.set(job.id, job);
    onChange();
    const { jobs: newest } = await jobs.list({ states: ["succeeded"], limit: keptCount });
    recent = newest.map(timedRender).filter((render) => render !== null);
  };
  const follow = (rows: readonly EventRow[]): void => {
    const changed = new Set<string>();
    for (const { kind, jobId } of rows)
      if (jobId !== null && kind.startsWith("job.") && !beside.includes(kind)) changed.add(jobId);
    if (changed.size > 0) lookAt([...changed]).catch(onProblem);
    for (const { kind, jobId } of rows)
      if (jobId !== null && kind === "job.succeeded") noteRender(jobId).catch(onProblem);
  };
  return {
    waiting: (before) => {
      const dueMs = clock.nowMs() + soonMs;
      const isBefore = (job: OpenJob): boolean => before === undefined || goesBefore(job, before);
      return [...open.values()].filter((job) => job.isQueued && job.dueAtMs <= dueMs && isBefore(job));
    },
    heldBack: () => {
      const nowMs = clock.nowMs();
      return [...open.values()].filter(({ isQueued, dueAtMs }) => isQueued && dueAtMs > nowMs);
    },
    models: () => new Set([...open.values()].filter(({ isQueued }) => isQueued).map(({ model }) => model)),
    sizeOf: (jobId) => open.get(jobId) ?? null,
    recent: () => recent,
    onChange: (listener) => void listeners.push(listener),
    begin: () => {
      leave = events.subscribe(follow);
      readAll().catch(onProblem);
    },
    stop: () => leave?.(),
  };
}
