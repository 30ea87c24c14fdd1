import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ProcessExit, ProcessRef, WorkerHost, WorkerNotice } from "../../src/core/ports/worker.ts";
import { mebibyte } from "../../src/core/units.ts";
import { stopWorker } from "../../src/workers/stop-ladder.ts";
import { rotateLog } from "../../src/workers/worker-log.ts";
import { type Bench, createBench, soon, stubCommand, stubProgram } from "../fixtures/stub-host.ts";
import { clock, isAlive, makeStateDir, until } from "../harness/running-service.ts";

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.end());

const exitOf = (host: WorkerHost, ref: ProcessRef): Promise<ProcessExit> =>
  new Promise((resolve) => host.onExit(ref, resolve));
const record = (): Record<string, unknown> => JSON.parse(readFileSync(`${bench.runDir}/worker-0.json`, "utf8"));
const rewrite = (change: Record<string, unknown>): void =>
  writeFileSync(`${bench.runDir}/worker-0.json`, JSON.stringify({ ...record(), ...change }));
const limits = { requestMs: 400, termMs: 400, killMs: 4_000 };

async function childPid(): Promise<number> {
  return until("the worker's own child", () => Number(/child (\d+)/.exec(bench.logText())?.[1]) || null);
}

describe("starting", () => {
  it("starts a worker as leader of its own group, more likely to be killed for memory than the service", async () => {
    const { ref, client } = await bench.start();
    const stat = readFileSync(`/proc/${ref.pid}/stat`, "utf8");
    expect(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]).toBe(String(ref.pid));
    expect(readFileSync(`/proc/${ref.pid}/oom_score_adj`, "utf8").trim()).toBe("500");
    expect(client.identity).toMatchObject({
      pid: ref.pid,
      kind: "stub",
      isSimulated: true,
      device: { uuid: "STUB-0" },
    });
  });

  it("gives the worker files, never pipes, that would break with the supervisor", async () => {
    const { ref } = await bench.start();
    const targets = [0, 1, 2].map((descriptor) => readlinkSync(`/proc/${ref.pid}/fd/${descriptor}`));
    expect(targets).toEqual(["/dev/null", `${bench.runDir}/worker-0.log`, `${bench.runDir}/worker-0.log`]);
  });

  it("records what the next supervisor needs, readable by this user only", async () => {
    const { host, ref } = await bench.start();
    await host.recordJob("worker-0", { jobId: "job-1", fence: 3 });
    expect(statSync(`${bench.runDir}/worker-0.json`).mode & 0o777).toBe(0o600);
    expect(statSync(`${bench.runDir}/worker-0.log`).mode & 0o777).toBe(0o600);
    expect(record()).toEqual({
      pid: ref.pid,
      startTicks: ref.startTicks,
      bootId: ref.bootId,
      token: ref.token,
      protocol: 1,
      socket: ref.socketPath,
      job: "job-1",
      fence: 3,
    });
    await host.recordJob("worker-0", null);
    expect(record()).toMatchObject({ job: null, fence: null });
  });

  it("keeps the service's key and settings from the worker", async () => {
    process.env["UNDERSTUDY_API_KEY"] = "a secret";
    const { ref } = await bench.start().finally(() => delete process.env["UNDERSTUDY_API_KEY"]);
    expect(readFileSync(`/proc/${ref.pid}/environ`, "utf8")).not.toContain("a secret");
  });

  it("puts the socket in a private directory when the state directory's path is too long", async () => {
    const parent = makeStateDir();
    const longDir = join(parent.path, "d".repeat(90));
    mkdirSync(longDir);
    const other = createBench({ path: longDir, remove: parent.remove });
    try {
      const { host, ref } = await other.start();
      expect(Buffer.byteLength(ref.socketPath)).toBeLessThanOrEqual(100);
      expect(statSync(dirname(ref.socketPath)).mode & 0o777).toBe(0o700);
      await stopWorker(host, null, ref, clock, limits);
      await host.forget("worker-0");
      expect(() => statSync(dirname(ref.socketPath))).toThrow("ENOENT");
    } finally {
      other.end();
    }
  });

  it("says which program cannot be started, and leaves no record of it", async () => {
    const host = bench.host({ file: "/no/such/python", args: [], env: {} });
    await expect(host.spawn("worker-0")).rejects.toMatchObject({
      code: "WORKER_CONFIGURATION",
      message: expect.stringContaining("/no/such/python"),
    });
    expect(() => record()).toThrow("ENOENT");
  });

  it("refuses to start a worker beside its living process", async () => {
    const { ref } = await bench.start();
    await expect(bench.host().spawn("worker-0")).rejects.toMatchObject({
      message: expect.stringContaining(`process ${ref.pid}`),
    });
    expect(isAlive(ref.pid)).toBe(true);
  });

  it("takes no worker id that could leave the run directory", async () => {
    await expect(bench.host().spawn("../worker-0")).rejects.toMatchObject({ code: "CONFIGURATION_INVALID" });
  });
});

