import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createDiskWatch } from "../../../src/app/health/disk-watch.ts";
import { gpuExpectationOf } from "../../../src/app/health/gpu-expectation.ts";
import { healthActors } from "../../../src/app/health/health-actors.ts";
import { createHostMemory, machineOf } from "../../../src/app/health/host-memory.ts";
import { createSampleHistory } from "../../../src/app/health/sample-history.ts";
import { createTelemetryReader } from "../../../src/app/health/telemetry-reader.ts";
import type { Sample, TelemetryProbe } from "../../../src/core/ports/telemetry-probe.ts";
import { gibibyte, hourMs, minuteMs, secondMs } from "../../../src/core/units.ts";
import { type AppWorld, configOf, createAppWorld, settled, workerId } from "../app-world.ts";
import { listenTo } from "../listen-to.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld();
});
afterEach(() => world.close());

describe("the disk", () => {
  it("is not short before anybody has looked, and then by the last look", async () => {
    const watch = createDiskWatch(world.disk, 2 * gibibyte);
    expect(watch.isShort()).toBe(false);
    world.troubles.begin("disk", minuteMs);
    expect(watch.isShort()).toBe(false);
    await watch.look();
    expect([watch.isShort(), watch.freeBytes()]).toEqual([true, gibibyte]);
    await world.clock.advance(2 * minuteMs);
    await watch.look();
    expect(watch.isShort()).toBe(false);
  });
});

describe("which cards are expected", () => {
  it.each([
    ["always", "workers: [{ id: a, kind: simulator }]"],
    ["always", "workers: [{ id: a, kind: diffusers, device: cuda }, { id: b, kind: diffusers, device: cpu }]"],
    ["never", "workers: [{ id: a, kind: diffusers, device: cpu }]"],
    ["asFound", "workers: [{ id: a, kind: diffusers, device: auto }, { id: b, kind: diffusers, device: cpu }]"],
  ])("%s for %s", (expected, text) => {
    expect(gpuExpectationOf(configOf({}, `${text}\n`))).toBe(expected);
  });
});

describe("the machine as a worker sees it", () => {
  it("a simulated worker's weights take nothing of the host", async () => {
    await world.connect();
    const { identity } = world.links.connected(workerId);
    expect(machineOf(identity, gibibyte)).toMatchObject({
      device: { kind: "card" },
      hostBytes: Number.POSITIVE_INFINITY,
    });
  });

  it("a worker on the processor has the host's memory and no card", async () => {
    await world.connect();
    const { identity } = world.links.connected(workerId);
    const device = { uuid: "CPU-0", name: "the processor", totalBytes: 64 * gibibyte };
    expect(machineOf({ ...identity, isSimulated: false, device }, 64 * gibibyte)).toEqual({
      device: { kind: "processor", uuid: "CPU-0" },
      hostBytes: 64 * gibibyte,
    });
  });

  it("the host's memory is that of the last measurement, also when the next one fails", async () => {
    let isLost = false;
    const measure: TelemetryProbe["measure"] = () =>
      isLost ? Promise.reject(new Error("nothing")) : world.probe.measure();
    const memory = createHostMemory({ ...world.probe, measure });
    expect(memory.known()).toBeNull();
    expect([await memory.measure(), await memory.measureFree()]).toEqual([4 * gibibyte, 3 * gibibyte]);
    isLost = true;
    expect([await memory.measure(), memory.known(), await memory.measureFree()]).toEqual([
      4 * gibibyte,
      4 * gibibyte,
      null,
    ]);
  });
});

