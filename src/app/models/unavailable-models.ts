/**
 * Keeps one model that cannot be loaded from taking its whole worker out of service, and from being loaded again for
 * each of its jobs.
 */
import type { Clock } from "../../core/clock.ts";
import type { ModelId } from "../../core/words.ts";
import type { SupervisorFact } from "../../machines/supervisor-types.ts";
import { type LookBackLimits, lookBackMs } from "../../recovery/rung-deadlines.ts";

interface UnavailableModel {
  readonly model: ModelId;
  readonly workerId: string;
  readonly untilMs: number;
  readonly count: number;
}

/** Models that could not be loaded for a job: the worker serves its others, and the next job that wants one tries it again later. */
export interface UnavailableModels {
  note(fact: SupervisorFact): void;
  /** Whether no job of this model is begun there now. */
  isUnavailable(workerId: string, model: ModelId): boolean;
  /** Models of which this worker begins no job now, and until when. */
  asideOn(workerId: string): readonly { readonly model: ModelId; readonly untilMs: number }[];
  /** An operator may have removed what was in the way: each is tried again by the next job that wants it. */
  retryAll(): void;
}

/** The wait grows like that of a look back: 30 s, doubling, at most 10 min. */
export function createUnavailableModels(clock: Pick<Clock, "nowMs">, limits: () => LookBackLimits): UnavailableModels {
  const unavailable = new Map<string, UnavailableModel>();
  const keyOf = (workerId: string, model: ModelId): string => `${workerId}/${model}`;
  return {
    note: (fact) => {
      if (fact.type !== "model.setAside" && fact.type !== "model.proven") return;
      const { workerId } = fact;
      const { model } = fact.data;
      const key = keyOf(workerId, model);
      const { count = 0 } = unavailable.get(key) ?? {};
      const untilMs = clock.nowMs() + lookBackMs(count, limits());
      if (fact.type === "model.proven") unavailable.delete(key);
      else unavailable.set(key, { model, workerId, count: count + 1, untilMs });
    },
    isUnavailable: (workerId, model) => (unavailable.get(keyOf(workerId, model))?.untilMs ?? 0) > clock.nowMs(),
    asideOn: (workerId) =>
      [...unavailable.values()].filter((known) => known.workerId === workerId && known.untilMs > clock.nowMs()),
    retryAll: () => unavailable.clear(),
  };
}
