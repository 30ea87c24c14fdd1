import { afterEach, beforeEach, expect, it } from "vitest";
import { minuteMs } from "../../../src/core/units.ts";
import { startServiceWorld } from "../service-world.ts";

const workerId = "worker-0";
let world: Awaited<ReturnType<typeof startServiceWorld>>;
beforeEach(async () => {
  world = await startServiceWorld({ "recovery.cooldown": "0s" });
  await world.reachMode("ready");
});
afterEach(() => world.stop());

async function dieAndBeRepaired(): Promise<void> {
  world.workers.get(workerId)?.die({ code: 1, signal: null });
  await world.reach(() => world.context().workers[workerId]?.process === "down");
  await world.reach(() => Object.keys(world.context().incidents).length === 0, 10 * minuteMs);
}

it("a worker that was repaired three times in ten minutes gets no jobs for a minute, which row and metrics tell, then one, then all", async () => {
  for (let repair = 0; repair < 3; repair += 1) await dieAndBeRepaired();
  await world.reach(() => world.context().workers[workerId]?.breaker === "open", 1_000);
  const openedAtMs = world.clock.nowMs();
  expect(await world.rows("breaker.opened")).toMatchObject([
    { workerId, data: { because: "it was repaired again and again within minutes" } },
  ]);
  const metrics = await world.ports.metrics(0);
  expect(metrics).toContain('understudy_breaker_state{worker="worker-0",state="open"} 1');
  const jobId = await world.order();
  await world.reach(() => world.context().workers[workerId]?.breaker === "halfOpen", 2 * minuteMs);
  expect(world.clock.nowMs() - openedAtMs).toBeGreaterThan(minuteMs - 2_000);
  expect(await world.rows("render.began")).toEqual([]);
  expect(await world.ended(jobId)).toBe("succeeded");
  await world.reach(() => world.context().workers[workerId]?.breaker === "closed", minuteMs);
  expect((await world.rows("breaker.closed")).at(-1)?.data).toEqual({ because: "one job was rendered" });
});

it("one that has rendered is tried by a test render of that job's size, which opens the way for all jobs at once, and the rows say so", async () => {
  expect(await world.ended(await world.order())).toBe("succeeded");
  for (let repair = 0; repair < 3; repair += 1) await dieAndBeRepaired();
  await world.reach(() => world.context().workers[workerId]?.breaker === "open", 1_000);
  const jobIds = [await world.order(), await world.order()];
  await world.reach(() => world.context().workers[workerId]?.breaker === "closed", 2 * minuteMs);
  const what = "a test render of a job's size (denoise of 832x480 with 33 frames)";
  expect((await world.rows("breaker.closed")).at(-1)?.data).toEqual({ because: `${what} passed` });
  expect((await world.rows("model.proven")).at(-1)?.data).toMatchObject({ rendered: what });
  const kinds = (await world.rows("breaker.closed", "render.began")).map(({ kind }) => kind);
  expect(kinds.slice(0, kinds.lastIndexOf("breaker.closed")).filter((kind) => kind === "render.began")).toHaveLength(1);
  for (const jobId of jobIds) expect(await world.ended(jobId)).toBe("succeeded");
});

it("one that fails its trial is repaired, and left alone twice as long", async () => {
  expect(await world.ended(await world.order())).toBe("succeeded");
  for (let repair = 0; repair < 3; repair += 1) await dieAndBeRepaired();
  await world.reach(() => world.context().workers[workerId]?.breaker === "open", 1_000);
  const worker = world.workers.get(workerId);
  if (worker !== undefined) worker.bad.probes = 3;
  await world.reach(() => world.context().breakers[workerId]?.openingCount === 2, 5 * minuteMs);
  const [first, second] = await world.rows("breaker.opened");
  const waitOf = (row: typeof first): number => (row?.data.until_ms ?? 0) - (row?.atMs ?? 0);
  expect(waitOf(second)).toBe(2 * waitOf(first));
  await world.reach(() => world.context().workers[workerId]?.breaker === "closed", 5 * minuteMs);
});