describe("connecting", () => {
  it("gives up with the signal's reason while nobody listens", async () => {
    const host = bench.host({ file: "sleep", args: ["600"], env: {} });
    const ref = await host.spawn("worker-0");
    await expect(host.connect(ref, soon(300))).rejects.toThrow("not within 300 ms");
  });

  it("stops trying when the process ends before it listens", async () => {
    const host = bench.host({ file: "false", args: [], env: {} });
    const ref = await host.spawn("worker-0");
    await expect(host.connect(ref, soon())).rejects.toMatchObject({ code: "WORKER_EXITED" });
  });

  it.each([
    ["another protocol version", "protocol-2", "WORKER_PROTOCOL_MISMATCH"],
    ["another process at the socket", "foreign-pid", "WORKER_PROTOCOL_MISMATCH"],
  ])("refuses %s", async (_what, modes, code) => {
    await expect(bench.start(stubCommand(modes))).rejects.toMatchObject({ code });
  });

  it("refuses to go on when the worker does not accept the token", async () => {
    const { host, ref } = await bench.start();
    await expect(host.connect({ ...ref, token: "guessed" }, soon())).rejects.toMatchObject({
      code: "WORKER_CONFIGURATION",
    });
  });

  it("lets a new connection replace the old one, whose calls are rejected", async () => {
    const { host, ref, client } = await bench.start();
    const closed = new Promise<void>((resolve) => client.onClose(resolve));
    const second = await host.connect(ref, soon());
    await closed;
    await expect(client.stats()).rejects.toMatchObject({ code: "WORKER_EXITED" });
    await expect(second.stats()).resolves.toMatchObject({ jobsDone: 0 });
  });
});

