import { isUsable } from "../machines/supervisor-facts.ts";
import type { ServiceParts } from "./service-ports.ts";
import type { Supervisor } from "./supervisor-actor.ts";

export interface RouteWatch {
  /** Since when no worker can give real output; null while one can. */
  lostAtMs(): number | null;
  /** Looks now; true when the route was lost or found since the last look. */
  hasChanged(): boolean;
}

/** A route needs a worker that can render and a disk that can keep what it renders. */
export function createRouteWatch({ clock, diskWatch }: Pick<ServiceParts, "clock" | "diskWatch">, supervisor: Supervisor): RouteWatch {
  let lostAtMs: number | null = clock.nowMs();
  return {
    lostAtMs: () => lostAtMs,
    hasChanged: () => {
      const isOpen = !diskWatch.isShort() && Object.values(supervisor.getSnapshot().context.workers).some(isUsable);
      if (isOpen === (lostAtMs === null)) return false;
      lostAtMs = isOpen ? null : clock.nowMs();
      return true;
    },
  };
}
