import { describe, expect, it } from "vitest";
import type { ModelLoaderEvent } from "../../src/machines/model-loader-types.ts";
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
  same,
} from "./model-loader-harness.ts";

const minuteMs = 60_000;
const missing = { kind: "missing", missingBytes: 8 } as const;
const lasting = faultWith(fault, { retryable: false });
const arrived: ModelLoaderEvent = { type: "download.progressed", doneBytes: 1 };
const pause: ModelLoaderEvent = { type: "download.pause" };
const lastFault = (world: LoaderWorld) => world.actor.getSnapshot().context.fault;

describe("a load", () => {
  it("begins when the worker is connected, and ends when a test render has passed", async () => {
    const world = begin({ proofs: ["hangs"] });
    await world.send(ensure, reload);
    expect(world.resolveCount).toBe(0);
    await world.send(connected);
    expect(world.state()).toBe("loading.moving");
    expect(world.loads).toEqual([{ workerId: "w0", model: "T2V-A14B", profile: "full" }]);
    await world.send(loaded);
    expect(world.state()).toBe("proving");
    expect(provenCount(world)).toBe(0);
    world.proofs.push(null);
    await world.send(reload, loaded);
    expect(world.state()).toBe("ready");
    expect(world.parent.reports).toEqual([
      { type: "model.proven", workerId: "w0", model: "T2V-A14B", profile: "full", trial: null },
    ]);
  });
  it("remembers what was wanted while no worker was there", async () => {
    const world = begin();
    await world.send(leaner);
    expect(world.state()).toBe("unloaded");
    await world.send(connected);
    expect(world.loads).toMatchObject([{ profile: "tiling" }]);
  });
  it("begins again with the next worker when its worker ends", async () => {
    const world = await load();
    await world.send(exited);
    expect(world.state()).toBe("unloaded");
    await world.send(same, ensure, loaded);
    expect(world.state()).toBe("unloaded");
    await world.send(connected);
    expect(world.loads).toHaveLength(2);
  });
  it.each([
    ["resolving", { resolution: "hangs" }],
    ["downloading.transferring", { resolution: missing }],
    ["verifying", { verifications: ["hangs"] }],
    ["loading.moving", {}],
    ["proving", { proofs: ["hangs"] }],
  ] as const)(
    "is joined by whoever asks for the same model in %s, and made anew for another memory mode",
    async (state, set) => {
      const world = await load({ ...set } as Partial<LoaderWorld>);
      if (state === "proving") await world.send(loaded);
      expect(world.state()).toBe(state);
      const { resolveCount, loads } = world;
      const loadCount = loads.length;
      await world.send(same, ensure);
      expect(world.state()).toBe(state);
      expect([world.resolveCount, world.loads.length]).toEqual([resolveCount, loadCount]);
      world.resolution = { kind: "present" };
      await world.send(leaner, loaded);
      expect(world.loads.at(-1)?.profile).toBe("tiling");
      expect(world.resolveCount).toBe(resolveCount + 1);
      expect(world.parent.ofType("model.proven")).toMatchObject([{ profile: "tiling" }]);
    },
  );
  it("is not stuck while it shows activity, however long it takes, and is after five minutes without", async () => {
    const world = await load();
    for (let count = 0; count < 20; count += 1) {
      await world.clock.advance(5 * minuteMs - 1);
      await world.send({ type: "load.progressed", ratio: 0.5 });
    }
    expect(world.state()).toBe("loading.moving");
    await world.clock.advance(5 * minuteMs - 1);
    expect(world.state()).toBe("loading.moving");
    await world.clock.advance(1);
    expect(world.state()).toBe("failed.retryable");
    expect(lastFault(world)?.decidedBy).toBe("loading gave no sign of activity");
  });
  it("that failed says why", async () => {
    const world = await load();
    await world.send({ type: "load.failed", fault: lasting });
    expect(world.state()).toBe("failed.permanent");
    expect(world.parent.ofType("model.loadFailed")).toMatchObject([{ fault: lasting }]);
  });
  it.each([
    ["resolving", { resolution: "hangs" }, minuteMs, "resolving gave no sign of activity"],
    ["verifying", { verifications: ["hangs"] }, 60 * minuteMs, "verifying gave no sign of activity"],
    ["proving", { proofs: ["hangs"] }, 2 * minuteMs, "the test render gave no sign of activity"],
  ] as const)("waits in %s until its deadline, not for ever", async (state, set, limitMs, decidedBy) => {
    const world = await load({ ...set } as Partial<LoaderWorld>);
    if (state === "proving") await world.send(loaded);
    await world.clock.advance(limitMs - 1);
    expect(world.state()).toBe(state);
    await world.clock.advance(1);
    expect(world.state()).toBe("failed.retryable");
    expect(lastFault(world)?.decidedBy).toContain(decidedBy);
  });
  it.each([
    ["the files cannot be looked at", { resolution: "fails" }, "resolving was rejected", "retryable"],
    [
      "the source cannot be asked",
      { resolution: missing, canDownload: false },
      "the download was rejected",
      "permanent",
    ],
    ["the files cannot be read", { verifications: ["fails"] }, "verifying was rejected", "retryable"],
    ["the worker cannot be asked", { canLoad: false }, "loading was rejected", "retryable"],
  ] as const)("fails when %s", async (_, set, decidedBy, end) => {
    const world = await load({ ...set } as Partial<LoaderWorld>);
    expect(world.state()).toBe(`failed.${end}`);
    expect(lastFault(world)?.decidedBy).toContain(decidedBy);
  });
  it.each([
    ["fails", "fails", "the test render was rejected"],
    ["finds a fault", fault, fault.decidedBy],
  ] as const)("fails when its test render %s", async (_, proof, decidedBy) => {
    const world = await ready({ proofs: [proof] });
    expect(world.state()).toBe("failed.retryable");
    expect(provenCount(world)).toBe(0);
    expect(lastFault(world)?.decidedBy).toContain(decidedBy);
  });
});

