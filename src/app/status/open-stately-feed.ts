/** Stately's inspector reads the machines through this feed. It is loaded only where it was asked for: its package brings a dozen others. */
import type { MachineTracker } from "../../telemetry/machine-tracker.ts";
import type { StatelyFeed } from "../../telemetry/stately-feed.ts";

export async function openStatelyFeed(tracker: MachineTracker): Promise<StatelyFeed> {
  const { createStatelyFeed } = await import("../../telemetry/stately-feed.ts");
  return createStatelyFeed(tracker.refs);
}
