/**
 * Notices when the service loses its last way to real output, and when it has one again. Stand-ins are due from that
 * moment on.
 */
import type { Clock } from "../../core/clock.ts";
import type { ModelId } from "../../core/words.ts";
import type { WorkersFacts } from "../../machines/supervisor-facts.ts";
import { isUsable } from "../../machines/supervisor-facts.ts";

export interface RouteWatch {
  /** Since when no worker can give real output; null while one can. */
  lostAtMs(): number | null;
  /** Looks now; true when a route was lost or found since the last look. */
  hasChanged(): boolean;
}

export interface RouteNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly diskWatch: { isShort(): boolean };
  readonly unavailableModels: { lost(): ReadonlyMap<ModelId, unknown> };
}

interface WorkersView {
  getSnapshot(): { readonly context: { readonly workers: WorkersFacts } };
}

/** A route needs a worker that can render the model, and a disk that can keep what it renders. */
export function createRouteWatch(
  { clock, diskWatch, unavailableModels }: RouteNeeds,
  supervisor: WorkersView,
): RouteWatch {
  let lostAtMs: number | null = clock.nowMs();
  let lostNames = "";
  return {
    lostAtMs: () => lostAtMs,
    hasChanged: () => {
      const isOpen = !diskWatch.isShort() && Object.values(supervisor.getSnapshot().context.workers).some(isUsable);
      const hasTurned = isOpen !== (lostAtMs === null);
      if (hasTurned) lostAtMs = isOpen ? null : clock.nowMs();
      const formerNames = lostNames;
      lostNames = [...unavailableModels.lost().keys()].join();
      return hasTurned || lostNames !== formerNames;
    },
  };
}
