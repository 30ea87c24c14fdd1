import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { WorkerNotice } from "../../../src/core/ports/worker.ts";
import { secondMs } from "../../../src/core/units.ts";
import { type AppWorld, createAppWorld, workerId } from "../app-world.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld();
});
afterEach(() => world.close());

describe("the connections to workers", () => {
  it("a worker without one is nobody's client, and whoever needs it is told so with a code that may be tried again", () => {
    expect(world.links.clientOf(workerId)).toBeNull();
    expect(() => world.links.connected(workerId)).toThrow(
      expect.objectContaining({ code: "WORKER_EXITED", retryable: true, message: "the worker is not connected" }),
    );
  });

  it("a new connection to the same worker ends the former one", async () => {
    const { ref } = await world.connect();
    const former = world.links.connected(workerId);
    const next = await world.host.connect(ref, AbortSignal.any([]));
    world.links.open({ workerId, ref, client: next });
    await expect(former.stats()).rejects.toMatchObject({ code: "WORKER_EXITED" });
    expect(await world.links.connected(workerId).stats()).toMatchObject({ jobsDone: 0 });
    expect(world.links.list()).toHaveLength(1);
  });

  it("who listens to a worker hears it over a reconnection too, and once", async () => {
    const heard: WorkerNotice["kind"][] = [];
    const stop = world.links.onNotice(workerId, ({ kind }) => heard.push(kind));
    const { ref } = await world.connect();
    await world.clock.advance(6 * secondMs);
    expect(heard).toEqual(["heartbeat"]);
    world.links.open({ workerId, ref, client: await world.host.connect(ref, AbortSignal.any([])) });
    await world.clock.advance(5 * secondMs);
    expect(heard).toEqual(["heartbeat", "heartbeat"]);
    stop();
    await world.clock.advance(20 * secondMs);
    expect(heard).toHaveLength(2);
  });

  it("a worker that goes on speaking over a closed one is not heard", async () => {
    const { ref } = await world.connect();
    const client = await world.host.connect(ref, AbortSignal.any([]));
    world.links.open({ workerId, ref, client: { ...client, close: () => undefined } });
    const heard: unknown[] = [];
    world.links.onNotice(workerId, (notice) => heard.push(notice));
    world.links.close(workerId);
    await world.clock.advance(30 * secondMs);
    expect(heard).toEqual([]);
  });

  it("a closed one is in no list, and hears nothing", async () => {
    const heard: unknown[] = [];
    world.links.onNotice(workerId, (notice) => heard.push(notice));
    await world.connect();
    world.links.close(workerId);
    await world.clock.advance(30 * secondMs);
    expect([world.links.get(workerId), world.links.list(), heard]).toEqual([null, [], []]);
  });
});
