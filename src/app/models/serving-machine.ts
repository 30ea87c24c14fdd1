/** What stands behind the connected workers, for answers about fit and waiting time. */
import type { WorkerStatus } from "../../contract/service-views.ts";
import type { LoadProfile, ModelId } from "../../core/words.ts";
import type { ServingMachine } from "../../jobs/admission.ts";
import { type HostMemory, machineOf } from "../health/host-memory.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";

export interface ServingNeeds {
  readonly links: Pick<WorkerLinks, "list">;
  readonly hostMemory: Pick<HostMemory, "known">;
}

/** The largest card that serves, as its worker told it; null while no worker is connected. */
export function largestMachine({ links, hostMemory }: ServingNeeds): ServingMachine | null {
  const identities = links.list().map((link) => link.client.identity);
  const [identity] = identities.toSorted((one, other) => other.device.totalBytes - one.device.totalBytes);
  return identity === undefined
    ? null
    : { machine: machineOf(identity, hostMemory.known()), profiles: identity.profiles };
}

/** In which memory mode a worker holds the model; null when none does. */
export const loadedProfileOf = (
  workers: readonly Pick<WorkerStatus, "memoryMode">[],
  model: ModelId,
): LoadProfile | null => workers.find(({ memoryMode }) => memoryMode?.model === model)?.memoryMode?.profile ?? null;
