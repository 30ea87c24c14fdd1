/** Modes, workers, breakers and statecharts. */
import type { EventRow } from "../../core/ports/event-log.ts";
import { secondMs } from "../../core/units.ts";
import { breakerStates, modes, type WorkerCondition, workerConditions } from "../../core/words.ts";
import type { TransitionFrame } from "../transitions.ts";
import { type Families, setMeasured, setState } from "./families.ts";

export interface WorkerFigures {
  readonly id: string;
  readonly condition: WorkerCondition;
  readonly breaker: (typeof breakerStates)[number];
  readonly isBusy: boolean;
  /** What it still held on its card after its last job, its model included; null before that was measured. */
  readonly residueBytes: number | null;
  /** Until a leak has filled the card, at the pace of the last jobs; null while there is no clear trend. */
  readonly exhaustionInMs: number | null;
}

/** `worker-0/pipeline` → `pipeline`; `recovery/inc-1-1` → `recovery`; `worker-0` → `worker`. */
function machineOf(actor: string, workerIds: ReadonlySet<string>): string {
  const [first = "", second] = actor.split("/");
  if (workerIds.has(first)) return second ?? "worker";
  return first;
}

/** The statechart's own state, without what is inside it or beside it. */
const outermost = (path: string): string => path.split(/[.+]/)[0] ?? path;

const exitReasons = ["asked", "silence", "signal", "exit"] as const;

function exitReasonOf({ data }: EventRow): (typeof exitReasons)[number] {
  if (data["expected"] === true) return "asked";
  if (data["silent_for_ms"] !== undefined) return "silence";
  return typeof data["signal"] === "string" ? "signal" : "exit";
}

export interface MachineMetrics {
  row(row: EventRow): void;
  transition(frame: TransitionFrame, atMs: number): void;
  mode(mode: string): void;
  workers(figures: readonly WorkerFigures[]): void;
}

export function createMachineMetrics(families: Families, workerIds: readonly string[]): MachineMetrics {
  const known = new Set(workerIds);
  const mode = families.gauge("mode", "1 for the mode that the service is in.", ["mode"]);
  const condition = families.gauge("worker_state", "1 for the state that a worker's process is in.", ["worker", "state"]);
  const breaker = families.gauge("breaker_state", "1 for the state of the circuit breaker before a worker.", ["worker", "state"]);
  const busy = families.gauge("worker_busy", "1 while a worker has a job in hand.", ["worker"]);
  const breakerMoves = families.counter("breaker_transitions_total", "Changes of circuit breakers.", ["worker", "to"]);
  const restarts = families.counter("worker_restarts_total", "Worker processes that took the place of one that ended, by why it ended.", [
    "worker",
    "reason",
  ]);
  const recycled = families.counter("worker_recycles_total", "Workers that were started anew between two jobs because they kept memory.", [
    "worker",
  ]);
  const transitions = families.counter("machine_transitions_total", "Transitions of statecharts.", ["machine", "to"]);
  const entered = families.gauge("machine_state_entered_timestamp_seconds", "When a statechart last changed its state.", ["actor"]);
  const residue = families.gauge(
    "gpu_memory_residue_bytes",
    "Memory that a worker held on its card after its last job, its model included.",
    ["worker"],
  );
  const exhaustion = families.gauge("gpu_forecast_exhaustion_seconds", "Time until kept memory fills the card, where the trend is clear.", [
    "worker",
  ]);
  // A counter that begins with its first event hides that event from rates.
  for (const worker of workerIds) for (const reason of exitReasons) restarts.inc({ worker, reason }, 0);
  const endedBy = new Map<string, string>();
  const breakerKinds: Readonly<Record<string, string>> = {
    "breaker.opened": "open",
    "breaker.halfOpened": "halfOpen",
    "breaker.closed": "closed",
  };
  return {
    row: (row) => {
      const { kind, workerId: worker, data } = row;
      if (worker === null) return;
      const to = breakerKinds[kind];
      if (to !== undefined) breakerMoves.inc({ worker, to });
      if (kind === "worker.recycled") recycled.inc({ worker });
      if (kind === "worker.exited") endedBy.set(worker, exitReasonOf(row));
      if (kind !== "worker.connected") return;
      const reason = endedBy.get(worker);
      endedBy.delete(worker);
      if (reason !== undefined && data["adopted"] !== true) restarts.inc({ worker, reason });
    },
    transition: ({ actor, from, to }, atMs) => {
      if (from === to) return;
      const machine = machineOf(actor, known);
      transitions.inc({ machine, to: outermost(to) });
      if (machine !== "recovery") entered.set({ actor }, atMs / secondMs);
    },
    mode: (current) => setState(mode, modes, current, (word) => ({ mode: word })),
    workers: (figures) => {
      for (const { id: worker, condition: current, breaker: state, isBusy, residueBytes, exhaustionInMs } of figures) {
        busy.set({ worker }, isBusy ? 1 : 0);
        setState(condition, workerConditions, current, (word) => ({ worker, state: word }));
        setState(breaker, breakerStates, state, (word) => ({ worker, state: word }));
        setMeasured(residue, { worker }, residueBytes);
        setMeasured(exhaustion, { worker }, exhaustionInMs === null ? null : exhaustionInMs / secondMs);
      }
    },
  };
}
