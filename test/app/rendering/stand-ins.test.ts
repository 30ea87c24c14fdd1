import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createStandIns } from "../../../src/app/rendering/stand-ins.ts";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import type { FallbackConsent } from "../../../src/core/words.ts";
import { makeGenericStandIn } from "../../../src/jobs/make-stand-in.ts";
import { type PromiseFacts, promiseFor, type RouteFacts } from "../../../src/recovery/promise.ts";
import { type AppWorld, createAppWorld, settled, workerId } from "../app-world.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld();
});
afterEach(() => world.close());

const model = "T2V-A14B";
const route: RouteFacts = {
  workerId,
  models: [model],
  standing: "exhausted",
  untilMs: null,
  isBusy: false,
  heldModel: null,
  aside: [],
};

/** Facts that a test turns, as the dispatcher sees them through the promise. */
function promisesOf(change: Partial<PromiseFacts>) {
  const lostSinceMs = world.clock.nowMs();
  const facts = (): PromiseFacts => ({
    nowMs: world.clock.nowMs(),
    routes: [route],
    door: null,
    isPaused: false,
    isDiskShort: false,
    isProcessorShort: false,
    ownWait: null,
    queue: { aheadCount: 0, turnInMs: null, renderMs: null },
    lostSinceMs,
    standInAfterMs: 2 * secondMs,
    ...change,
  });
  const isServed = facts().isPaused || facts().lostSinceMs === null;
  return {
    answersDue: () => ({
      models: new Map(isServed ? [] : [[model, lostSinceMs + 2 * secondMs]]),
      jobs: new Map<string, number>(),
    }),
    ofJob: ({ spec }: { readonly spec: { readonly consent: { readonly fallback: FallbackConsent } } }) =>
      promiseFor(spec.consent.fallback, model, facts()),
  };
}

const reasons = async (): Promise<unknown[]> => (await world.rows("job.stoodIn")).map(({ data }) => data.reason);

async function serve(change: Partial<PromiseFacts>, forMs = minuteMs): Promise<void> {
  const standIns = createStandIns(world, promisesOf(change));
  standIns.wake();
  await world.clock.advance(forMs);
  await standIns.stop();
}

describe("stand-ins", () => {
  it.each<[string, Partial<PromiseFacts>, string]>([
    ["the main model is loading", { routes: [{ ...route, standing: "loading" }] }, "the main model is loading"],
    ["it is being repaired", { routes: [{ ...route, standing: "repairing" }] }, "the main model is being repaired"],
    ["nobody offers the model", { routes: [] }, "no worker offers T2V-A14B"],
  ])("say why, when %s", async (_, change, reason) => {
    await world.submit();
    await serve(change);
    expect(await reasons()).toEqual([reason]);
  });

  it("come so long after the way was lost, not before, each by its consent", async () => {
    const [real, only, refused, waits] = [
      await world.submit(),
      await world.submit({ fallback: "stand_in" }),
      await world.submit({ fallback: "fail" }),
      await world.submit({ fallback: "wait" }),
    ];
    await serve({}, 2 * secondMs - 1);
    expect([await reasons(), await world.stateOf(refused)]).toEqual([[], "queued"]);
    await serve({}, minuteMs);
    const states = await Promise.all([real, only, refused, waits].map(world.stateOf));
    expect(states).toEqual(["queued", "succeeded", "failed", "queued"]);
    expect((await world.store.jobs.get(refused))?.errorCode).toBe("NO_REAL_ROUTE");
    expect((await world.rows("job.stoodIn")).map(({ jobId }) => jobId)).toEqual([real, only]);
  });

  it("on a full disk say so, and are the common one", async () => {
    await settled(world, makeGenericStandIn(world));
    const drawing = vi.spyOn(world.media, "renderStandIn");
    await world.submit();
    await serve({ isDiskShort: true });
    expect([await reasons(), drawing.mock.calls.length]).toEqual([["the disk is full"], 0]);
  });

  it("are the common one, which costs no processor time, while the host needs that for the main model", async () => {
    await settled(world, makeGenericStandIn(world));
    const drawing = vi.spyOn(world.media, "renderStandIn");
    await world.submit();
    await serve({ isProcessorShort: true });
    expect([await reasons(), drawing.mock.calls.length]).toEqual([["the main model is being repaired"], 0]);
  });

  it("wait while an operator paused the service, and are not made while there is a way", async () => {
    await world.submit();
    await serve({ isPaused: true });
    await serve({ lostSinceMs: null, routes: [{ ...route, standing: "serving" }] });
    expect(await reasons()).toEqual([]);
  });

  it("one that cannot be made is tried again, and the others are served", async () => {
    const drawing = vi.spyOn(world.media, "renderStandIn").mockRejectedValueOnce(new Error("no room"));
    await world.submit();
    await world.submit();
    await serve({});
    expect([(await reasons()).length, drawing.mock.calls.length]).toEqual([2, 3]);
    expect(world.lines).toContainEqual(expect.objectContaining({ event: "standIn.failed", message: "no room" }));
  });
});
