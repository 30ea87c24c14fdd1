/**
 * Answers jobs that wait while no worker can begin them, so that nobody waits without a word. To whom that is due, since when
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

export interface StandInDispatcherOptions {
  /** Models for which jobs wait and none can be begun, and from when on their owners are answered; none while that is held. */
  readonly answersDue: () => ReadonlyMap<ModelId, number>;
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
    if (this.#dueModels().length > 0) this.#start();
    else this.#armForNext();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#ports.clock.clearTimer(this.#timer);
    await this.#working;
  }

  /** The models whose jobs are answered now. */
  #dueModels(): readonly ModelId[] {
    const nowMs = this.#ports.clock.nowMs();
    return [...this.#options.answersDue()].filter(([, atMs]) => atMs <= nowMs).map(([model]) => model);
  }

  /** Wakes when the next ones are due, if any are. */
  #armForNext(): void {
    const { clock } = this.#ports;
    clock.clearTimer(this.#timer);
    const later = [...this.#options.answersDue().values()].filter((atMs) => atMs > clock.nowMs());
    if (later.length > 0) this.#timer = clock.setTimer(() => this.wake(), Math.min(...later) - clock.nowMs());
  }

  #tryAgainLater(): void {
    this.#ports.clock.clearTimer(this.#timer);
    this.#timer = this.#ports.clock.setTimer(() => this.wake(), retryMs);
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
    for (let models = this.#dueModels(); models.length > 0 && !this.#isStopped; models = this.#dueModels()) {
      const waiting = await this.#ports.jobs.listAwaitingStandIn(batchCount, models);
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
