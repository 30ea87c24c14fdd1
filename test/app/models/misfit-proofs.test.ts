import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createMisfitProofs } from "../../../src/app/models/misfit-proofs.ts";
import { gibibyte, minuteMs } from "../../../src/core/units.ts";
import { unknownWorker } from "../../../src/machines/supervisor-facts.ts";
import type { Supervisor } from "../../../src/machines/supervisor-view.ts";
import { misfitLifeMs } from "../../../src/recovery/envelopes.ts";
import { type AppWorld, createAppWorld, foundClean, settled, workerId } from "../app-world.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld();
});
afterEach(() => world.close());

const small = { width: 832, height: 480, frames: 81 };
const never = { width: 1920, height: 1080, frames: 257 };
const place = () => ({ deviceUuid: world.deviceUuid, profile: "model-offload" }) as const;
const envelopeOf = (size: typeof small) => ({ model: world.catalog.entryOf("T2V-A14B"), ...size });
const fits = (size: typeof small): boolean => world.envelopes.fits(place(), envelopeOf(size), 1e15);

/** A supervisor whose worker is idle, and whose pipeline lets the worker alone when it is asked to. */
function idleSupervisor(worker: Partial<typeof unknownWorker> = {}) {
  const sent: string[] = [];
  let isHeld = false;
  const held = { hasTag: () => true, context: { wanted: { model: "T2V-A14B", profile: "model-offload" } } };
  const supervisor = {
    send: ({ type }: { type: string }) => {
      sent.push(type);
      isHeld = type === "worker.hold";
    },
    getSnapshot: () => ({
      context: {
        workers: { [workerId]: { ...unknownWorker, process: "connected", isProven: true, ...worker } },
        incidents: {},
        pause: null,
        isDrilling: false,
        mode: "ready",
      },
      children: {
        [`${workerId}/model-loader`]: { getSnapshot: () => held },
        [`${workerId}/pipeline`]: { getSnapshot: () => ({ matches: () => isHeld }) },
      },
    }),
  } as unknown as Supervisor;
  return { supervisor, sent };
}

async function holding(size: typeof small): Promise<void> {
  const { worker } = await world.connect();
  worker.model = "T2V-A14B";
  worker.profile = "model-offload";
  await world.envelopes.noteMisfit(place(), envelopeOf(size), foundClean);
}
const look = (supervisor: Supervisor) =>
  settled(world, createMisfitProofs(world, supervisor)(new AbortController().signal));

describe("what is known against a size", () => {
  it("is not proven again before its time, when nobody waits for it", async () => {
    await holding(small);
    const { supervisor, sent } = idleSupervisor();
    await look(supervisor);
    expect([sent, fits(small)]).toEqual([[], false]);
  });

  it("falls when its time has come and the phase runs, while no job can begin", async () => {
    await holding(small);
    await world.clock.advance(misfitLifeMs);
    const { supervisor, sent } = idleSupervisor();
    await look(supervisor);
    expect(sent).toEqual(["worker.hold", "jobs.becameAvailable", "worker.letGo"]);
    expect(world.envelopes.provableMisfits(place(), "T2V-A14B")).toEqual([]);
  });

  it("holds twice as long when the phase runs out of memory once more", async () => {
    await holding(never);
    await world.clock.advance(misfitLifeMs);
    const { supervisor } = idleSupervisor();
    await look(supervisor);
    await world.clock.advance(2 * misfitLifeMs - minuteMs);
    expect(fits(never)).toBe(false);
  });

  it("is not judged beside a neighbour, and is asked again only after a while", async () => {
    await holding(small);
    await world.clock.advance(misfitLifeMs);
    world.setNeighbour(30 * gibibyte);
    const { supervisor, sent } = idleSupervisor();
    const lookAgain = createMisfitProofs(world, supervisor);
    const { signal } = new AbortController();
    for (let time = 0; time < 3; time += 1) await settled(world, lookAgain(signal));
    expect(sent).toEqual(["worker.hold", "worker.letGo"]);
    world.setNeighbour(0);
    await world.clock.advance(10 * minuteMs);
    await settled(world, lookAgain(signal));
    expect(world.envelopes.provableMisfits(place(), "T2V-A14B")).toEqual([]);
  });

  it("is proven at once when a job waits for it, which is due when it falls", async () => {
    await holding(small);
    const lease = await world.claimNew();
    await world.store.jobs.release(lease, "it waits", world.clock.nowMs() + 8 * minuteMs);
    world.waitingJobs.add(lease.jobId);
    await look(idleSupervisor().supervisor);
    expect(await world.claim()).toMatchObject({ jobId: lease.jobId });
  });

  it.each([
    ["has a job in hand", { jobId: "job-1" }],
    ["is not proven", { isProven: false }],
    ["is started anew", { isRecycling: true }],
  ])("is not proven on a worker that %s", async (_, worker) => {
    await holding(small);
    await world.clock.advance(misfitLifeMs);
    const { supervisor, sent } = idleSupervisor(worker);
    await look(supervisor);
    expect(sent).toEqual([]);
  });
});
