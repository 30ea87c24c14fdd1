import { describe, expect, it } from "vitest";
import type { ModelLoaderEvent } from "../../src/machines/model-loader-types.ts";
import { classify } from "../../src/recovery/classify.ts";
import { retryTables } from "../../src/recovery/retry-delays.ts";
import { faultWith } from "../fixtures/faults.ts";
import { fault } from "./exploration-samples.ts";
import {
  adopted,
  begin,
  connected,
  ensure,
  exited,
  type LoaderWorld,
  leaner,
  load,
  loaded,
  provenCount,
  ready,
  reload,
} from "./model-loader-harness.ts";

const minuteMs = 60_000;
const missing = { kind: "missing", missingBytes: 8 } as const;
const lasting = faultWith(fault, { retryable: false });

describe("a trial of a job's size", () => {
  const verify: ModelLoaderEvent = { type: "model.verify" };
  const trials = (world: LoaderWorld) => world.parent.ofType("model.proven").map(({ trial }) => trial);
  const ofJobSize = { size: "job", what: "a test render" };
  it("is rendered at once with what is on the card, and nothing is loaded for it", async () => {
    const world = await ready();
    await world.send(verify);
    expect([world.tests, world.loads.length, world.verifyCount]).toEqual([["canary", "job"], 1, 1]);
    expect(trials(world)).toEqual([null, ofJobSize]);
    await world.send(ensure);
    expect(trials(world)).toEqual([null, ofJobSize, null]);
  });
  // It was lost wherever the model was not ready, and the breaker waited for nothing.
  it.each([
    ["unloaded, without a worker", {}, [verify, connected, loaded]],
    ["resolving", { resolution: "hangs" }, [connected, verify, reload]],
    ["loading.moving", {}, [connected, verify, loaded]],
    ["failed.permanent", {}, [connected, { type: "load.failed", fault: lasting }, verify]],
    ["failed.retryable", {}, [connected, { type: "load.failed", fault }, verify]],
    ["unloaded, beside a worker", {}, [connected, loaded, { type: "model.unload" }, verify, loaded]],
  ] as const)("is not lost when it is asked for in %s", async (state, set, events) => {
    const world = begin({ ...set } as Partial<LoaderWorld>);
    for (const event of events) {
      if (event === verify) {
        expect(state).toContain(world.state());
        world.resolution = { kind: "present" };
      }
      await world.send(event);
    }
    if (world.state() === "loading.moving") await world.send(loaded);
    expect(world.state()).toBe("ready");
    expect(trials(world).at(-1)).toEqual(ofJobSize);
  });
  it("follows the small test render that is under way", async () => {
    const world = await load();
    const gate = Promise.withResolvers<void>();
    world.beforeProof = gate.promise;
    await world.send(loaded, verify);
    expect(world.tests).toEqual(["canary"]);
    gate.resolve();
    await world.clock.settle();
    expect(world.state()).toBe("ready");
    expect([world.tests, trials(world)]).toEqual([
      ["canary", "job"],
      [null, ofJobSize],
    ]);
  });
  it("that an adopted worker owes is rendered, and one whose process ended is owed by the next", async () => {
    const world = begin();
    await world.send(verify, adopted("T2V-A14B"));
    expect(trials(world)).toEqual([null, ofJobSize]);
    world.proofs.push("hangs");
    await world.send(verify, exited, connected, loaded);
    expect(trials(world).at(-1)).toEqual(ofJobSize);
  });
  it("has a quarter of an hour, and is over when it failed at every try: recovery decides from then on", async () => {
    const world = await ready();
    world.proofs.push("hangs", lasting);
    await world.send(verify);
    await world.clock.advance(15 * minuteMs - 1);
    expect(world.state()).toBe("proving");
    await world.clock.advance(1);
    expect(world.state()).toBe("failed.retryable");
    await world.clock.advance(2_000);
    await world.send(loaded);
    expect([world.tests, world.state()]).toEqual([["canary", "job", "job"], "failed.permanent"]);
    await world.send(ensure);
    expect(world.tests.at(-1)).toBe("canary");
    expect(trials(world)).toEqual([null, null]);
  });
});

