import { afterEach, beforeEach, expect, it } from "vitest";
import { openLearned } from "../../../src/app/rendering/learned.ts";
import { createProgressTracker } from "../../../src/app/rendering/progress-tracker.ts";
import type { RenderNeeds } from "../../../src/app/rendering/render.ts";
import { followRender } from "../../../src/app/rendering/render.ts";
import { createWorkerLinks } from "../../../src/app/workers/worker-links.ts";
import { createModelCatalog } from "../../../src/core/model-catalog.ts";
import type { Store } from "../../../src/core/ports/event-log.ts";
import type { WorkerClient, WorkerNotice } from "../../../src/core/ports/worker.ts";
import type { VirtualClock } from "../../../src/core/virtual-clock.ts";
import { createVirtualClock } from "../../../src/core/virtual-clock.ts";
import type { Phase } from "../../../src/core/words.ts";
import type { RenderFact } from "../../../src/machines/pipeline-types.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { claimOf, leaseMs, leaseOf, makeJob } from "../../unit/job-store-world.ts";

let clock: VirtualClock;
let store: Store;
beforeEach(() => {
  clock = createVirtualClock();
  store = openStore({ path: ":memory:", clock });
});
afterEach(() => store.close());

it("a worker that says the same step again and again has not moved; a long phase that is announced anew has", async () => {
  await store.jobs.submit(makeJob(clock.nowMs() + 3_600_000));
  const lease = leaseOf(await store.jobs.claim(claimOf({ leaseMs })));
  const links = createWorkerLinks();
  let tell: (notice: WorkerNotice) => void = () => undefined;
  const attached = {
    jobId: lease.jobId,
    fence: lease.fence,
    phase: "denoise",
    step: 3,
    of: 40,
    result: null,
    failure: null,
  };
  const client: Partial<WorkerClient> = {
    attach: async () => attached as never,
    onNotice: (listener) => {
      tell = listener;
      return () => undefined;
    },
    close: () => undefined,
  };
  const ref = { workerId: "gpu0", pid: 1, startTicks: 1, bootId: "b", socketPath: "s", token: "t" };
  links.open({ workerId: "gpu0", ref, client: client as WorkerClient });
  const { steps } = await openLearned(store, clock);
  const ports = {
    catalog: createModelCatalog(),
    links,
    clock,
    steps,
    progress: createProgressTracker(clock),
    profiles: { of: () => "model-offload" },
  };
  const facts: RenderFact[] = [];
  const stop = followRender(ports as unknown as RenderNeeds, { workerId: "gpu0", lease, isUnderWay: true }, (fact) =>
    facts.push(fact),
  );
  await clock.settle();
  const progress = (phase: Phase, step: number, longPhaseMs?: number): void =>
    tell({
      kind: "progress",
      jobId: lease.jobId,
      fence: lease.fence,
      phase,
      step,
      of: 40,
      ...(longPhaseMs === undefined ? {} : { longPhaseMs }),
    });
  progress("denoise", 4);
  for (let again = 0; again < 20; again += 1) progress("denoise", 4);
  progress("denoise", 3);
  progress("denoise", 5);
  progress("decode", 0, 1_000);
  progress("decode", 0);
  progress("decode", 0, 1_000);
  const moved = facts.flatMap((fact) => (fact.type === "step.progressed" ? [`${fact.phase} ${fact.step}`] : []));
  expect(moved).toEqual(["denoise 3", "denoise 4", "denoise 5", "decode 0", "decode 0"]);
  stop();
});