describe("ending", () => {
  it("tells the exit code and the last words, also to a listener that comes late", async () => {
    const { host, ref, client } = await bench.start();
    await client.injectFault("say:CUDA error: an illegal memory access was encountered");
    const ended = exitOf(host, ref);
    await expect(client.injectFault("exit:75")).rejects.toMatchObject({ code: "WORKER_EXITED" });
    const exit = await ended;
    expect(exit).toMatchObject({ code: 75, signal: null, logTail: expect.stringContaining("illegal memory access") });
    expect(await exitOf(host, ref)).toEqual(exit);
    expect(bench.registry.list()).toEqual([]);
  });

  it("never shows one process's last words as the next one's", async () => {
    const { host, ref, client } = await bench.start();
    await client.injectFault("say:out of memory");
    host.signal(ref, "SIGKILL");
    expect(await exitOf(host, ref)).toMatchObject({
      code: null,
      signal: "SIGKILL",
      logTail: expect.stringContaining("out of memory"),
    });
    const second = await host.spawn("worker-0");
    host.signal(second, "SIGKILL");
    expect((await exitOf(host, second)).logTail).not.toContain("out of memory");
  });

  it("shows at most 64 KiB of the log", async () => {
    const { host, ref, client } = await bench.start();
    await client.injectFault("noise:300000");
    host.signal(ref, "SIGKILL");
    expect((await exitOf(host, ref)).logTail).toHaveLength(64 * 1024);
  });

  it("kills the whole group", async () => {
    const { host, ref } = await bench.start(stubCommand("with-child"));
    const child = await childPid();
    expect(host.signal(ref, "SIGKILL")).toBe(true);
    await until("both are gone", () => host.isGone(ref) && !isAlive(child));
    expect(host.signal(ref, "SIGKILL")).toBe(false);
  });

  it("clears up what a dead worker leaves of its group", async () => {
    const { host, ref } = await bench.start(stubCommand("with-child"));
    const child = await childPid();
    process.kill(ref.pid, "SIGKILL");
    await exitOf(host, ref);
    await until("the child is gone", () => !isAlive(child));
  });

  it("takes a zombie for gone", async () => {
    // What the shell has become never waits for the child that the shell has started.
    const parent = spawn("sh", ["-c", "sleep 600 & echo $!; exec sleep 600"], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      const pid = await new Promise<number>((resolve) =>
        parent.stdout.once("data", (text) => resolve(Number(String(text)))),
      );
      await until("the shell is replaced", () => readFileSync(`/proc/${parent.pid}/comm`, "utf8") === "sleep\n");
      const ref: ProcessRef = { workerId: "worker-0", pid, startTicks: null, bootId: null, socketPath: "", token: "" };
      const host = bench.host();
      expect(host.isGone(ref)).toBe(false);
      process.kill(pid, "SIGKILL");
      await until("it is a zombie", () => host.stateLetter(ref) === "Z");
      expect(host.isGone(ref)).toBe(true);
    } finally {
      parent.kill("SIGKILL");
    }
  });

  it("cuts a long log in place, and the worker goes on writing at its new end", async () => {
    const { client } = await bench.start();
    const path = `${bench.runDir}/worker-0.log`;
    await client.injectFault(`noise:${9 * mebibyte}`);
    expect(statSync(path).size).toBeGreaterThan(8 * mebibyte);
    rotateLog(path);
    expect(statSync(path).size).toBe(64 * 1024);
    await client.injectFault("say:still here");
    expect(bench.logText()).toMatch(/^(x+\n)+still here\n$/);
    expect(statSync(path).size).toBeLessThanOrEqual(65 * 1024);
  });
});

describe("the ladder", () => {
  it("ends a willing worker by a request", async () => {
    const { host, ref, client } = await bench.start();
    expect(await stopWorker(host, client, ref, clock, { ...limits, requestMs: 8_000 })).toMatchObject({
      how: "request",
    });
    expect(isAlive(ref.pid)).toBe(false);
  });

  it("does not wait for a worker that refuses", async () => {
    const { host, ref, client } = await bench.start(stubCommand("refuse-shutdown"));
    const report = await stopWorker(host, client, ref, clock, { ...limits, requestMs: 20_000 });
    expect(report.how).toBe("SIGTERM");
    expect(report.tookMs).toBeLessThan(5_000);
  });

  it("climbs to SIGKILL against a worker that ignores both, and takes its children along", async () => {
    const { host, ref, client } = await bench.start(stubCommand("ignore-shutdown,ignore-sigterm,with-child"));
    const child = await childPid();
    const report = await stopWorker(host, client, ref, clock, limits);
    expect(report.how).toBe("SIGKILL");
    expect(report.tookMs).toBeGreaterThanOrEqual(limits.requestMs + limits.termMs);
    await until("no process is left", () => !isAlive(ref.pid) && !isAlive(child));
  });

  it("continues a stopped worker before SIGTERM, without waiting for an answer that it cannot give", async () => {
    const { host, ref, client } = await bench.start();
    process.kill(ref.pid, "SIGSTOP");
    await until("it is stopped", () => host.stateLetter(ref) === "T");
    const report = await stopWorker(host, client, ref, clock, { requestMs: 20_000, termMs: 5_000, killMs: 5_000 });
    expect(report.how).toBe("SIGTERM");
  });

  it("needs no rung for a process that is gone already", async () => {
    const { host, ref, client } = await bench.start();
    host.signal(ref, "SIGKILL");
    await exitOf(host, ref);
    expect(await stopWorker(host, client, ref, clock, limits)).toMatchObject({ how: "alreadyGone" });
  });
});

