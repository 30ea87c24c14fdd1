import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GpuSample } from "../../src/core/ports/telemetry-probe.ts";
import { mebibyte } from "../../src/core/units.ts";
import type { CardReader, CardReading } from "../../src/gpu/telemetry/card-readers.ts";
import { composeProbe } from "../../src/gpu/telemetry/compose-probe.ts";
import type { GpuProbeClient } from "../../src/gpu/telemetry/gpu-probe-client.ts";
import { createGpuBench, type GpuBench } from "../fixtures/gpu-bench.ts";
import { findProcesses } from "../harness/processes.ts";
import { clock, isAlive, until } from "../harness/running-service.ts";

const first = "GPU-11111111-aaaa-4bbb-8ccc-000000000001";
const second = "GPU-11111111-aaaa-4bbb-8ccc-000000000002";

let bench: GpuBench;
beforeEach(() => {
  bench = createGpuBench();
});
afterEach(() => bench.end());

const playing = (transcript: string): CardReader => {
  bench.play(transcript);
  return bench.cards();
};
const startClient = (): GpuProbeClient => {
  bench.play("normal");
  return bench.client();
};
const reach = (cards: CardReader, what: string, isReached: (reading: CardReading) => boolean): Promise<CardReading> =>
  until(what, async () => {
    const reading = await cards.read({});
    return isReached(reading) ? reading : null;
  });
const inState =
  (state: string) =>
  ({ gpuStatus }: CardReading): boolean =>
    gpuStatus?.state === state;
const onlyCard = (reading: CardReading): GpuSample => {
  expect(reading.gpus).toHaveLength(1);
  return reading.gpus[0] as GpuSample;
};

