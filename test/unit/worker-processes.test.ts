import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ProcessRef, WorkerClient } from "../../src/core/ports/worker.ts";
import { parseProcessStat } from "../../src/core/process-stat.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { createProcessTable, sendToGroup } from "../../src/workers/process-table.ts";
import { simulatorCommand } from "../../src/workers/simulator-command.ts";
import { stopWorker } from "../../src/workers/stop-ladder.ts";
import { createLogRotation, openLog } from "../../src/workers/worker-log.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "understudy-test-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const ticksAt = "S 1 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3";

describe("/proc/<pid>/stat", () => {
  it.each([
    ["a plain name", `4242 (node) ${ticksAt}`],
    ["a name with spaces and parentheses", `4242 (a) Z 1 (b) ${ticksAt}\n`],
  ])("is read with %s", (_what, text) => {
    expect(parseProcessStat(text)).toEqual({ state: "S", groupId: 4242, startTicks: 987_654 });
  });

  it.each([
    ["nothing", ""],
    ["no name", "4242 node S"],
    ["a short text", "4242 (node) S 1"],
  ])("is null for %s", (_what, text) => {
    expect(parseProcessStat(text)).toBeNull();
  });
});

describe("the process table", () => {
  it("knows this process by its start time and boot", () => {
    const table = createProcessTable();
    const startTicks = table.stat(process.pid)?.startTicks ?? null;
    const bootId = table.bootId();
    expect(startTicks).toBeGreaterThan(0);
    expect(table.presenceOf({ pid: process.pid, startTicks, bootId })).toBe("alive");
    expect(table.presenceOf({ pid: process.pid, startTicks: (startTicks ?? 0) + 1, bootId })).toBe("foreign");
    expect(table.presenceOf({ pid: process.pid, startTicks, bootId: "another" })).toBe("foreign");
    expect(table.presenceOf({ pid: 2 ** 22 + 1, startTicks, bootId })).toBe("gone");
  });

  it("goes by the pid alone where there is no /proc", () => {
    const table = createProcessTable(join(dir, "no-proc"));
    expect(table.stat(process.pid)).toBeNull();
    expect(table.bootId()).toBeNull();
    expect(table.findByVariable("PATH", process.env["PATH"] ?? "")).toBeNull();
    expect(table.presenceOf({ pid: process.pid, startTicks: null, bootId: null })).toBe("alive");
    expect(table.presenceOf({ pid: 2 ** 22 + 1, startTicks: null, bootId: null })).toBe("gone");
  });

  it.each([-1, 0, 1, 1.5, Number.NaN])("never signals the pid %s, which would mean other processes", (pid) => {
    expect(() => sendToGroup(pid, "SIGCONT")).toThrow(RangeError);
  });
});

describe("the log", () => {
  it("is rotated while its worker lives, and by no timer after that", async () => {
    const clock = createVirtualClock();
    const rotation = createLogRotation(clock);
    const path = join(dir, "worker-0.log");
    rotation.keep(path);
    writeFileSync(path, `${"x".repeat(9 * 1024 * 1024)}the end`);
    await clock.advance(5_000);
    expect(statSync(path).size).toBe(64 * 1024);
    expect(readFileSync(path, "utf8").endsWith("xthe end")).toBe(true);
    rotation.release(path);
    expect(clock.pendingCount).toBe(0);
  });

  it("below 8 MiB is left alone", async () => {
    const clock = createVirtualClock();
    const rotation = createLogRotation(clock);
    const path = join(dir, "worker-0.log");
    writeFileSync(path, "x".repeat(8 * 1024 * 1024));
    rotation.keep(path);
    await clock.advance(60_000);
    expect(statSync(path).size).toBe(8 * 1024 * 1024);
    rotation.stop();
    expect(clock.pendingCount).toBe(0);
  });

  it("of the process before is kept under another name", () => {
    const path = join(dir, "worker-0.log");
    writeFileSync(path, "first");
    expect(openLog(path)).toBeGreaterThan(2);
    expect(readFileSync(path, "utf8")).toBe("");
    expect(readFileSync(`${path}.previous`, "utf8")).toBe("first");
  });
});

describe("the stop ladder", () => {
  it("says so when even SIGKILL does not end a process that waits for its device", async () => {
    const clock = createVirtualClock();
    const ref: ProcessRef = {
      workerId: "worker-0",
      pid: 4_242,
      startTicks: 1,
      bootId: null,
      socketPath: "",
      token: "",
    };
    const deaf: Pick<WorkerClient, "shutdown"> = { shutdown: () => new Promise(() => undefined) };
    const startedAtMs = clock.nowMs();
    const host = { isGone: () => false, signal: () => true, stateLetter: () => "D" };
    const stopping = stopWorker(host, deaf as WorkerClient, ref, clock).then(
      () => "stopped",
      (thrown: unknown) => ({ thrown, afterMs: clock.nowMs() - startedAtMs }),
    );
    await clock.advance(60_000);
    expect(await stopping).toMatchObject({
      thrown: { code: "WORKER_SILENT", details: { state: "D" } },
      afterMs: 50_000,
    });
    expect(clock.pendingCount).toBe(0);
  });
});

describe("the simulator's command", () => {
  it("names the program beside this one in its own form, and passes only what was set", () => {
    const plain = simulatorCommand({ deviceDir: "/d" });
    expect(plain.file).toBe(process.execPath);
    expect(plain.args).toHaveLength(1);
    expect(extname(plain.args[0] ?? "")).toBe(".ts");
    expect(existsSync(plain.args[0] ?? "")).toBe(true);
    expect(plain.env).toEqual({ UNDERSTUDY_DEVICE_DIR: "/d" });
    expect(simulatorCommand({ deviceDir: "/d", gpu: "h100", speed: 50, faults: "oom@decode" }).env).toEqual({
      UNDERSTUDY_DEVICE_DIR: "/d",
      UNDERSTUDY_SIM_GPU: "h100",
      UNDERSTUDY_SIM_SPEED: "50",
      UNDERSTUDY_SIM_FAULT: "oom@decode",
    });
  });
});
