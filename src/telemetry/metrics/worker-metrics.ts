/** Metrics of worker processes, their breakers, and what they keep on their cards. */
import { type EventMap, type EventRow, isRowOf } from "../../core/events.ts";
import { secondMs } from "../../core/units.ts";
import {
  type BreakerState,
  breakerStates,
  type LoadProfile,
  loadProfiles,
  type WorkerCondition,
  workerConditions,
} from "../../core/words.ts";
import { type Families, setMeasured, setState } from "./families.ts";

export interface WorkerFigures {
  readonly id: string;
  readonly condition: WorkerCondition;
  readonly breaker: BreakerState;
  readonly isBusy: boolean;
  /**
   * The bytes that the worker still held on its card after its last job, its model included; null before that was
   * measured.
   */
  readonly residueBytes: number | null;
  /** The time until a leak has filled the card, at the pace of the last jobs; null while there is no clear trend. */
  readonly exhaustionInMs: number | null;
  /** How long a step takes against one in the memory mode that its card carries; null while it holds no model. */
  readonly memoryMode: { readonly profile: LoadProfile; readonly timeFactor: number } | null;
}

const exitReasons = ["asked", "silence", "signal", "exit"] as const;

function exitReasonOf({ expected, silent_for_ms, signal }: EventMap["worker.exited"]): (typeof exitReasons)[number] {
  if (expected) return "asked";
  if (silent_for_ms !== undefined) return "silence";
  return signal === null ? "exit" : "signal";
}

const breakerKinds = ["breaker.opened", "breaker.halfOpened", "breaker.closed"] as const;
const breakerMoved: Readonly<Record<(typeof breakerKinds)[number], BreakerState>> = {
  "breaker.opened": "open",
  "breaker.halfOpened": "halfOpen",
  "breaker.closed": "closed",
};

/** Makes the counters, which are fed by rows. */
function createWorkerCounts(families: Families, workerIds: readonly string[]): (row: EventRow) => void {
  const breakerMoves = families.counter("breaker_transitions_total", "Changes of circuit breakers.", ["worker", "to"]);
  const restartsHelp = "Worker processes that took the place of one that ended, by why it ended.";
  const restarts = families.counter("worker_restarts_total", restartsHelp, ["worker", "reason"]);
  const recyclesHelp = "Workers that were started anew between two jobs because they kept memory.";
  const recycles = families.counter("worker_recycles_total", recyclesHelp, ["worker"]);
  // A counter that begins with its first event hides that event from rates.
  for (const worker of workerIds) for (const reason of exitReasons) restarts.inc({ worker, reason }, 0);
  const endedBy = new Map<string, string>();
  return (row) => {
    const { workerId: worker } = row;
    if (worker === null) return;
    if (isRowOf(row, ...breakerKinds)) breakerMoves.inc({ worker, to: breakerMoved[row.kind] });
    if (row.kind === "worker.recycled") recycles.inc({ worker });
    if (row.kind === "worker.exited") endedBy.set(worker, exitReasonOf(row.data));
    if (row.kind !== "worker.connected") return;
    const reason = endedBy.get(worker);
    endedBy.delete(worker);
    if (reason !== undefined && !row.data.adopted) restarts.inc({ worker, reason });
  };
}

export interface WorkerMetrics {
  row(row: EventRow): void;
  workers(figures: readonly WorkerFigures[]): void;
}

export function createWorkerMetrics(families: Families, workerIds: readonly string[]): WorkerMetrics {
  const condition = families.gauge("worker_state", "1 for the state that a worker's process is in.", [
    "worker",
    "state",
  ]);
  const breaker = families.gauge("breaker_state", "1 for the state of the circuit breaker before a worker.", [
    "worker",
    "state",
  ]);
  const busy = families.gauge("worker_busy", "1 while a worker has a job in hand.", ["worker"]);
  const residueHelp = "Memory that a worker held on its card after its last job, its model included.";
  const residue = families.gauge("gpu_memory_residue_bytes", residueHelp, ["worker"]);
  const exhaustionHelp = "Time until kept memory fills the card, where the trend is clear.";
  const exhaustion = families.gauge("gpu_forecast_exhaustion_seconds", exhaustionHelp, ["worker"]);
  const profileHelp = "1 for the memory mode in which a worker holds its model.";
  const profile = families.gauge("worker_memory_mode", profileHelp, ["worker", "profile"]);
  const slownessHelp = "How long a step takes against one in the memory mode that the worker's card carries.";
  const slowness = families.gauge("worker_memory_mode_time_factor", slownessHelp, ["worker"]);
  const setMemoryMode = ({ id: worker, memoryMode }: WorkerFigures): void => {
    for (const one of loadProfiles) profile.set({ worker, profile: one }, one === memoryMode?.profile ? 1 : 0);
    setMeasured(slowness, { worker }, memoryMode?.timeFactor ?? null);
  };
  return {
    row: createWorkerCounts(families, workerIds),
    workers: (figures) => {
      for (const one of figures) {
        const { id: worker, condition: current, breaker: state, isBusy, residueBytes, exhaustionInMs } = one;
        setMemoryMode(one);
        busy.set({ worker }, isBusy ? 1 : 0);
        setState(condition, workerConditions, current, (word) => ({ worker, state: word }));
        setState(breaker, breakerStates, state, (word) => ({ worker, state: word }));
        setMeasured(residue, { worker }, residueBytes);
        setMeasured(exhaustion, { worker }, exhaustionInMs === null ? null : exhaustionInMs / secondMs);
      }
    },
  };
}