describe("cards of NVIDIA", () => {
  it("are measured by one resident loop, with every figure in this program's units", async () => {
    const reading = await playing("normal").read({});
    expect(reading).toMatchObject({
      gpuKind: "nvidia",
      gpuStatus: { state: "measured", reason: null, evidence: { throttleMask: 5 } },
    });
    expect(reading.gpus).toMatchObject([
      {
        uuid: first,
        name: "NVIDIA H100 80GB HBM3",
        totalBytes: 81_559 * mebibyte,
        // The driver's own part is not free either.
        usedBytes: (20_480 + 571) * mebibyte,
        utilizationRatio: 0.97,
        temperatureCelsius: 61,
        unavailable: {},
        details: {
          busId: "0000:65:00",
          driverVersion: "570.86.15",
          thermalMarginCelsius: 26,
          throttleMask: 4,
          powerWatts: 512.34,
          uncorrectedEccCount: 0,
          isRemapPending: false,
          hasRemapFailed: false,
          recoveryAction: "None",
          isMigEnabled: false,
          isComputeExclusive: false,
          holders: null,
        },
      },
      { uuid: second, usedBytes: 575 * mebibyte, utilizationRatio: 0, details: { busId: "0000:b3:00" } },
    ]);
  });

  it("are sampled without starting a process each time", async () => {
    const client = startClient();
    let measuredAtMs = (await client.read()).measuredAtMs ?? 0;
    for (let sample = 0; sample < 10; sample += 1) {
      const before = measuredAtMs;
      measuredAtMs = await until("a newer sample", async () => {
        const known = await client.read();
        return (known.measuredAtMs ?? 0) > before ? known.measuredAtMs : null;
      });
    }
    expect(bench.calls()).toEqual(["query once", "query 100"]);
  });

  it("are measured at once when evidence is needed, and then with who holds them", async () => {
    const cards = bench.cards({ everyMs: 20_000, answerWithinMs: 10_000 });
    bench.play("normal");
    await cards.read({});
    await until("the loop runs", () => bench.calls().includes("query 20000"));
    bench.play("throttling");
    const { gpus } = await cards.read({ maxAgeMs: 0 });
    expect(gpus[0]).toMatchObject({
      temperatureCelsius: 88,
      details: { throttleMask: 0x60, thermalMarginCelsius: -1 },
    });
    bench.play("normal");
    expect((await cards.read({ maxAgeMs: 0 })).gpus[0]?.details?.throttleMask).toBe(4);
    expect(bench.calls().filter((call) => call === "apps once")).toHaveLength(1);
  });

  it("have null with the reason for what is not available", async () => {
    const card = onlyCard(await playing("not-available").read({}));
    expect(card).toMatchObject({
      totalBytes: 24_564 * mebibyte,
      utilizationRatio: null,
      unavailable: {
        utilizationRatio: 'nvidia-smi says "[Unknown Error]"',
        uncorrectedEccCount: 'nvidia-smi says "[N/A]"',
        hasRemapFailed: 'nvidia-smi says "[Not Supported]"',
        powerWatts: 'nvidia-smi says "ERR!"',
      },
      details: {
        uncorrectedEccCount: null,
        hasRemapFailed: null,
        powerWatts: null,
        isMigEnabled: null,
        sharesHostMemory: false,
      },
    });
  });

  it("are asked of an old driver by the names that it knows", async () => {
    const card = onlyCard(await playing("old-driver").read({}));
    expect(card).toMatchObject({
      name: "Tesla V100-SXM2, 32GB",
      unavailable: {
        recoveryAction: "this driver does not know the field",
        thermalMarginCelsius: "this driver does not know the field",
      },
      details: { throttleMask: 4, recoveryAction: null },
    });
  });

  it("in MIG mode are listed with their slices, of which nothing is claimed", async () => {
    const { gpus } = await playing("mig").read({});
    expect(gpus.map(({ uuid }) => uuid.slice(0, 4))).toEqual(["GPU-", "MIG-", "MIG-"]);
    expect(gpus[0]).toMatchObject({ utilizationRatio: null, details: { isMigEnabled: true, sharesHostMemory: false } });
    expect(gpus[1]).toMatchObject({
      name: "MIG 3g.40gb",
      totalBytes: null,
      usedBytes: null,
      unavailable: { totalBytes: "nvidia-smi has no figures of a MIG slice" },
      details: { parentUuid: first },
    });
  });

  it("without memory of their own have no total, and say so", async () => {
    const card = onlyCard(await playing("unified-memory").read({}));
    expect(card).toMatchObject({
      name: "NVIDIA GB10",
      totalBytes: null,
      usedBytes: null,
      utilizationRatio: 0.12,
      unavailable: { totalBytes: 'nvidia-smi says "[N/A]"' },
      details: { sharesHostMemory: true, busId: "000f:01:00" },
    });
  });

  it("that need a reset carry the driver's own verdict as evidence", async () => {
    const { gpus, gpuStatus } = await playing("reset-wanted").read({});
    expect(gpuStatus).toMatchObject({ state: "measured", evidence: { recoveryAction: "GPU Reset" } });
    expect(gpus[0]?.details).toMatchObject({ uncorrectedEccCount: 3, isRemapPending: true, hasRemapFailed: true });
  });
});

