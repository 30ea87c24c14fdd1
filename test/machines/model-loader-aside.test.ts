import { describe, expect, it } from "vitest";
import type { ModelLoaderEvent } from "../../src/machines/model-loader-types.ts";
import { faultWith } from "../fixtures/faults.ts";
import { fault } from "./exploration-samples.ts";
import { connected, exited, type LoaderWorld, loaded, ready } from "./model-loader-harness.ts";

const minuteMs = 60_000;
const lasting = faultWith(fault, { retryable: false });

describe("a model that a job wants beside the worker's own", () => {
  const wanted: ModelLoaderEvent = { type: "model.load", model: "TI2V-5B", profile: "tiling" };
  const failed: ModelLoaderEvent = { type: "load.failed", fault: lasting };
  const lastLoad = (world: LoaderWorld) => world.loads.at(-1);

  it("is set aside when it does not load, and the worker has its own again", async () => {
    const world = await ready();
    await world.send(wanted, failed);
    expect(world.parent.ofType("model.setAside")).toEqual([
      { type: "model.setAside", workerId: "w0", model: "TI2V-5B", fault: lasting },
    ]);
    expect(lastLoad(world)).toEqual({ workerId: "w0", model: "T2V-A14B", profile: "full" });
    await world.send(loaded);
    expect(world.state()).toBe("ready");
    expect(world.parent.types()).not.toContain("fault.raised");
  });
  it("has its files read again, and fetched where they are wrong, when the worker takes them for damaged", async () => {
    const world = await ready();
    world.verifications.push(null, "a.safetensors");
    await world.send(wanted, { type: "load.failed", fault: faultWith(fault, { attribution: "model" }) });
    expect([world.rehashCount, world.downloadCount, world.clearCount]).toEqual([1, 1, 0]);
    await world.send({ type: "download.succeeded" }, loaded);
    expect(world.state()).toBe("ready");
    expect(world.parent.ofType("model.proven").at(-1)).toMatchObject({ model: "TI2V-5B" });
    expect(world.parent.types()).not.toContain("model.setAside");
  });
  it("is tried as often as any other before", async () => {
    const world = await ready();
    await world.send(wanted, { type: "load.failed", fault });
    await world.clock.advance(minuteMs);
    expect(lastLoad(world)?.model).toBe("TI2V-5B");
    expect(world.parent.types()).not.toContain("model.setAside");
  });
  it("is not the next process's first load when the worker died over it", async () => {
    const world = await ready();
    await world.send(wanted, exited, connected);
    expect(lastLoad(world)?.model).toBe("T2V-A14B");
  });
  it("is loaded again after a death under its render", async () => {
    const world = await ready();
    await world.send(wanted, loaded);
    expect(world.state()).toBe("ready");
    await world.send(exited, connected);
    expect(lastLoad(world)?.model).toBe("TI2V-5B");
  });
  it("leaves the worker's own failure what it is", async () => {
    const world = await ready();
    await world.send(wanted, failed, failed);
    expect(world.state()).toBe("failed.permanent");
    expect(world.parent.ofType("fault.raised")).toMatchObject([{ report: { model: "T2V-A14B" } }]);
  });
});