describe("a failed load", () => {
  it.each([undefined, "hangs", "fails"] as const)(
    "is tried once more, after a cache clear (that answers: %s), and its next try is told",
    async (clearing) => {
      const world = await load({ canLoad: false, clearing });
      const failedAtMs = world.clock.nowMs();
      expect(world.state()).toBe("failed.retryable");
      expect(world.parent.reports).toMatchObject([
        {
          type: "model.loadRetried",
          workerId: "w0",
          model: "T2V-A14B",
          tryNumber: 2,
          tryCount: 2,
          retryAtMs: failedAtMs + 2_000,
        },
      ]);
      await world.clock.advance(1_999);
      expect(world.resolveCount).toBe(1);
      await world.clock.advance(1);
      expect(world.resolveCount).toBe(2);
      expect(world.clearCount).toBe(1);
      expect(world.state()).toBe("failed.permanent");
      expect(world.parent.types()).toEqual(["model.loadRetried", "model.loadFailed", "fault.raised"]);
      expect(world.parent.ofType("fault.raised")[0]?.report).toMatchObject({
        workerId: "w0",
        model: "T2V-A14B",
        jobId: null,
      });
    },
  );
  it("with which its worker ended is not told to be tried again: the next process begins anew", async () => {
    const world = await load();
    const gone = classify({ exitSignal: "SIGKILL", phase: "load" });
    await world.send({ type: "load.failed", fault: gone });
    expect(world.parent.reports).toEqual([]);
    await world.send(exited, connected);
    expect([world.state(), world.loads.length]).toEqual(["loading.moving", 2]);
  });
  it("is tried as often as its settings say, after waits that grow", async () => {
    const world = await load({ canLoad: false, loadTries: { ...retryTables.model_loading, tryCount: 4 } });
    for (const wait of [2_000, 3_000, 4_500]) await world.clock.advance(wait);
    expect(world.state()).toBe("failed.permanent");
    const retries = world.parent.ofType("model.loadRetried");
    expect(retries.map(({ tryNumber, tryCount }) => [tryNumber, tryCount])).toEqual([
      [2, 4],
      [3, 4],
      [4, 4],
    ]);
  });
  it("has all its tries after a download that failed, which the transfer has tried again by itself", async () => {
    const world = await load({ resolution: missing });
    await world.send({ type: "download.failed", fault });
    expect(world.state()).toBe("failed.permanent");
    expect(world.parent.types()).toEqual(["model.loadFailed", "fault.raised"]);
    world.resolution = { kind: "present" };
    await world.send(reload, { type: "load.failed", fault });
    expect(world.state()).toBe("failed.retryable");
    expect(world.parent.ofType("model.loadRetried")).toMatchObject([{ tryNumber: 2 }]);
  });
  it("is tried again by itself after ten minutes", async () => {
    const world = await load();
    await world.send({ type: "load.failed", fault: lasting });
    await world.clock.advance(10 * minuteMs - 1);
    expect(world.state()).toBe("failed.permanent");
    await world.clock.advance(1);
    expect(world.loads).toHaveLength(2);
  });
  it("has its tries anew after a success, after another wish and with another worker", async () => {
    const world = await load({ loadTries: { ...retryTables.model_loading, tryCount: 3 } });
    const failOnce = { type: "load.failed", fault } as const;
    const countsOf = (): number => world.actor.getSnapshot().context.failedCount;
    await world.send(failOnce);
    await world.clock.advance(2_000);
    await world.send(failOnce);
    expect(countsOf()).toBe(2);
    await world.clock.advance(3_000);
    await world.send(loaded);
    expect(countsOf()).toBe(0);
    await world.send(reload, failOnce, leaner);
    expect(countsOf()).toBe(0);
    await world.send(failOnce, exited, connected);
    expect(countsOf()).toBe(0);
  });
  it("is proven as it lies on the card when recovery asks for it, not loaded again", async () => {
    const world = await load();
    world.proofs.push("hangs", null);
    await world.send({ type: "load.failed", fault: lasting }, ensure);
    expect(world.state()).toBe("proving");
    await world.clock.advance(2 * minuteMs);
    expect(world.state()).toBe("failed.retryable");
    await world.send(ensure);
    expect(world.state()).toBe("ready");
    expect(world.loads).toHaveLength(1);
    expect(provenCount(world)).toBe(1);
  });
});