describe("adopting", () => {
  const supervisors: ChildProcess[] = [];
  afterEach(() => {
    for (const supervisor of supervisors.splice(0)) supervisor.kill("SIGKILL");
  });

  async function orphan(): Promise<void> {
    const program = new URL("../fixtures/stub-supervisor.ts", import.meta.url).pathname;
    const supervisor = spawn(process.execPath, [program, bench.stateDir, stubProgram], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    supervisors.push(supervisor);
    await new Promise((resolve) => supervisor.stdout.once("data", resolve));
    const ended = new Promise((resolve) => supervisor.once("exit", resolve));
    supervisor.kill("SIGKILL");
    await ended;
  }

  it("finds, reaches and follows the worker of a supervisor that was killed", async () => {
    await orphan();
    const host = bench.host();
    const ref = (await host.findRecorded("worker-0")) as ProcessRef;
    expect(record()).toMatchObject({ pid: ref.pid, job: "job-1", fence: 7 });
    const client = await host.connect(ref, soon());
    expect(await client.attach()).toMatchObject({ jobId: "job-1", fence: 7 });
    const notice = await new Promise<WorkerNotice>((resolve) => client.onNotice(resolve));
    expect(notice).toEqual({ kind: "heartbeat", mainThreadIdleMs: 0 });
    await client.injectFault("say:last words");
    process.kill(ref.pid, "SIGKILL");
    expect(await exitOf(host, ref)).toEqual({ code: null, signal: null, logTail: "last words\n" });
    expect(host.isGone(ref)).toBe(true);
    expect(bench.registry.list()).toEqual([]);
  });

  it("finds a worker whose supervisor was killed between its start and its record", async () => {
    await orphan();
    const { pid } = record();
    rewrite({ pid: null, startTicks: null });
    const host = bench.host();
    const ref = await host.findRecorded("worker-0");
    expect(ref).toMatchObject({ pid, startTicks: expect.any(Number) });
    expect(record()).toMatchObject({ pid, startTicks: ref?.startTicks });
  });

  it.each([
    ["another start time", { startTicks: 1 }],
    ["another boot", { bootId: "an earlier one" }],
    ["a pid that nobody has", { pid: 2 ** 22 + 1 }],
    ["an intent that came to nothing", { pid: null, startTicks: null, socket: "/nowhere.sock" }],
  ])("adopts nothing for %s", async (_what, change) => {
    const { ref } = await bench.start();
    rewrite(change);
    expect(await bench.host().findRecorded("worker-0")).toBeNull();
    expect(isAlive(ref.pid)).toBe(true);
  });

  it("adopts nothing where there is no record, or none that can be read", async () => {
    const host = bench.host();
    expect(await host.findRecorded("worker-0")).toBeNull();
    writeFileSync(`${bench.runDir}/worker-0.json`, "{");
    expect(await host.findRecorded("worker-0")).toBeNull();
    writeFileSync(`${bench.runDir}/worker-0.json`, JSON.stringify({ pid: 1 }));
    expect(await host.findRecorded("worker-0")).toBeNull();
  });

  it("never signals a process that has only inherited the pid", async () => {
    const { host, ref } = await bench.start();
    const former = { ...ref, startTicks: (ref.startTicks ?? 0) - 1 };
    expect(host.isGone(former)).toBe(true);
    expect(host.stateLetter(former)).toBeNull();
    expect(host.signal(former, "SIGKILL")).toBe(false);
    expect(host.isGone(ref)).toBe(false);
  });
});

describe("the registry", () => {
  it("kills every group that it knows, and spares what was disowned or is not the same process any more", async () => {
    const { ref } = await bench.start(stubCommand("with-child"));
    const child = await childPid();
    const helpers = [1, 2, 3].map(() => spawn("sleep", ["600"], { stdio: "ignore" }));
    const [helper, spared, reused] = helpers.map((process) => process.pid ?? 0) as [number, number, number];
    bench.registry.register({ pid: helper });
    bench.registry.register({ pid: spared });
    bench.registry.register({ pid: reused, startTicks: 1 });
    bench.registry.disown(spared);
    bench.registry.killAll();
    await until("worker, its child and the helper are gone", () =>
      [ref.pid, child, helper].every((pid) => !isAlive(pid)),
    );
    expect([isAlive(spared), isAlive(reused)]).toEqual([true, true]);
    for (const process of helpers) process.kill("SIGKILL");
  });
});