describe("a download", () => {
  it("comes first when files are missing, and ends in their comparison with the hashes", async () => {
    const world = await load({ resolution: missing, verifications: ["hangs"] });
    expect(world.state()).toBe("downloading.transferring");
    await world.send({ type: "download.succeeded" });
    expect(world.state()).toBe("verifying");
    expect(world.runningDownloadCount).toBe(0);
  });
  it("has stalled after half a minute without a byte, goes on with the next, and fails five minutes later", async () => {
    const world = await load({ resolution: missing });
    await world.clock.advance(29_999);
    await world.send(arrived);
    await world.clock.advance(29_999);
    expect(world.state()).toBe("downloading.transferring");
    await world.clock.advance(1);
    expect(world.state()).toBe("downloading.stalled");
    await world.send(arrived);
    expect(world.state()).toBe("downloading.transferring");
    await world.clock.advance(30_000 + 5 * minuteMs - 1);
    expect(world.state()).toBe("downloading.stalled");
    await world.clock.advance(1);
    expect(world.state()).toBe("failed.permanent");
    expect(world.runningDownloadCount).toBe(0);
  });
  it("rests while it is paused, until it is asked to go on", async () => {
    const world = await load({ resolution: missing });
    await world.send(pause);
    await world.clock.advance(9 * minuteMs);
    expect(world.state()).toBe("downloading.backingOff");
    await world.send({ type: "download.resume" });
    expect(world.state()).toBe("downloading.transferring");
    expect(world.downloadCount).toBe(1);
  });
  it("goes on by itself after a pause of ten minutes, and at once when bytes arrive all the same", async () => {
    const world = await load({ resolution: missing });
    await world.send(pause);
    await world.clock.advance(10 * minuteMs - 1);
    expect(world.state()).toBe("downloading.backingOff");
    await world.clock.advance(1);
    expect(world.state()).toBe("downloading.transferring");
    await world.send(pause, arrived);
    expect(world.state()).toBe("downloading.transferring");
  });
  it("that is cancelled leaves no model and no transfer", async () => {
    const world = await load({ resolution: missing });
    await world.send({ type: "download.cancel" });
    expect(world.state()).toBe("unloaded");
    expect(world.runningDownloadCount).toBe(0);
    await world.send(same);
    expect(world.state()).toBe("downloading.transferring");
  });
  it("that failed says why", async () => {
    const world = await load({ resolution: missing });
    await world.send({ type: "download.failed", fault: lasting });
    expect(world.parent.ofType("model.loadFailed")).toMatchObject([{ model: "T2V-A14B", fault: lasting }]);
  });
});

