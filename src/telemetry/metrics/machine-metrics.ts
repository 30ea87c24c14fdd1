/** Metrics of the mode and of the statecharts. */
import { secondMs } from "../../core/units.ts";
import { type Mode, modes } from "../../core/words.ts";
import type { TransitionFrame } from "../transition-frame.ts";
import { type Families, setState } from "./families.ts";

/**
 * Finds the machine of an actor: `worker-0/pipeline` → `pipeline`; `recovery/inc-1-1` → `recovery`; `worker-0` →
 * `worker`.
 */
function machineOf(actor: string, workerIds: ReadonlySet<string>): string {
  const [first = "", second] = actor.split("/");
  return workerIds.has(first) ? (second ?? "worker") : first;
}

/** The statechart's own state, without what is inside it or beside it. */
const outermost = (path: string): string => path.split(/[.+]/)[0] ?? path;

export interface MachineMetrics {
  transition(frame: TransitionFrame, atMs: number): void;
  mode(mode: Mode): void;
}

export function createMachineMetrics(families: Families, workerIds: readonly string[]): MachineMetrics {
  const known = new Set(workerIds);
  const mode = families.gauge("mode", "1 for the mode that the service is in.", ["mode"]);
  const transitions = families.counter("machine_transitions_total", "Transitions of statecharts.", ["machine", "to"]);
  const entered = families.gauge(
    "machine_state_entered_timestamp_seconds",
    "When a statechart last changed its state.",
    ["actor"],
  );
  return {
    transition: ({ actor, from, to }, atMs) => {
      if (from === to) return;
      const machine = machineOf(actor, known);
      transitions.inc({ machine, to: outermost(to) });
      // Each incident has an actor of its own, so as labels they would never end.
      if (machine !== "recovery") entered.set({ actor }, atMs / secondMs);
    },
    mode: (current) => setState(mode, modes, current, (word) => ({ mode: word })),
  };
}
