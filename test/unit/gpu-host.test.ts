import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gibibyte } from "../../src/core/units.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { composeProbe } from "../../src/gpu/telemetry/compose-probe.ts";
import { readHostDetails } from "../../src/gpu/telemetry/host-details.ts";
import { classify } from "../../src/recovery/classify.ts";
import { type Tree, writeTree } from "../fixtures/gpu-trees.ts";

let dir: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "understudy-test-"));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

const roots = () => ({ proc: join(dir, "proc"), cgroup: join(dir, "cgroup") });
const write = (tree: Tree): void => writeTree(dir, tree);
const details = () => readHostDetails(statfsSync(dir), 64 * gibibyte, roots());
const pressure = "some avg10=12.50 avg60=3.00 avg300=1.00 total=123\nfull avg10=2.25 avg60=0.00 avg300=0.00 total=45";

describe("the host's details", () => {
  it("are read from control groups of version 2, pressure and the file system", async () => {
    write({
      "proc/self/cgroup": "0::/box",
      "cgroup/box/memory.max": 4 * gibibyte,
      "cgroup/box/memory.current": gibibyte,
      "cgroup/box/memory.events": "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2",
      "proc/pressure/memory": pressure,
      "proc/pressure/cpu": "some avg10=80.00 avg60=3.00 avg300=1.00 total=123",
      "proc/pressure/io": pressure,
    });
    const read = await details();
    expect(read).toMatchObject({
      cgroup: { version: 2, memoryLimitBytes: 4 * gibibyte, oomKillCount: 2 },
      pressure: { memory: { someRatio: 0.125, fullRatio: 0.0225 }, cpu: { someRatio: 0.8, fullRatio: 0 } },
    });
    expect(read.diskTotalBytes).toBeGreaterThan(0);
  });

  it("are read from control groups of version 1, also where version 2 is mounted beside it", async () => {
    write({
      "proc/self/cgroup": "4:memory:/box\n0::/",
      "cgroup/memory/box/memory.limit_in_bytes": gibibyte,
      "cgroup/memory/box/memory.usage_in_bytes": gibibyte / 2,
      "cgroup/memory/box/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 5",
    });
    expect((await details()).cgroup).toEqual({ version: 1, memoryLimitBytes: gibibyte, oomKillCount: 5 });
  });

  it("take the mount's root for the group where the path is the host's, as in a container", async () => {
    write({ "proc/self/cgroup": "4:memory:/docker/abc", "cgroup/memory/memory.oom_control": "oom_kill 1" });
    expect((await details()).cgroup).toEqual({ version: 1, memoryLimitBytes: null, oomKillCount: 1 });
  });

  it("say what this kernel does not tell", async () => {
    expect(await details()).toMatchObject({
      cgroup: null,
      pressure: { memory: null, cpu: null, io: null },
      unavailable: {
        cgroup: "no control group accounts this process's memory",
        "pressure.memory": "this kernel does not account pressure",
      },
    });
    write({ "proc/self/cgroup": "4:memory:/", "cgroup/memory/memory.oom_control": "oom_kill_disable 0" });
    expect(await details()).toMatchObject({
      cgroup: { oomKillCount: null },
      unavailable: { "cgroup.oomKillCount": "the control group does not count kills" },
    });
  });

  it("of this very machine come with every sample", async () => {
    const { host } = await composeProbe({ clock: createVirtualClock(), stateDir: dir }).measure();
    expect(host.details?.diskTotalBytes).toBeGreaterThanOrEqual(host.diskFreeBytes);
    const { inodes, unavailable } = host.details ?? {};
    expect(inodes == null ? unavailable?.["inodes"] : inodes.freeCount <= inodes.totalCount).toBeTruthy();
  });
});

describe("the follower of a process", () => {
  const probe = () => composeProbe({ clock: createVirtualClock(), stateDir: dir, cgroupRoots: roots() });
  const inGroup = (pid: number, kills: number): void =>
    write({
      [`proc/${pid}/cgroup`]: "0::/worker",
      "cgroup/worker/memory.max": 4 * gibibyte,
      "cgroup/worker/memory.current": 3 * gibibyte,
      "cgroup/worker/memory.events": `oom_kill ${kills}`,
    });

  it("proves a kill for want of memory by its group's counter, also after the process has gone", async () => {
    inGroup(4_242, 3);
    const watched = probe();
    const follower = await watched.followProcess?.(4_242);
    await watched.measure();
    rmSync(join(dir, "proc/4242"), { recursive: true });
    write({ "cgroup/worker/memory.events": "oom_kill 4" });
    const evidence = await follower?.evidence();
    expect(evidence).toEqual({ oomKillCount: 1, hostMemoryUseRatio: 0.75 });
    expect(classify({ exitSignal: "SIGKILL", isOwnSignal: false, ...evidence })).toMatchObject({
      code: "HOST_OUT_OF_MEMORY",
    });
  });

  it("says that the counter did not rise, which is evidence too", async () => {
    inGroup(4_242, 3);
    const follower = await probe().followProcess?.(4_242);
    expect(await follower?.evidence()).toEqual({ oomKillCount: 0 });
  });

  it("claims nothing where no group accounts the process", async () => {
    const follower = await probe().followProcess?.(4_242);
    expect(await follower?.evidence()).toEqual({});
  });

  it("finds the group of a real process of this machine", async () => {
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    children.push(child);
    const follower = await composeProbe({ clock: createVirtualClock(), stateDir: dir }).followProcess?.(child.pid ?? 0);
    expect((await follower?.evidence())?.oomKillCount ?? 0).toBe(0);
  });
});
