import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import type { FallbackConsent } from "../../../src/core/words.ts";
import { settled, workerId } from "../app-world.ts";
import { type ServiceWorld, startServiceWorld } from "../service-world.ts";

let world: ServiceWorld;
beforeEach(async () => {
  world = await startServiceWorld();
  await world.reachMode("ready");
});
afterEach(() => world.stop());

const stages = (): string[] => Object.values(world.context().incidents).map(({ stage }) => stage);
const worker = () => {
  const found = world.workers.get(workerId);
  if (found === undefined) throw new Error("there is no worker");
  return found;
};
/** The render in hand fails by a network that is not there, and so does every test render. */
const breakRenders = (): void => {
  worker().bad.probes = 1_000;
  worker().armed = { fault: "raise", phase: "encode", atStep: 0, errorName: "network" };
};
const standInsOf = async (): Promise<readonly (string | null)[]> =>
  (await world.rows("job.stoodIn")).map(({ jobId }) => jobId);

describe("while stand-ins serve although the worker lives", () => {
  beforeEach(async () => {
    breakRenders();
    await world.order();
    await world.reach(() => stages().includes("standingIn"));
  });

  it("page, mode, status and the answer to a submission say the same", async () => {
    expect(world.context().workers[workerId]).toMatchObject({ process: "connected", isProven: true });
    const { mode, sentence, promise, isMockEnabled } = world.ports.status();
    expect({ mode, isMockEnabled, kind: promise.kind }).toEqual({
      mode: "mock",
      isMockEnabled: true,
      kind: "standInThenReal",
    });
    expect(sentence).toMatch(/^Stand-ins only: no real video right now\./);
    const job = await world.store.jobs.get(await world.order());
    if (job === null) throw new Error("the job is gone");
    expect((await world.ports.outlook.of(job)).promised).toMatchObject({ kind: "standInThenReal" });
  });

  it("everybody is answered by his consent within the time that was set", async () => {
    const by: Record<FallbackConsent, string> = {
      stand_in_then_real: await world.order("stand_in_then_real"),
      wait: await world.order("wait"),
      fail: await world.order("fail"),
      stand_in: await world.order("stand_in"),
    };
    await world.clock.advance(world.config.standIn.afterMs + 3 * secondMs);
    const shown = await standInsOf();
    expect(shown).toContain(by.stand_in_then_real);
    expect(shown).toContain(by.stand_in);
    expect(shown).not.toContain(by.wait);
    const ends = await Promise.all([by.fail, by.stand_in, by.wait].map((id) => world.store.jobs.get(id)));
    expect(ends.map((job) => job?.state)).toEqual(["failed", "succeeded", "queued"]);
    expect(ends[0]?.errorCode).toBe("NO_REAL_ROUTE");
    expect(ends[1]?.result?.servedBy.kind).toBe("stand_in");
  });
});

it("a return that fails after every climb was in vain is seen each time", async () => {
  breakRenders();
  const failed = [await world.order()];
  await world.reach(() => stages().includes("exhausted"));
  expect(world.ports.status().mode).toBe("mock");
  for (let time = 0; time < 2; time += 1) {
    // The worker was to blame: no job asks for another process, which would be sound.
    await world.store.jobs.acquit(failed, "atOnce");
    worker().bad.probes = 0;
    await world.reach(() => stages().includes("returning"));
    breakRenders();
    failed.push(await world.order());
    await world.reach(() => world.ports.status().mode === "mock");
    expect(stages()).toEqual(["exhausted"]);
    expect(world.ports.status().promise).toMatchObject({ kind: "standInThenReal", because: "exhausted" });
    expect(await world.ports.metrics(0)).toMatch(/understudy_mode\{mode="mock"\} 1/);
  }
});

it("a full disk is no way to real video, and the mode says so as long as that lasts", async () => {
  world.troubles.begin("disk", minuteMs);
  await world.reachMode("mock");
  expect(world.ports.status()).toMatchObject({
    unreadyReason: { code: "DISK_FULL" },
    promise: { because: "diskFull" },
  });
  await world.reachMode("ready");
});

it("a job of a model that no worker offers is answered like one whose way is lost", async () => {
  const odd = await world.submit({ model: "forgotten", fallback: "fail" });
  await world.clock.advance(10 * secondMs);
  expect(await world.stateOf(odd)).toBe("failed");
});

describe("the last rung", () => {
  const lastRungs = async () =>
    (await world.rows("rung.ended")).flatMap(({ data }) =>
      data.action === "fallback_to_mock" ? [[data.outcome, data.reason]] : [],
    );

  it("is effective when an owner can see a stand-in", async () => {
    breakRenders();
    await world.order();
    await world.reach(() => stages().includes("standingIn"));
    expect(await lastRungs()).toEqual([]);
    await world.clock.advance(10 * secondMs);
    expect(await lastRungs()).toEqual([["effective", "an owner can see a stand-in, and it plays"]]);
    expect((await standInsOf()).length).toBe(1);
  });

  it("is skipped where nobody waits", async () => {
    breakRenders();
    await world.store.jobs.cancel(await world.order("wait"), "client:a");
    const order = { failureType: "network_error", workerId, isForced: true, waitMs: 0, by: "operator:a" } as const;
    await settled(world, world.ports.recovery.trigger(order));
    await world.reach(() => stages().includes("standingIn"));
    await world.clock.advance(10 * secondMs);
    expect([...new Set(await lastRungs().then((rungs) => rungs.map(String)))]).toEqual([
      "skipped,nobody waits for a stand-in",
    ]);
  });

  it("is unknown while stand-ins cannot be drawn", async () => {
    vi.spyOn(world.media, "renderStandIn").mockRejectedValue(new Error("no room"));
    breakRenders();
    await world.order();
    await world.reach(() => stages().includes("standingIn"));
    await world.clock.advance(20 * secondMs);
    expect(await lastRungs()).toEqual([["unknown", "no owner has seen a stand-in yet"]]);
  });
});
