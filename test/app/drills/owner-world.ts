/** The eyes of an owner on a world's store, with what the service says of itself as a test sets it. */
import { createOwnerView, type OwnerView } from "../../../src/app/drills/owner-view.ts";
import type { JobResult, Lease } from "../../../src/core/job.ts";
import type { JobOutlook, ServiceStatus } from "../../../src/server/server-ports.ts";
import { artifactOf, result } from "../../unit/job-store-world.ts";
import { ready } from "../../unit/server-facts.ts";
import type { AppWorld } from "../app-world.ts";

const sound: ServiceStatus = { ...ready, health: null };

export interface Owner {
  readonly view: OwnerView;
  /** Changed by tests. */
  service: ServiceStatus;
  outlook: JobOutlook;
}

export function ownerOf({ store, progress }: Pick<AppWorld, "store" | "progress">): Owner {
  const owner: Owner = {
    service: sound,
    outlook: { queuePosition: 1, etaMs: null, incidentId: null, promised: null },
    view: createOwnerView({
      jobs: store.jobs,
      outlook: { of: async () => owner.outlook },
      progressOf: progress.of,
      status: () => owner.service,
    }),
  };
  return owner;
}

/** The job has its result. */
export const deliver = ({ store }: Pick<AppWorld, "store">, lease: Lease, made: JobResult = result) =>
  store.jobs.commit(lease, artifactOf(lease), made);
