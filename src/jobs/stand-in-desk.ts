import type { Clock, TimerHandle } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { JobView } from "../core/job.ts";
import type { AcceptPorts } from "./accept-result.ts";
import { makeStandIn } from "./make-stand-in.ts";

export interface StandInDeskOptions {
  /** Since when no worker can give real output; null while one can. */
  readonly routeLostAtMs: () => number | null;
  /** True while the host needs its CPU or disk for the lead: stand-ins wait. */
  readonly isHeld: () => boolean;
  /** Shown in the picture and in the row: why the real video is not there. */
  readonly reason: () => string;
  readonly afterMs: number;
  readonly onAttached: (job: JobView) => void;
  readonly onProblem: (message: string, jobId: string) => void;
}

export interface StandInDesk {
  /** Call when the route changed or a job was queued. */
  wake(): void;
  stop(): Promise<void>;
}

const batchCount = 20;
const retryMs = 30_000;

/**
 * While no worker can give real output, serves the queue as each job consents: a stand-in while the real one is owed, a
 * stand-in as the end, or a clear failure. One at a time; a job whose stand-in cannot be made is tried again later.
 */
export function createStandInDesk(ports: AcceptPorts & { readonly clock: Clock }, options: StandInDeskOptions): StandInDesk {
  let timer: TimerHandle | undefined;
  let working: Promise<void> | undefined;
  let isStopped = false;
  let isAskedAgain = false;

  const dueInMs = (): number | null => {
    const lostAtMs = options.routeLostAtMs();
    return lostAtMs === null ? null : Math.max(0, lostAtMs + options.afterMs - ports.clock.nowMs());
  };
  const serve = async (job: JobView): Promise<boolean> => {
    const reason = options.reason();
    if (job.spec.consent.fallback === "fail") {
      const message = `No worker can give real output now (${reason}), and this job does not want to wait.`;
      await ports.jobs.endQueued(job.id, { kind: "failed", code: "NO_REAL_ROUTE", message });
      return true;
    }
    try {
      const made = await makeStandIn(ports, job, reason);
      if (made.outcome === "attached") options.onAttached(job);
      return true;
    } catch (thrown) {
      options.onProblem(messageOf(thrown), job.id);
      return false;
    }
  };
  const work = async (): Promise<void> => {
    let isSound = true;
    while (!isStopped && isSound && dueInMs() === 0 && !options.isHeld()) {
      const waiting = await ports.jobs.listAwaitingStandIn(batchCount);
      if (waiting.length === 0) return;
      for (const job of waiting) {
        if (isStopped || dueInMs() !== 0 || options.isHeld()) return;
        isSound = (await serve(job)) && isSound;
      }
    }
    if (!isSound) arm(retryMs);
  };
  const arm = (delayMs: number): void => {
    ports.clock.clearTimer(timer);
    timer = ports.clock.setTimer(start, delayMs);
  };
  const start = (): void => {
    if (isStopped) return;
    if (working !== undefined) {
      isAskedAgain = true;
      return;
    }
    working = work()
      .catch((thrown: unknown) => {
        options.onProblem(messageOf(thrown), "");
        arm(retryMs);
      })
      .finally(() => {
        working = undefined;
        if (isAskedAgain) {
          isAskedAgain = false;
          desk.wake();
        }
      });
  };
  const desk: StandInDesk = {
    wake: () => {
      if (isStopped) return;
      const delayMs = dueInMs();
      if (delayMs === null) {
        ports.clock.clearTimer(timer);
        return;
      }
      if (delayMs === 0) start();
      else arm(delayMs);
    },
    stop: async () => {
      isStopped = true;
      ports.clock.clearTimer(timer);
      await working;
    },
  };
  return desk;
}