describe("cards that fail under the running loop", () => {
  const startedWith = async (transcript: string): Promise<CardReader> => {
    const cards = playing("normal");
    await until(
      "the loop runs",
      async () => (await cards.read({})).gpus.length === 2 && bench.calls().includes("query 100"),
    );
    bench.play(transcript);
    return cards;
  };

  it("are lost with the tool's own words, and come back when it lists them again", async () => {
    const cards = await startedWith("lost");
    const reading = await reach(cards, "the loss is seen", inState("failed"));
    expect(reading.gpus).toEqual([]);
    expect(reading.gpuStatus).toMatchObject({
      reason: expect.stringMatching(
        /ended with 15: Unable to determine the device handle .* GPU is lost.*last measured \d+ s ago/,
      ),
      evidence: { smiExitCode: 15, nvmlCode: 15 },
    });
    bench.play("normal");
    expect((await reach(cards, "the cards are back", inState("measured"))).gpus).toHaveLength(2);
  });

  it.each(["one-lost", "one-card-left"])("leave the other cards measured: %s", async (transcript) => {
    const reading = await reach(await startedWith(transcript), "the loss is seen", inState("failed"));
    expect(reading.gpus.map(({ uuid }) => uuid)).toEqual([first]);
    expect(reading.gpuStatus?.evidence).toMatchObject({ missingDeviceCount: 1 });
  });

  it("are unknown while the tool hangs, never healthy, and measured again when it answers", async () => {
    const cards = await startedWith("hang");
    // Before the hang is told the last word grows old, which is unknown too.
    const isTold = ({ gpuStatus }: CardReading): boolean =>
      gpuStatus?.reason?.startsWith("nvidia-smi did not answer") === true;
    const reading = await reach(cards, "the hang is seen", isTold);
    expect(reading).toMatchObject({ gpus: [], gpuStatus: { state: "unknown" } });
    expect(reading.gpuStatus?.reason).toMatch(/nvidia-smi did not answer within \d+ ms; last measured \d+ s ago/);
    await until("the tool is tried again", () => bench.calls().length > 3);
    expect(inState("unknown")(await cards.read({}))).toBe(true);
    // Never more than one that hangs.
    expect(findProcesses(`${bench.dir}/nvidia-smi`).length).toBeLessThanOrEqual(1);
    bench.play("normal");
    await reach(cards, "the cards are back", inState("measured"));
  });

  it("are unknown when the tool vanishes, because it was there", async () => {
    const reading = await reach(
      await startedWith("vanish"),
      "it is noticed",
      ({ gpuStatus }) => gpuStatus?.reason?.includes("no longer there") === true,
    );
    expect(reading).toMatchObject({ gpuKind: "nvidia", gpus: [], gpuStatus: { state: "unknown" } });
  });

  it("are unknown while gpu-probe itself is stopped, and measured again after it was killed", async () => {
    const client = startClient();
    await client.read();
    const pid = client.pid ?? 0;
    process.kill(pid, "SIGKILL");
    const known = await until("another child answers", async () => {
      const now = await client.read();
      return client.pid !== null && client.pid !== pid && now.word.kind === "cards" && now;
    });
    expect(known.word).toMatchObject({ kind: "cards" });
    expect(isAlive(pid)).toBe(false);
  });
});

describe("a machine whose tool or driver does not work", () => {
  it.each([
    ["driver-mismatch", "failed", { smiExitCode: 18, nvmlCode: 18 }, "Driver/library version mismatch"],
    ["driver-not-loaded", "failed", { smiExitCode: 9, nvmlCode: 9 }, "couldn't communicate"],
    ["library-missing", "failed", { smiExitCode: 12, nvmlCode: 12 }, "libnvidia-ml"],
    ["lost-by-code", "failed", { smiExitCode: 15 }, "ended with 15"],
    ["no-permission", "unknown", {}, "Insufficient Permissions"],
    ["unknown-error", "unknown", {}, "Unknown Error"],
    ["hang", "unknown", {}, "did not answer within"],
  ])("%s → %s", async (transcript, state, evidence, text) => {
    const { gpus, gpuStatus } = await playing(transcript).read({});
    expect(gpus).toEqual([]);
    expect(gpuStatus).toEqual({ state, reason: `${gpuStatus?.reason}`, measuredAtMs: null, evidence });
    expect(gpuStatus?.reason).toContain(text);
    expect(gpuStatus?.reason).toContain("never measured");
  });

  it("calls the tool each time where its loop says nothing", async () => {
    const cards = playing("mute-loop");
    await until("calls take the loop's place", async () => {
      await cards.read({});
      return bench.calls().filter((call) => call === "query once").length > 5;
    });
    expect(bench.calls().filter((call) => call === "query 100")).toHaveLength(2);
    expect(await reach(cards, "the cards are measured", inState("measured"))).toMatchObject({
      gpus: [{ uuid: first }, { uuid: second }],
    });
  });
});

