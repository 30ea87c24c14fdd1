import type { ModelId } from "../core/words.ts";
import { isUsable } from "../machines/supervisor-facts.ts";
import type { ServiceParts } from "./service-ports.ts";
import type { Supervisor } from "./supervisor-actor.ts";

export interface RouteWatch {
  /** Since when no worker can give real output; null while one can. */
  lostAtMs(): number | null;
  /** Models that no worker can load now, although others are rendered, and since when. */
  lostModels(): ReadonlyMap<ModelId, number>;
  /** Looks now; true when a route was lost or found since the last look. */
  hasChanged(): boolean;
}

type Needs = Pick<ServiceParts, "clock" | "diskWatch" | "asides" | "config">;

/** A route needs a worker that can render the model, and a disk that can keep what it renders. */
export function createRouteWatch({ clock, diskWatch, asides, config }: Needs, supervisor: Supervisor): RouteWatch {
  const models = [...new Set(config.workers.flatMap((worker) => worker.models))];
  let lostAtMs: number | null = clock.nowMs();
  let lostNames = "";
  const lostModels = (): ReadonlyMap<ModelId, number> => {
    const lost = models.map((model) => [model, asides.sinceMs(model)] as const);
    return new Map(lost.filter((entry): entry is readonly [ModelId, number] => entry[1] !== null));
  };
  return {
    lostAtMs: () => lostAtMs,
    lostModels,
    hasChanged: () => {
      const isOpen = !diskWatch.isShort() && Object.values(supervisor.getSnapshot().context.workers).some(isUsable);
      const names = [...lostModels().keys()].join();
      if (isOpen === (lostAtMs === null) && names === lostNames) return false;
      if (isOpen !== (lostAtMs === null)) lostAtMs = isOpen ? null : clock.nowMs();
      lostNames = names;
      return true;
    },
  };
}
