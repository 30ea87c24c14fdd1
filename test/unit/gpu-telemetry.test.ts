import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GpuSample } from "../../src/core/ports/telemetry-probe.ts";
import { parseProcessStat } from "../../src/core/process-stat.ts";
import { gibibyte, mebibyte } from "../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { emptyDetails } from "../../src/gpu/empty-details.ts";
import { readCgroup } from "../../src/gpu/telemetry/cgroup.ts";
import { composeProbe } from "../../src/gpu/telemetry/compose-probe.ts";
import { createHostSampler } from "../../src/gpu/telemetry/host-sample.ts";
import { createSimulatedProbe } from "../harness/simulated-probe.ts";

let dir: string;
let clock: VirtualClock;
const children: ChildProcess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "understudy-test-"));
  clock = createVirtualClock();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

const ticksOf = (pid: number): number => parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8"))?.startTicks ?? -1;

function startHolder(): { readonly pid: number; end(): Promise<void> } {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  children.push(child);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return {
    pid: child.pid ?? 0,
    end: () => {
      child.kill("SIGKILL");
      return ended;
    },
  };
}

function writeDevice(pid: number, change: Record<string, unknown> = {}): void {
  const entry = {
    pid,
    startTicks: ticksOf(pid),
    uuid: "SIM-0",
    name: "Simulated 80 GiB",
    totalBytes: 80 * gibibyte,
    usedBytes: 10 * gibibyte,
    atMs: clock.nowMs(),
    utilizationRatio: 0.9,
    temperatureCelsius: 61,
  };
  writeFileSync(join(dir, `${pid}.json`), JSON.stringify({ ...entry, ...change }));
}

describe("the simulated card", () => {
  const measure = async (
    probe = createSimulatedProbe({ clock, deviceDir: dir, stateDir: dir }),
  ): Promise<readonly GpuSample[]> => (await probe.measure()).gpus;

  it("is measured as the sum of what living processes hold of it", async () => {
    const [first, second, third] = [startHolder(), startHolder(), startHolder()];
    writeDevice(first.pid);
    writeDevice(second.pid, {
      usedBytes: 5 * gibibyte,
      utilizationRatio: 0.2,
      temperatureCelsius: 70,
      throttleMask: 0x40,
    });
    writeDevice(third.pid, { uuid: "SIM-1", usedBytes: gibibyte });
    const gpus = await measure();
    expect(gpus).toHaveLength(2);
    expect(gpus).toContainEqual({
      uuid: "SIM-0",
      name: "Simulated 80 GiB",
      totalBytes: 80 * gibibyte,
      usedBytes: 15 * gibibyte,
      utilizationRatio: 0.9,
      temperatureCelsius: 70,
      details: { ...emptyDetails, throttleMask: 0x40 },
      unavailable: {},
    });
    expect(gpus).toContainEqual(expect.objectContaining({ uuid: "SIM-1", usedBytes: gibibyte }));
  });

  it("is free again when its process is killed, and stays in the sample with the reason for what is not measured", async () => {
    const holder = startHolder();
    writeDevice(holder.pid);
    const probe = createSimulatedProbe({ clock, deviceDir: dir, stateDir: dir });
    expect(await measure(probe)).toMatchObject([{ usedBytes: 10 * gibibyte }]);
    await holder.end();
    expect(await measure(probe)).toEqual([
      {
        uuid: "SIM-0",
        name: "Simulated 80 GiB",
        totalBytes: 80 * gibibyte,
        usedBytes: 0,
        utilizationRatio: null,
        temperatureCelsius: null,
        details: emptyDetails,
        unavailable: { utilizationRatio: "no process holds the card", temperatureCelsius: "no process holds the card" },
      },
    ]);
  });

  it("is rid of the entries of processes that have ended, and keeps those of the living", async () => {
    const [dead, living] = [startHolder(), startHolder()];
    writeDevice(dead.pid);
    writeDevice(living.pid);
    await dead.end();
    await measure();
    expect(readdirSync(dir)).toEqual([`${living.pid}.json`]);
  });

  it("keeps the file of a process that ended as long as its memory is not back", async () => {
    const holder = startHolder();
    writeDevice(holder.pid);
    const probe = createSimulatedProbe({ clock, deviceDir: dir, stateDir: dir, lateReleaseMs: 3_000 });
    await holder.end();
    await measure(probe);
    expect(readdirSync(dir)).toHaveLength(1);
    await clock.advance(3_000);
    await measure(probe);
    expect(readdirSync(dir)).toEqual([]);
  });

  it("does not count an entry whose pid another process has now", async () => {
    const holder = startHolder();
    writeDevice(holder.pid, { startTicks: ticksOf(holder.pid) - 1 });
    expect(await measure()).toMatchObject([{ usedBytes: 0 }]);
  });

  it("gives memory back late where the driver does", async () => {
    const holder = startHolder();
    writeDevice(holder.pid);
    const probe = createSimulatedProbe({ clock, deviceDir: dir, stateDir: dir, lateReleaseMs: 3_000 });
    await holder.end();
    expect(await measure(probe)).toMatchObject([{ usedBytes: 10 * gibibyte }]);
    await clock.advance(2_999);
    expect(await measure(probe)).toMatchObject([{ usedBytes: 10 * gibibyte }]);
    await clock.advance(1);
    expect(await measure(probe)).toMatchObject([{ usedBytes: 0 }]);
  });

  it("keeps counting the memory of a process that has stopped writing, but not its load", async () => {
    const holder = startHolder();
    writeDevice(holder.pid);
    await clock.advance(10_001);
    expect(await measure()).toMatchObject([
      {
        usedBytes: 10 * gibibyte,
        utilizationRatio: null,
        unavailable: { utilizationRatio: expect.stringContaining("10 s") },
      },
    ]);
  });

  it("is not there before a process has written, and that is no error", async () => {
    const probe = createSimulatedProbe({ clock, deviceDir: join(dir, "later"), stateDir: dir });
    expect(await probe.measure()).toMatchObject({ gpuKind: "simulated", gpus: [], atMs: clock.nowMs() });
  });

  it.each([
    ["no JSON", "{"],
    ["another shape", "{}"],
  ])("cannot be measured from %s", async (_what, text) => {
    writeFileSync(join(dir, "1.json"), text);
    await expect(measure()).rejects.toMatchObject({
      code: "SYSTEM_RESOURCE",
      message: expect.stringContaining("1.json"),
    });
  });
});

