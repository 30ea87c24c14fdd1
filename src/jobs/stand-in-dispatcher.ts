/**
 * Serves waiting jobs with stand-ins once no worker has been able to render for a while, so that nobody waits without
 * an answer.
 */
import type { Clock, TimerHandle } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { JobView } from "../core/job.ts";
import type { ModelId } from "../core/words.ts";
import type { AcceptPorts } from "./accept-result.ts";
import { makeStandIn } from "./make-stand-in.ts";

export interface StandInDispatcherOptions {
  /** The moment since which no worker can give real output; null while one can. */
  readonly routeLostAtMs: () => number | null;
  /** Models that no worker can load, although others are rendered, and since when. */
  readonly lostModels: () => ReadonlyMap<ModelId, number>;
  /** True while an operator lets nothing be served. */
  readonly isHeld: () => boolean;
  /** True while disk or processor have no room for a clip of the job's own: the one that was made at the start serves. */
  readonly isHostShort: () => boolean;
  /** The reason why the real video of this model is not there, shown in the picture and in the row. */
  readonly reason: (model: ModelId) => string;
  readonly afterMs: number;
  readonly onProblem: (message: string, jobId: string) => void;
}

const batchCount = 20;
const retryMs = 30_000;

/**
 * While no worker can give real output, serves the queue as each job consents: a stand-in while the real one is owed, a
 * stand-in as the end, or a clear failure. One at a time; a job whose stand-in cannot be made is tried again later.
 */
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

  /** Callers wake it when the route changed or a job was queued. */
  wake(): void {
    if (this.#isStopped) return;
    const delayMs = this.#dueInMs();
    if (delayMs === null) this.#ports.clock.clearTimer(this.#timer);
    else if (delayMs === 0) this.#start();
    else this.#arm(delayMs);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#ports.clock.clearTimer(this.#timer);
    await this.#working;
  }

  #untilMs(lostAtMs: number): number {
    return Math.max(0, lostAtMs + this.#options.afterMs - this.#ports.clock.nowMs());
  }

  /** The time until the first route has been lost for long enough; null when all are there. */
  #dueInMs(): number | null {
    const lostAtMs = this.#options.routeLostAtMs();
    const waits = [...(lostAtMs === null ? [] : [lostAtMs]), ...this.#options.lostModels().values()].map((ms) =>
      this.#untilMs(ms),
    );
    return waits.length === 0 ? null : Math.min(...waits);
  }

  /** The models whose jobs are served now; null means every model. */
  #dueModels(): readonly ModelId[] | null {
    const lostAtMs = this.#options.routeLostAtMs();
    if (lostAtMs !== null && this.#untilMs(lostAtMs) === 0) return null;
    return [...this.#options.lostModels()]
      .filter(([, sinceMs]) => this.#untilMs(sinceMs) === 0)
      .map(([model]) => model);
  }

  #mayWork(): boolean {
    return !this.#isStopped && this.#dueInMs() === 0 && !this.#options.isHeld();
  }

  #arm(delayMs: number): void {
    this.#ports.clock.clearTimer(this.#timer);
    this.#timer = this.#ports.clock.setTimer(() => this.#start(), delayMs);
  }

  #start(): void {
    if (this.#isStopped) return;
    if (this.#working !== undefined) {
      this.#isAskedAgain = true;
      return;
    }
    this.#working = this.#work()
      .catch((thrown: unknown) => {
        this.#options.onProblem(messageOf(thrown), "");
        this.#arm(retryMs);
      })
      .finally(() => {
        this.#working = undefined;
        if (!this.#isAskedAgain) return;
        this.#isAskedAgain = false;
        this.wake();
      });
  }

  async #work(): Promise<void> {
    let isSound = true;
    while (isSound && this.#mayWork()) {
      const waiting = await this.#ports.jobs.listAwaitingStandIn(batchCount, this.#dueModels());
      if (waiting.length === 0) return;
      for (const job of waiting) {
        if (!this.#mayWork()) return;
        isSound = (await this.#serve(job)) && isSound;
      }
    }
    if (!isSound) this.#arm(retryMs);
  }

  async #serve(job: JobView): Promise<boolean> {
    const reason = this.#options.reason(job.spec.request.model);
    if (job.spec.consent.fallback === "fail") {
      const message = `No worker can give real output now (${reason}), and this job does not want to wait.`;
      await this.#ports.jobs.endQueued(job.id, { kind: "failed", code: "NO_REAL_ROUTE", message });
      return true;
    }
    try {
      await makeStandIn(this.#ports, job, reason, this.#options.isHostShort() ? "generic" : "own");
      return true;
    } catch (thrown) {
      this.#options.onProblem(messageOf(thrown), job.id);
      return false;
    }
  }
}
