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
});