describe("the history of samples", () => {
  const sampleAt = async (atMs: number): Promise<Sample> => ({ ...(await world.probe.measure()), atMs });

  it("keeps all of the last ten minutes, and one a minute of the day before", async () => {
    const board = createSampleHistory();
    const everyMs = 10 * secondMs;
    for (let atMs = 0; atMs <= hourMs; atMs += everyMs) board.note(await sampleAt(atMs));
    const kept = board.since(0).map(({ atMs }) => atMs);
    const recent = kept.filter((atMs) => atMs >= hourMs - 10 * minuteMs);
    expect(recent).toHaveLength(61);
    expect(kept.length - recent.length).toBe(50);
    expect(kept).toEqual(kept.toSorted((a, b) => a - b));
    expect(board.latest()?.atMs).toBe(hourMs);
  });

  it("forgets what is older than a day", async () => {
    const board = createSampleHistory();
    for (let atMs = 0; atMs <= 30 * hourMs; atMs += minuteMs) board.note(await sampleAt(atMs));
    expect(board.since(0)[0]?.atMs).toBeGreaterThan(5 * hourMs);
  });

  it("tells those who listen, until they leave", async () => {
    const board = createSampleHistory();
    const heard: number[] = [];
    const leave = board.onSample(({ atMs }) => heard.push(atMs));
    board.note(await sampleAt(1));
    leave();
    board.note(await sampleAt(2));
    expect(heard).toEqual([1]);
  });
});

describe("taking samples", () => {
  function take(probe: Pick<TelemetryProbe, "measure">, everyMs: number) {
    const samples = createSampleHistory();
    const counted: (Sample | null)[] = [];
    const metrics = { sample: (sample: Sample | null) => void counted.push(sample) };
    const { takeSamples } = healthActors({ clock: world.clock, probe, samples, metrics });
    return { told: listenTo(takeSamples, { everyMs }), samples, counted };
  }

  it("a slow measurement delays the next and never overlaps it", async () => {
    let inHand = 0;
    let most = 0;
    const measure = async (): Promise<Sample> => {
      inHand += 1;
      most = Math.max(most, inHand);
      await world.clock.sleep(12 * secondMs);
      inHand -= 1;
      return world.probe.measure();
    };
    const { told } = take({ measure }, 5 * secondMs);
    await world.clock.advance(minuteMs);
    expect([most, told.ofType("sample.taken").length]).toEqual([1, 3]);
    told.stop();
  });

  it("what cannot be measured is told as that, and the next try comes", async () => {
    world.troubles.begin("probe", 12 * secondMs);
    const { told, counted, samples } = take(world.troubles.wrap(world.probe, "probe"), 5 * secondMs);
    await world.clock.advance(16 * secondMs);
    expect(told.types()).toEqual(["sample.failed", "sample.failed", "sample.failed", "sample.taken"]);
    expect([counted.slice(0, 3), samples.since(0).length]).toEqual([[null, null, null], 1]);
    told.stop();
  });

  it("that was in hand when the monitor ended is the last one", async () => {
    let count = 0;
    const measure = async (): Promise<Sample> => {
      count += 1;
      await world.clock.sleep(2 * secondMs);
      throw new Error("nothing could be measured");
    };
    const { told } = take({ measure }, 5 * secondMs);
    await world.clock.advance(secondMs);
    told.stop();
    await world.clock.advance(minuteMs);
    expect([count, told.types()]).toEqual([1, []]);
  });

  it("ends with its monitor", async () => {
    const { told } = take(world.probe, 5 * secondMs);
    await world.clock.advance(secondMs);
    told.stop();
    await world.clock.advance(minuteMs);
    expect(told.types()).toEqual(["sample.taken"]);
  });
});

describe("whoever asks for a measurement", () => {
  it("gets the monitor's newest while it is fresh, and one made now when it is not", async () => {
    const samples = createSampleHistory();
    const reader = createTelemetryReader({ ...world, samples });
    const first = await settled(world, reader.measure());
    expect(first.atMs).toBe(world.clock.nowMs());
    samples.note(first);
    await world.clock.advance(2 * world.config.health.sampleEveryMs);
    expect(await reader.measure()).toBe(first);
    await world.clock.advance(1);
    expect((await reader.measure()).atMs).toBe(world.clock.nowMs());
  });
});
