/**
 * The clock that the supervisor and its children read. Without it two machines would see two times for one moment, and
 * a replay that has only the recorded time would come to other decisions.
 */
import type { Clock } from "../core/clock.ts";

/**
 * A clock that stands still while machines react to one another: all of them see one moment for what happens at once, and
 * the record of that moment is the time that a replay has to give them.
 */
export function createTurnClock(clock: Pick<Clock, "nowMs">): Pick<Clock, "nowMs"> {
  let heldMs: number | undefined;
  return {
    nowMs: () => {
      if (heldMs === undefined) {
        heldMs = clock.nowMs();
        queueMicrotask(() => {
          heldMs = undefined;
        });
      }
      return heldMs;
    },
  };
}