describe("verifying", () => {
  it("fetches a broken file again, and gives the source up after the third download", async () => {
    const world = await load({ verifications: Array.from({ length: 4 }, () => "a.safetensors") });
    await world.send({ type: "download.succeeded" });
    expect(world.state()).toBe("downloading.transferring");
    await world.send({ type: "download.succeeded" });
    expect(world.state()).toBe("downloading.transferring");
    await world.send({ type: "download.succeeded" });
    expect(world.state()).toBe("failed.permanent");
    expect(world.downloadCount).toBe(3);
    expect(world.parent.ofType("model.loadFailed")[0]?.fault).toMatchObject({
      code: "MODEL_FILE_CORRUPT",
      retryable: false,
    });
    expect(world.parent.ofType("model.loadFailed")[0]?.fault.message).toContain("a.safetensors");
  });
  it("allows each load its own fetches", async () => {
    const world = await load({ verifications: ["a", "a", "a", "a", "a"] });
    const succeeded = { type: "download.succeeded" } as const;
    await world.send(succeeded, succeeded, succeeded);
    expect(world.state()).toBe("failed.permanent");
    await world.send(reload);
    expect(world.state()).toBe("downloading.transferring");
  });
  it("counts the first download among the three", async () => {
    const world = await load({ resolution: missing, verifications: ["a", "a", "a"] });
    const succeeded = { type: "download.succeeded" } as const;
    await world.send(succeeded, succeeded);
    expect(world.state()).toBe("downloading.transferring");
    await world.send(succeeded);
    expect([world.state(), world.downloadCount]).toEqual(["failed.permanent", 3]);
  });
});

describe("a model that serves", () => {
  it("answers whoever asks for it at once", async () => {
    const world = await ready();
    await world.send(ensure);
    expect(provenCount(world)).toBe(2);
    expect(world.resolveCount).toBe(1);
  });
  it("is loaded again when it is missed on the card, or when another memory mode is wanted", async () => {
    // Once the loader believed its own memory, and a job was given back without an end.
    const world = await ready();
    await world.send(same);
    expect(world.state()).toBe("loading.moving");
    await world.send(loaded, leaner, loaded);
    expect(world.loads.map(({ profile }) => profile)).toEqual(["full", "full", "tiling"]);
    expect(world.parent.ofType("model.proven").at(-1)?.profile).toBe("tiling");
  });
  it("is loaded again from the start when a reload is asked for", async () => {
    const world = await ready();
    await world.send(reload);
    expect(world.resolveCount).toBe(2);
  });
  it("is gone with its worker", async () => {
    const world = await ready();
    await world.send(exited);
    expect(world.state()).toBe("unloaded");
    await world.send(same);
    expect(world.loads).toHaveLength(1);
  });
  it("is taken over with an adopted worker, in the memory mode that the worker has", async () => {
    const world = begin();
    await world.send(adopted("T2V-A14B"));
    expect(world.state()).toBe("ready");
    expect(world.loads).toEqual([]);
    expect(world.parent.reports).toEqual([
      { type: "model.proven", workerId: "w0", model: "T2V-A14B", profile: "tiling", trial: null },
    ]);
  });
  it.each([
    ["an adopted worker holds another one", adopted("TI2V-5B")],
    ["the worker is a new one", adopted("T2V-A14B", false)],
  ])("is loaded when %s", async (_, event) => {
    const world = begin();
    await world.send(event);
    expect(world.loads).toHaveLength(1);
  });
});

describe("unloading", () => {
  const unload: ModelLoaderEvent = { type: "model.unload" };
  it("ends without a model, and the next wish loads again", async () => {
    const world = await ready();
    await world.send(unload);
    expect(world.state()).toBe("unloaded");
    expect(world.parent.reports.at(-1)).toEqual({ type: "model.unloaded", workerId: "w0" });
    await world.send(same);
    expect(world.loads).toHaveLength(2);
  });
  it.each([ensure, reload, leaner])("is ended by $type", async (event) => {
    const world = await ready({ unloading: "hangs" });
    await world.send(unload, event);
    expect(world.state()).toBe("loading.moving");
    expect(world.loads.at(-1)?.profile).toBe(event === leaner ? "tiling" : "full");
  });
  it("fails when the worker refuses", async () => {
    const world = await ready({ unloading: "fails" });
    await world.send(unload);
    expect(world.state()).toBe("failed.retryable");
  });
  it("takes two minutes at most", async () => {
    const world = await ready({ unloading: "hangs" });
    await world.send(unload);
    await world.clock.advance(2 * minuteMs - 1);
    expect(world.state()).toBe("unloading");
    await world.clock.advance(1);
    expect(world.state()).toBe("failed.retryable");
  });
});