describe("a machine without a card", () => {
  it.each([
    ["no tool", { nvidiaSmi: "/nonexistent/nvidia-smi" }, "cannot be started: ENOENT"],
    ["no devices", {}, "No devices were found"],
    ["nothing to look for", { nvidiaSmi: null }, ""],
  ])("is a legal state, for which no child stays: %s", async (_what, change, text) => {
    bench.play("no-devices");
    const client = bench.client(change);
    const known = await client.read();
    expect(known.word).toEqual({ kind: "absent", reason: expect.stringContaining(text) });
    await until("the child has ended", () => client.pid === null);
    expect(bench.registry.list()).toEqual([]);
  });

  it("is looked at again later", async () => {
    bench.play("no-devices");
    const cards = bench.cards({}, 200);
    expect(await cards.read({})).toMatchObject({ gpuKind: "absent", gpuStatus: { state: "absent" } });
    bench.play("normal");
    await reach(cards, "a card was plugged in", inState("measured"));
  });
});

describe("the telemetry child", () => {
  it("ends with its standard input and takes the tool with it, but not on Ctrl-C", async () => {
    const client = startClient();
    await client.read();
    await until("the loop runs", () => findProcesses(`${bench.dir}/nvidia-smi`).length > 0);
    const pid = client.pid ?? 0;
    process.kill(pid, "SIGINT");
    const { measuredAtMs } = await client.read();
    await until("it goes on", async () => ((await client.read()).measuredAtMs ?? 0) > (measuredAtMs ?? 0));
    expect(client.pid).toBe(pid);
    await client.stop();
    expect(isAlive(pid)).toBe(false);
    await until("the tool has ended", () => findProcesses(`${bench.dir}/nvidia-smi`).length === 0);
  });

  it("is killed with its tool by the process registry", async () => {
    const client = startClient();
    await client.read();
    await until("the loop runs", () => findProcesses(`${bench.dir}/nvidia-smi`).length > 0);
    const pid = client.pid ?? 0;
    bench.registry.killAll();
    await until("both have ended", () => !isAlive(pid) && findProcesses(`${bench.dir}/nvidia-smi -`).length === 0);
  });

  it("passes on what the kernel's log says about cards and killed processes", async () => {
    const uptimeSeconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    const record = (secondsAgo: number, text: string): string =>
      `4,1,${Math.round((uptimeSeconds - secondsAgo) * 1e6)},-;${text}\n`;
    const xid = "NVRM: Xid (PCI:0000:65:00): 79, pid=4242, GPU has fallen off the bus.";
    writeFileSync(
      bench.kernelLog,
      record(3_600, "NVRM: Xid (PCI:0000:65:00): 31, old") + record(2, xid) + record(1, "usb 1-1: new device"),
    );
    const client = startClient();
    await until("the line has come", async () => {
      await client.read();
      return client.kernelLines(0).length > 0;
    });
    expect(client.kernelLines(0)).toEqual([xid]);
    writeFileSync(bench.kernelLog, record(0, "Memory cgroup out of memory: Killed process 4242 (python)"), {
      flag: "a",
    });
    await client.read(0);
    await until("the new line has come", () => client.kernelLines(0).length === 2);
    rmSync(bench.kernelLog);
  });

  it("tells of a worker's end what its own card and the kernel say, at the moment of the question", async () => {
    writeFileSync(bench.kernelLog, "");
    bench.play("normal");
    const probe = composeProbe({ clock, stateDir: bench.dir }, [bench.cards({ everyMs: 20_000 })]);
    await probe.measure();
    const trail = await probe.followProcess?.(process.pid, first);
    await until("the loop runs", () => bench.calls().includes("query 20000"));
    const uptimeSeconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    const xid = (busId: string): string => `NVRM: Xid (PCI:${busId}): 94, pid=4242, Contained memory error`;
    const records = ["0000:65:00", "0000:B3:00"].map(
      (busId) => `4,1,${Math.round(uptimeSeconds * 1e6)},-;${xid(busId)}\n`,
    );
    writeFileSync(bench.kernelLog, records.join(""));
    bench.play("reset-wanted");
    const evidence = await trail?.evidence();
    expect(evidence).toMatchObject({ kernelLog: xid("0000:65:00"), gpu: { recoveryAction: "GPU Reset" } });
    const other = await (await probe.followProcess?.(process.pid, second))?.evidence();
    expect(other).toMatchObject({ kernelLog: xid("0000:B3:00"), gpu: { throttleMask: 1 } });
    expect(other?.gpu).not.toHaveProperty("recoveryAction");
  });
});
