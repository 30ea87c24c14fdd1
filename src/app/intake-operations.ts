/**
 * Pause, drain and resume for operators. A pause that releases the workers waits for their end, so that the answer
 * says which cards are free.
 */
import type { Clock } from "../core/clock.ts";
import type { Supervisor } from "../machines/supervisor-view.ts";
import type { IntakePort, IntakeView } from "../server/server-ports.ts";

const lookEveryMs = 100;

function viewOf(supervisor: Supervisor): IntakeView {
  const { pause, drain, workers } = supervisor.getSnapshot().context;
  const named = Object.entries(workers);
  return {
    isPaused: pause !== null,
    isDrained: drain !== null,
    restingWorkers: named.filter(([, worker]) => worker.process === "resting").map(([id]) => id),
    // A worker that is down may be ending or starting: it counts until its end was seen.
    holdingWorkers: named
      .filter(([, worker]) => worker.process === "connected" || worker.process === "down")
      .map(([id]) => id),
  };
}

/** Pause, drain and resume as an operator asks for them. */
export function createIntakeOperations(
  { clock }: { readonly clock: Clock },
  supervisor: Supervisor,
  onResumed: () => void,
): IntakePort {
  return {
    view: () => viewOf(supervisor),
    pause: async ({ isReleasing, waitMs, by }) => {
      supervisor.send({ type: "intake.pause", isReleasing, by });
      const untilMs = clock.nowMs() + waitMs;
      while (isReleasing && viewOf(supervisor).holdingWorkers.length > 0 && clock.nowMs() < untilMs)
        await clock.sleep(lookEveryMs);
      return viewOf(supervisor);
    },
    drain: async (by) => {
      supervisor.send({ type: "intake.drain", by });
      return viewOf(supervisor);
    },
    resume: async (by) => {
      supervisor.send({ type: "intake.resume", by });
      onResumed();
      return viewOf(supervisor);
    },
  };
}
