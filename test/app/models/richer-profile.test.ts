import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { noteRoomOf, richerProfileOf, wholeProfileOf } from "../../../src/app/models/richer-profile.ts";
import type { WorkerIdentity, WorkerStats } from "../../../src/core/ports/worker.ts";
import { gibibyte, minuteMs } from "../../../src/core/units.ts";
import type { LoadProfile } from "../../../src/core/words.ts";
import { type AppWorld, createAppWorld, foundClean, settled, workerId } from "../app-world.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld();
});
afterEach(() => world.close());

async function connectIn(profile: LoadProfile): Promise<WorkerIdentity> {
  const { worker } = await world.connect();
  worker.model = "T2V-A14B";
  worker.profile = profile;
  world.profiles.set(workerId, profile, "a test asked");
  return world.links.connected(workerId).identity;
}
const stats = (): Promise<WorkerStats> => settled(world, world.links.connected(workerId).stats());
const onCard = (identity: WorkerIdentity, gib: number): WorkerIdentity => ({
  ...identity,
  device: { ...identity.device, totalBytes: gib * gibibyte },
});

describe("the next richer memory mode", () => {
  it("is one step nearer to the configured one", async () => {
    const identity = await connectIn("fp8");
    const steps: (LoadProfile | undefined)[] = [];
    let profile: LoadProfile | undefined = "fp8";
    while (profile !== undefined) {
      profile = richerProfileOf(world, identity, { residentModel: "T2V-A14B", profile })?.profile;
      steps.push(profile);
    }
    expect(steps).toEqual(["group-offload", "tiling", "model-offload", undefined]);
  });

  it("is none that the card does not carry, and the leaner one is whole there", async () => {
    const identity = onCard(await connectIn("group-offload"), 24);
    expect(richerProfileOf(world, identity, { residentModel: "T2V-A14B", profile: "group-offload" })).toBeNull();
    const large = onCard(identity, 80);
    expect([identity, large].map((one) => wholeProfileOf(world, one, "T2V-A14B"))).toEqual([
      "group-offload",
      "model-offload",
    ]);
  });

  it("is none while the worker holds nothing", async () => {
    const identity = await connectIn("fp8");
    expect(richerProfileOf(world, identity, { residentModel: null, profile: null })).toBeNull();
  });
});

describe("room for it", () => {
  const isDueAfter = async (identity: WorkerIdentity): Promise<boolean> => {
    noteRoomOf(world, workerId, identity, await stats());
    await world.clock.advance(5 * minuteMs);
    noteRoomOf(world, workerId, identity, await stats());
    return world.profiles.isDue(workerId);
  };

  it("is there on a card of one's own, the worker's own part included", async () => {
    const identity = await connectIn("group-offload");
    expect(await isDueAfter(identity)).toBe(true);
  });

  it("is not there beside a neighbour that leaves too little for a usual clip", async () => {
    const identity = await connectIn("group-offload");
    world.setNeighbour(60 * gibibyte);
    expect(await isDueAfter(identity)).toBe(false);
  });

  it("is not there while the size of a usual clip is known not to fit", async () => {
    const identity = await connectIn("group-offload");
    const envelope = { model: world.catalog.entryOf("T2V-A14B"), width: 854, height: 480, frames: 81 };
    await world.envelopes.noteMisfit({ deviceUuid: world.deviceUuid, profile: "tiling" }, envelope, foundClean);
    expect(await isDueAfter(identity)).toBe(false);
  });
});
