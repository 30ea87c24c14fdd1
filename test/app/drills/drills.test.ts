import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { behindDrills } from "../../../src/app/drills/blind-spots.ts";
import { drills, findDrill } from "../../../src/app/drills/drill-list.ts";
import { DrillState } from "../../../src/app/drills/drill-state.ts";
import type { ScoreCard } from "../../../src/core/drill.ts";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import { type AppWorld, createAppWorld, settled, workerId } from "../app-world.ts";
import { type ServiceWorld, startServiceWorld } from "../service-world.ts";

describe("a drill on a running service", () => {
  let world: ServiceWorld;
  beforeEach(async () => {
    world = await startServiceWorld();
    await world.reachMode("ready");
  });
  afterEach(() => world.stop());

  const run = (name: string): Promise<ScoreCard | null> =>
    settled(
      world,
      world.ports.drills.run(name, "operator:a").then((card) => card as ScoreCard | null),
    );

  it("that kills the worker tells its owner, shows and delivers within its limits, and lets a bystander wait no longer", async () => {
    const card = await run("kill");
    expect(card).toMatchObject({ drill: "kill", isPassed: true, lostJobCount: 0, falseClaims: [] });
    expect(card?.recognisedAs).toContain("WORKER_EXITED");
    const { told, watchable, delivered, recovered } = card?.times ?? {};
    expect(watchable ?? 0).toBeGreaterThan(told ?? Number.POSITIVE_INFINITY);
    expect(delivered ?? 0).toBeGreaterThan(watchable ?? Number.POSITIVE_INFINITY);
    expect(recovered ?? 0).toBeGreaterThanOrEqual(delivered ?? Number.POSITIVE_INFINITY);
    expect(card?.aloneMs).toBeGreaterThan(0);
    expect(card?.times.bystander).toBeGreaterThan(0);
    const [kept] = (await world.ports.drills.list()).filter(({ name }) => name === "kill");
    expect(kept?.cards).toEqual([card]);
    expect(await world.rows("drill.began", "drill.ended")).toMatchObject([
      { actor: "operator:a", data: { drill: "kill" } },
      { actor: "operator:a", data: { drill: "kill", passed: true, lost_jobs: 0 } },
    ]);
  });

  it("that blinds the telemetry ends by itself, and nothing stays hidden", async () => {
    const card = await run("telemetry-lost");
    expect(card).toMatchObject({ drill: "telemetry-lost", lostJobCount: 0 });
    await world.clock.advance(minuteMs);
    expect((await world.ports.telemetry.measure()).atMs).toBeGreaterThan(0);
  });

  it("that fills the disk is over when the disk has room again", async () => {
    const card = await run("disk-full");
    expect(card).toMatchObject({ lostJobCount: 0, falseClaims: [] });
    expect(card?.times.recovered).toBeGreaterThanOrEqual(15 * secondMs);
    expect(card?.times.recovered).toBeLessThan(2 * minuteMs);
  });

  it("nobody knows is none", async () => {
    expect(await run("no-such-drill")).toBeNull();
  });

  it("needs workers that play faults where it plays one", async () => {
    await expect(run("hang")).rejects.toMatchObject({
      code: "DRILL_NOT_POSSIBLE",
      message: expect.stringContaining("play faults"),
    });
    const obstacles = (await world.ports.drills.list()).filter(({ obstacle }) => obstacle !== null);
    expect(obstacles.map(({ name }) => name)).not.toContain("kill");
  });

  it.each<[string, (service: ServiceWorld) => Promise<unknown>, RegExp]>([
    ["paused", (service) => service.ports.intake.pause({ isReleasing: false, waitMs: 0, by: "operator:a" }), /paused/],
    ["drained", (service) => service.ports.intake.drain("operator:a"), /drained/],
    [
      "not ready",
      async (service) => {
        service.workers.get(workerId)?.die({ code: null, signal: "SIGKILL" });
        await service.clock.advance(100);
      },
      /not ready/,
    ],
  ])("begins from a sound service only: not while it is %s", async (_, disturb, reason) => {
    await disturb(world);
    await expect(run("kill")).rejects.toMatchObject({
      code: "DRILL_NOT_POSSIBLE",
      message: expect.stringMatching(reason),
    });
    expect(await world.rows("drill.began")).toEqual([]);
  });

  it("begins only when the one before it has ended", async () => {
    const first = world.ports.drills.run("kill", "operator:a");
    await world.clock.settle();
    await expect(world.ports.drills.run("stop", "operator:a")).rejects.toMatchObject({
      message: expect.stringContaining("The drill kill is running"),
    });
    await settled(world, first);
  });

  it("waits out what recovery has to cool down from", async () => {
    await run("kill");
    const { cooldowns } = world.context();
    if (Math.max(0, ...Object.values(cooldowns)) > world.clock.nowMs())
      await expect(run("kill")).rejects.toMatchObject({ message: expect.stringContaining("cools down") });
    await world.clock.advance(10 * minuteMs);
    expect(await run("kill")).toMatchObject({ isPassed: true });
  });
});

describe("the list of drills", () => {
  it("names each once, and finds it by its name", () => {
    expect(new Set(drills.map(({ name }) => name)).size).toBe(drills.length);
    for (const drill of drills) expect(findDrill(drill.name)).toBe(drill);
    expect(findDrill("nobody")).toBeNull();
  });
});

describe("what a drill hides from the service", () => {
  let world: AppWorld;
  beforeEach(async () => {
    world = await createAppWorld();
  });
  afterEach(() => world.close());

  it("is the disk's free space, the telemetry, or nothing", async () => {
    const state = new DrillState();
    const { disk, probe } = behindDrills(world, state);
    state.begin("disk-full");
    state.hide("disk");
    expect(await disk.freeBytes()).toBe(0);
    expect((await probe.measure()).atMs).toBe(world.clock.nowMs());
    state.hide("telemetry");
    await expect(probe.measure()).rejects.toMatchObject({ code: "SYSTEM_RESOURCE" });
    state.show("disk");
    expect(await disk.freeBytes()).toBeGreaterThan(0);
    state.end();
    expect([state.running, (await probe.measure()).atMs]).toEqual([null, world.clock.nowMs()]);
  });
});
