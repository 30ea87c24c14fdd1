/**
 * Lets the stop of the service wait for its supervisor. Both functions also resolve when the supervisor fails: a stop
 * never hangs on it.
 */
import type { Supervisor } from "../machines/supervisor-view.ts";

type Watched = Pick<Supervisor, "getSnapshot" | "subscribe">;

/** Resolves when the supervisor has stopped, or has failed: then there is nothing left to wait for. */
export function waitUntilStopped(supervisor: Watched): Promise<void> {
  return new Promise((resolve) => {
    if (supervisor.getSnapshot().status !== "active") resolve();
    else supervisor.subscribe({ complete: () => resolve(), error: () => resolve() });
  });
}

/** Resolves when the supervisor no longer waits for jobs in hand. */
export function waitUntilFinished(supervisor: Watched): Promise<void> {
  const isFinishing = (): boolean => {
    const snapshot = supervisor.getSnapshot();
    return snapshot.status === "active" && snapshot.matches({ draining: "finishing" });
  };
  return new Promise((resolve) => {
    if (!isFinishing()) return resolve();
    const subscription = supervisor.subscribe({
      next: () => {
        if (isFinishing()) return;
        subscription.unsubscribe();
        resolve();
      },
      complete: () => resolve(),
      error: () => resolve(),
    });
  });
}
