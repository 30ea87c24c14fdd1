/**
 * Answers jobs that wait while no worker can begin them, or while they are held back for a time of their own, so that nobody waits without a word. To whom that is due, since when
 * and with what, it asks the promise; it has no idea of its own.
 */
import type { Clock, TimerHandle } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { JobView } from "../core/job.ts";
import type { ModelId } from "../core/words.ts";
import type { VideoPromise } from "../recovery/promise.ts";
import { reasonWords } from "../recovery/promise-sentences.ts";
import type { AcceptPorts } from "./accept-result.ts";
import { makeStandIn } from "./make-stand-in.ts";

/** Whose owners are answered without a real video, and from when on. */
export interface AnswerTimes {
  /** Models for which jobs wait and none can be begun. */
  readonly models: ReadonlyMap<ModelId, number>;
  /** Jobs that are held back for a time of their own; those that have a stand-in may be among them. */
  readonly jobs: ReadonlyMap<string, number>;
}

export interface StandInDispatcherOptions {
  /** Nobody while that is held. */
  readonly answersDue: () => AnswerTimes;
  readonly promiseOf: (job: JobView) => VideoPromise;
  readonly onProblem: (message: string, jobId: string) => void;
}

const batchCount = 20;
const retryMs = 30_000;

/** One at a time; a job whose stand-in cannot be made is tried again later. */
export class StandInDispatcher {
  readonly #ports: AcceptPorts & { readonly clock: Clock };
  readonly #options: StandInDispatcherOptions;
  #timer: TimerHandle | undefined;
  #working: Promise<void> | undefined;
  #isStopped = false;
  #isAskedAgain = false;

  constructor(ports: AcceptPorts & { readonly clock: Clock }, options: StandInDispatcherOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Callers wake it when a way was lost or found, or a job was queued. */
  wake(): void {
    if (this.#isStopped) return;
    if (this.#due() !== null) this.#start();
    else this.#armForNext();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#ports.clock.clearTimer(this.#timer);
    await this.#working;
  }

  /** Whose jobs are answered now; null for nobody's. */
  #due(): { readonly models: readonly ModelId[]; readonly jobIds: readonly string[] } | null {
    const nowMs = this.#ports.clock.nowMs();
    const dueOf = (due: ReadonlyMap<string, number>): string[] =>
      [...due].filter(([, atMs]) => atMs <= nowMs).map(([key]) => key);
    const due = this.#options.answersDue();
    const [models, jobIds] = [dueOf(due.models), dueOf(due.jobs)];
    return models.length + jobIds.length === 0 ? null : { models, jobIds };
  }

  /** Wakes when the next ones are due, if any are, and not later than then. */
  #armForNext(latestAtMs = Number.POSITIVE_INFINITY): void {
    const { clock } = this.#ports;
    clock.clearTimer(this.#timer);
    const due = this.#options.answersDue();
    const nowMs = clock.nowMs();
    const later = [...due.models.values(), ...due.jobs.values()].filter((atMs) => atMs > nowMs);
    const nextAtMs = later.reduce((least, atMs) => Math.min(least, atMs), latestAtMs);
    if (Number.isFinite(nextAtMs)) this.#timer = clock.setTimer(() => this.wake(), nextAtMs - nowMs);
  }

  /** One that cannot be answered now holds up nobody whose time comes sooner. */
  #tryAgainLater(): void {
    this.#armForNext(this.#ports.clock.nowMs() + retryMs);
  }

  #start(): void {
    if (this.#working !== undefined) {
      this.#isAskedAgain = true;
      return;
    }
    this.#working = this.#work()
      .catch((thrown: unknown) => {
        this.#options.onProblem(messageOf(thrown), "");
        this.#tryAgainLater();
      })
      .finally(() => {
        this.#working = undefined;
        if (!this.#isAskedAgain) return;
        this.#isAskedAgain = false;
        this.wake();
      });
  }

  async #work(): Promise<void> {
    for (let due = this.#due(); due !== null && !this.#isStopped; due = this.#due()) {
      const waiting = await this.#ports.jobs.listAwaitingStandIn(batchCount, due);
      let isEachAnswered = true;
      for (const job of waiting) {
        if (this.#isStopped) return;
        isEachAnswered = (await this.#answer(job)) && isEachAnswered;
      }
      if (!isEachAnswered) return this.#tryAgainLater();
      if (waiting.length === 0) break;
    }
    this.#armForNext();
  }

  /** False where the job still waits without an answer. */
  async #answer(job: JobView): Promise<boolean> {
    const promise = this.#options.promiseOf(job);
    // Its way was found again meanwhile, or an operator holds everything.
    if (promise.answerDueAtMs === null || promise.answerDueAtMs > this.#ports.clock.nowMs()) return false;
    const reason = reasonWords(promise.because, job.spec.request.model);
    if (promise.kind === "refused") {
      const message = `No worker can give real output now (${reason}), and this job does not want to wait.`;
      await this.#ports.jobs.endQueued(job.id, { kind: "failed", code: "NO_REAL_ROUTE", message });
      return true;
    }
    try {
      await makeStandIn(this.#ports, job, reason, promise.clip);
      return true;
    } catch (thrown) {
      this.#options.onProblem(messageOf(thrown), job.id);
      return false;
    }
  }
}
