import { afterEach, beforeEach, expect, it } from "vitest";
import { createQueueWatch, type QueueWatch } from "../../../src/app/rendering/queue-watch.ts";
import { minuteMs } from "../../../src/core/units.ts";
import { makeFailure } from "../../unit/job-store-world.ts";
import { type AppWorld, createAppWorld } from "../app-world.ts";

let world: AppWorld;
let queue: QueueWatch;
beforeEach(async () => {
  world = await createAppWorld();
  queue = createQueueWatch(world);
});
afterEach(async () => {
  queue.stop();
  await world.close();
  expect(world.lines).toEqual([]);
});

const ids = (before?: Parameters<QueueWatch["waiting"]>[0]): string[] =>
  queue
    .waiting(before)
    .map(({ id }) => id)
    .toSorted();

it("knows who waited before it began, and follows everybody who comes and goes", async () => {
  const first = await world.submit();
  queue.begin();
  await world.clock.settle();
  expect(ids()).toEqual([first]);
  const second = await world.submit({ priority: 5 });
  await world.clock.settle();
  expect(ids()).toEqual([first, second].toSorted());
  const lease = await world.claim();
  await world.clock.settle();
  expect([lease.jobId, ids(), queue.sizeOf(second)?.isQueued]).toEqual([second, [first], false]);
  await world.store.jobs.cancel(first, "client:a");
  await world.clock.settle();
  expect([ids(), [...queue.models()], queue.sizeOf(first)]).toEqual([[], [], null]);
});

it("names those whose turn is before another's, by priority and then by age", async () => {
  queue.begin();
  const [first, second] = [await world.submit(), await world.submit()];
  const urgent = await world.submit({ priority: 5 });
  await world.clock.settle();
  const place = async (id: string) => {
    const job = await world.store.jobs.get(id);
    if (job === null) throw new Error("the job is gone");
    return { ...job, dueAtMs: job.runAtMs, isSuspect: job.suspicion !== null };
  };
  expect(ids(await place(urgent))).toEqual([]);
  expect(ids(await place(first))).toEqual([urgent]);
  expect(ids(await place(second))).toEqual([first, urgent].toSorted());
});

it("suspects come behind everybody, as the claim takes them", async () => {
  queue.begin();
  const lease = await world.claimNew({ priority: 9 });
  const failure = { isSuspect: true, signature: "unknown: odd", runAtMs: world.clock.nowMs() };
  await world.store.jobs.fail(lease, makeFailure(world.clock.nowMs(), failure));
  const plain = await world.submit({ priority: -5 });
  await world.clock.settle();
  const place = { priority: -9, createdAtMs: world.clock.nowMs() + 1, dueAtMs: world.clock.nowMs() };
  expect(ids({ ...place, id: "newcomer", isSuspect: false })).toEqual([plain]);
  expect(ids({ ...place, id: "z", isSuspect: true })).toEqual([lease.jobId, plain].toSorted());
});

it("a job that waits for its time goes before nobody, and its model waits all the same", async () => {
  queue.begin();
  const lease = await world.claimNew();
  await world.store.jobs.release(lease, "its worker was lost", world.clock.nowMs() + minuteMs);
  await world.clock.settle();
  expect([ids(), [...queue.models()], queue.heldBack().map(({ id }) => id)]).toEqual([[], ["T2V-A14B"], [lease.jobId]]);
  await world.clock.advance(minuteMs);
  expect([ids(), queue.heldBack()]).toEqual([[lease.jobId], []]);
});

it("tells whenever somebody waits who did not", async () => {
  let changeCount = 0;
  queue.onChange(() => {
    changeCount += 1;
  });
  queue.begin();
  await world.clock.settle();
  const before = changeCount;
  await world.submit();
  await world.clock.settle();
  expect(changeCount).toBe(before + 1);
});
