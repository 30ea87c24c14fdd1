import { afterEach, beforeEach, expect, it } from "vitest";
import { createActor, toPromise } from "xstate";
import { DrillState } from "../../src/app/drills/drill-state.ts";
import { pipelineActors } from "../../src/app/rendering/pipeline-actors.ts";
import { createProgressBoard } from "../../src/app/rendering/progress-tracker.ts";
import type { ServiceParts } from "../../src/app/service-ports.ts";
import { createWorkerLinks } from "../../src/app/workers/worker-links.ts";
import type { Lease } from "../../src/core/job.ts";
import type { Store } from "../../src/core/ports/event-log.ts";
import { hourMs, secondMs } from "../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import type { Settlement } from "../../src/machines/pipeline-types.ts";
import { openStore } from "../../src/store/open-store.ts";
import { leaseMs, makeJob } from "./job-store-world.ts";

let clock: VirtualClock;
let store: Store;
const claim = (): Promise<Lease | null> =>
  store.jobs.claim({ workerId: "gpu0", epoch: 1, models: ["T2V-A14B"], residentModel: null, leaseMs });

beforeEach(async () => {
  clock = createVirtualClock();
  store = openStore({ path: ":memory:", clock });
  await store.jobs.submit(makeJob(clock.nowMs() + hourMs));
});
afterEach(() => store.close());

/** Once a job that could not be prepared was claimed and given back thousands of times a second, and nothing else ran. */
it.each<[string, Settlement]>([
  ["that could not be prepared", { kind: "release", why: "the worker could not be prepared" }],
  ["whose worker was stopped on purpose", { kind: "death", evidence: {}, isOwnDoing: true }],
])("a job %s is not claimed again at once", async (_, settlement) => {
  const lease = (await claim()) as Lease;
  const parts = {
    clock,
    store,
    links: createWorkerLinks(),
    progress: createProgressBoard(clock),
    drill: new DrillState(),
    host: { recordJob: async () => undefined },
  } as unknown as ServiceParts;
  await toPromise(
    createActor(pipelineActors(parts).settleAttempt, { input: { workerId: "gpu0", lease, settlement } }).start(),
  );
  expect(await claim()).toBeNull();
  await clock.advance(secondMs);
  expect(await claim()).toMatchObject({ jobId: lease.jobId });
});
