import type { LoadProfile, ModelId } from "../../core/words.ts";
import type { ServingMachine } from "../../jobs/admission.ts";
import { childIds } from "../../machines/supervisor-route.ts";
import type { Supervisor } from "../../machines/supervisor-view.ts";
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
export function loadedProfileOf(supervisor: Pick<Supervisor, "getSnapshot">, model: ModelId): LoadProfile | null {
  const { context, children } = supervisor.getSnapshot();
  for (const { id } of context.configured) {
    const loader = children[childIds.loader(id)]?.getSnapshot() as
      | { readonly context?: { readonly resident: { readonly model: ModelId; readonly profile: LoadProfile } | null } }
      | undefined;
    const resident = loader?.context?.resident ?? null;
    if (resident?.model === model) return resident.profile;
  }
  return null;
}
