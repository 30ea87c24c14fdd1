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
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly count: number;
}

/** Models that could not be loaded for a job: the worker serves its others, and the next job that wants one tries it again later. */
export interface UnavailableModels {
  note(fact: SupervisorFact): void;
  /** Whether no job of this model is begun there now. */
  isUnavailable(workerId: string, model: ModelId): boolean;
  /** Models of which no worker that offers one begins a job now, although others are rendered, and since when. */
  lost(): ReadonlyMap<ModelId, number>;
  /** An operator may have removed what was in the way: each is tried again by the next job that wants it. */
  retryAll(): void;
}

/** The wait grows like that of a look back: 30 s, doubling, at most 10 min. */
export function createUnavailableModels(
  clock: Pick<Clock, "nowMs">,
  workers: readonly { readonly id: string; readonly models: readonly ModelId[] }[],
  limits: () => LookBackLimits,
): UnavailableModels {
  const unavailable = new Map<string, UnavailableModel>();
  const keyOf = (workerId: string, model: ModelId): string => `${workerId}/${model}`;
  const activeOf = (workerId: string, model: ModelId): UnavailableModel | null => {
    const known = unavailable.get(keyOf(workerId, model));
    return known !== undefined && known.untilMs > clock.nowMs() ? known : null;
  };
  return {
    note: (fact) => {
      if (fact.type !== "model.setAside" && fact.type !== "model.proven") return;
      const { model } = fact.data;
      const key = keyOf(fact.workerId, model);
      const nowMs = clock.nowMs();
      const { sinceMs = nowMs, count = 0 } = unavailable.get(key) ?? {};
      if (fact.type === "model.proven") unavailable.delete(key);
      else unavailable.set(key, { model, sinceMs, count: count + 1, untilMs: nowMs + lookBackMs(count, limits()) });
    },
    isUnavailable: (workerId, model) => activeOf(workerId, model) !== null,
    lost: () => {
      const lost = new Map<ModelId, number>();
      for (const { model } of unavailable.values()) {
        const offering = workers.filter(({ models }) => models.includes(model)).map(({ id }) => activeOf(id, model));
        const active = offering.filter((known) => known !== null);
        if (active.length > 0 && active.length === offering.length)
          lost.set(model, Math.max(...active.map(({ sinceMs }) => sinceMs)));
      }
      return lost;
    },
    retryAll: () => unavailable.clear(),
  };
}