describe("the host", () => {
  it("is measured without a card too", async () => {
    const probe = composeProbe({ clock, stateDir: dir });
    const { gpuKind, gpus, host } = await probe.measure();
    await probe.stop();
    expect([gpuKind, gpus]).toEqual(["absent", []]);
    expect(host.memoryTotalBytes).toBeGreaterThan(100 * mebibyte);
    expect(host.memoryUsedBytes).toBeGreaterThan(0);
    expect(host.memoryRatio).toBeCloseTo(host.memoryUsedBytes / host.memoryTotalBytes);
    expect(host.cpuRatio).toBeGreaterThanOrEqual(0);
    expect(host.cpuRatio).toBeLessThanOrEqual(1);
    expect(host.diskFreeBytes).toBeGreaterThan(0);
  });

  it("that cannot be measured rejects instead of looking healthy", async () => {
    const sample = createHostSampler({ clock, stateDir: join(dir, "gone") });
    await expect(sample()).rejects.toMatchObject({ code: "SYSTEM_RESOURCE", cause: { code: "ENOENT" } });
  });
});

describe("inside a control group", () => {
  const write = (path: string, text: string | number): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), `${text}\n`);
  };
  const roots = (): { proc: string; cgroup: string } => ({ proc: join(dir, "proc"), cgroup: join(dir, "cgroup") });
  const unlimitedV1 = "9223372036854771712";

  function writeV2(): void {
    write("proc/self/cgroup", "0::/machine/service");
    write("cgroup/machine/service/memory.max", "max");
    write("cgroup/machine/service/memory.current", 2 * gibibyte);
    write("cgroup/machine/memory.max", 4 * gibibyte);
    write("cgroup/machine/memory.current", 3 * gibibyte);
    write("cgroup/machine/memory.stat", `anon 1\ninactive_file ${gibibyte}`);
    write("cgroup/machine/cpu.max", "150000 100000");
    write("cgroup/machine/cpu.stat", "usage_usec 5000000\nuser_usec 1");
  }

  it("reads the tightest limit of version 2 on the way up, without cache that can be given back", async () => {
    writeV2();
    expect(await readCgroup(64 * gibibyte, roots())).toEqual({
      memory: { limitBytes: 4 * gibibyte, usedBytes: 2 * gibibyte },
      cpu: { coreCount: 1.5, usedMicroseconds: 5_000_000 },
    });
  });

  it("reads version 1", async () => {
    write("proc/self/cgroup", "4:memory:/box\n2:cpu,cpuacct:/box\n1:name=systemd:/\n0::/");
    write("cgroup/memory/box/memory.limit_in_bytes", gibibyte);
    write("cgroup/memory/box/memory.usage_in_bytes", gibibyte / 2);
    write("cgroup/memory/box/memory.stat", `total_inactive_file ${gibibyte / 4}`);
    write("cgroup/cpu/box/cpu.cfs_quota_us", 200_000);
    write("cgroup/cpu/box/cpu.cfs_period_us", 100_000);
    write("cgroup/cpuacct/box/cpuacct.usage", 7_000_000);
    expect(await readCgroup(64 * gibibyte, roots())).toEqual({
      memory: { limitBytes: gibibyte, usedBytes: gibibyte / 4 },
      cpu: { coreCount: 2, usedMicroseconds: 7_000 },
    });
  });

  it.each([
    ["version 2 without a limit", () => writeV2(), 4 * gibibyte],
    [
      "version 1's word for no limit",
      () => {
        write("proc/self/cgroup", "4:memory:/\n2:cpu,cpuacct:/");
        write("cgroup/memory/memory.limit_in_bytes", unlimitedV1);
        write("cgroup/memory/memory.usage_in_bytes", gibibyte);
        write("cgroup/cpu/cpu.cfs_quota_us", -1);
        write("cgroup/cpu/cpu.cfs_period_us", 100_000);
      },
      64 * gibibyte,
    ],
    ["no control groups at all", () => undefined, 64 * gibibyte],
  ])("takes %s at or above the host's memory for none", async (_what, prepare, totalBytes) => {
    prepare();
    expect((await readCgroup(totalBytes, roots())).memory).toBeNull();
  });

  it("measures memory and processor against the group's limits", async () => {
    writeV2();
    const sample = createHostSampler({ clock, stateDir: dir, cgroupRoots: roots() });
    const first = await sample();
    expect(first).toMatchObject({ memoryTotalBytes: 4 * gibibyte, memoryUsedBytes: 2 * gibibyte, memoryRatio: 0.5 });
    await clock.advance(2_000);
    write("cgroup/machine/cpu.stat", "usage_usec 7250000");
    expect((await sample()).cpuRatio).toBeCloseTo(2.25 / (2 * 1.5));
  });
});
