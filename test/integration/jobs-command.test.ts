/** `understudy jobs` and `understudy status` as a person types them, against the running service. */
import { type ChildProcess, spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type JobDetail, jobDetailSchema, jobListSchema } from "../../src/contract/jobs-wire.ts";
import { statusSchema } from "../../src/contract/status-wire.ts";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";

const launcher = new URL("../../bin/understudy.js", import.meta.url).pathname;
const directory = makeStateDir();
let service: RunningService;

beforeAll(async () => {
  service = await startService({ stateDir: directory.path, args: ["--sim-speed", "2"] });
  await until(
    "the service is ready",
    async () => (await service.json<{ mode: string }>("/readyz")).body.mode === "ready",
    60_000,
  );
}, 90_000);
afterAll(async () => {
  await endService(service);
  directory.remove();
});

interface Typed {
  readonly child: ChildProcess;
  readonly said: { stdout: string; stderr: string };
  readonly ended: Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }>;
}

function begin(...args: readonly string[]): Typed {
  const child = spawn(process.execPath, [launcher, ...args, "--state-dir", directory.path], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (part: Buffer) => (said.stdout += part.toString()));
  child.stderr.on("data", (part: Buffer) => (said.stderr += part.toString()));
  const ended = new Promise<{ status: number; stdout: string; stderr: string }>((resolve) =>
    child.once("close", (status) => resolve({ status: status ?? -1, ...said })),
  );
  return { child, said, ended };
}
const understudy = (...args: readonly string[]) => begin(...args).ended;

const small = ["--size", "854x480", "--frames", "9", "--steps", "12"];
const show = async (id: string): Promise<JobDetail> =>
  jobDetailSchema.parse((await service.json(`/api/v1/jobs/${id}`)).body);
const endOf = (id: string): Promise<JobDetail> =>
  until(
    `job ${id} has ended`,
    async () => {
      const job = await show(id);
      return job.ended_at === undefined ? undefined : job;
    },
    90_000,
  );
const idIn = (text: string): string => /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(text)?.[0] ?? "";

describe("understudy jobs", { timeout: 120_000 }, () => {
  it("submit --wait tells each tenth where there is no terminal, and ends with the video", async () => {
    const { status, stdout, stderr } = await understudy(
      "jobs",
      "submit",
      "a red fox",
      "--size",
      "854x480",
      "--frames",
      "33",
      "--steps",
      "100",
      "--label",
      "cli",
      "--wait",
    );
    expect([status, stderr.match(/Job \S+ is accepted/)?.length]).toEqual([0, 1]);
    const percents = [...stderr.matchAll(/^(\d+) % {2}/gm)].map(([, text]) => Number(text));
    expect(percents.length).toBeGreaterThanOrEqual(4);
    expect(percents).toEqual(percents.toSorted((a, b) => a - b));
    expect(percents.at(-1)).toBe(100);
    expect(stdout).toMatch(/succeeded \(simulated\)/);
    const [address = ""] = /http\S+\/video/.exec(stdout) ?? [];
    expect((await fetch(address)).headers.get("content-type")).toBe("video/mp4");
  });

  it("submit --wait draws a bar on a terminal, over and over on one line", async () => {
    const typed = [
      process.execPath,
      launcher,
      "jobs",
      "submit",
      "fox",
      ...small,
      "--wait",
      "--state-dir",
      directory.path,
    ];
    // script(1) gives it a terminal of its own.
    const child = spawn("script", ["-qefc", typed.join(" "), "/dev/null"], {
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, TERM: "xterm" },
    });
    let screen = "";
    child.stdout.on("data", (part: Buffer) => (screen += part.toString()));
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(screen.match(/\r\x1b\[K\[[#-]{24}\] \d+ %/g)?.length).toBeGreaterThanOrEqual(2);
    expect(screen).toMatch(/succeeded \(simulated\)/);
  });

  it("submit --json prints the service's own answer and nothing else on stdout", async () => {
    const { status, stdout } = await understudy(
      "jobs",
      "submit",
      "a heron",
      ...small,
      "--json",
      "--wait",
      "--priority",
      "3",
      "--deadline",
      "2h",
    );
    expect(status).toBe(0);
    expect(jobDetailSchema.parse(JSON.parse(stdout))).toMatchObject({
      state: "succeeded",
      priority: 3,
      prompt: "a heron",
      frames: 9,
    });
  });

  it("Ctrl-C leaves the job running and says so", async () => {
    const typed = begin("jobs", "submit", "a long walk", ...small, "--steps", "100", "--frames", "81", "--wait");
    await until("it is waited for", () => /^\d+ % /m.test(typed.said.stderr), 60_000);
    typed.child.kill("SIGINT");
    const { status, stderr } = await typed.ended;
    const id = idIn(stderr);
    expect([status, stderr]).toEqual([130, expect.stringContaining(`Job ${id} goes on`)]);
    expect(["queued", "running"]).toContain((await show(id)).state);
    const cancelled = await understudy("jobs", "cancel", id);
    expect(cancelled.status).toBe(0);
    expect((await endOf(id)).state).toBe("cancelled");
    const again = await understudy("jobs", "retry", id, "--json");
    const retried = jobDetailSchema.parse(JSON.parse(again.stdout));
    expect([again.status, retried.retry_of]).toEqual([0, id]);
    await understudy("jobs", "cancel", retried.id);
  });

  it("list finds by label, and show tells attempts and files", async () => {
    const listed = jobListSchema.parse(
      JSON.parse((await understudy("jobs", "list", "--label", "cli", "--json")).stdout),
    );
    expect(listed.jobs).toMatchObject([{ labels: ["cli"], state: "succeeded" }]);
    const [{ id } = { id: "" }] = listed.jobs;
    expect((await understudy("jobs", "list", "--state", "succeeded")).stdout).toContain(id);
    const { stdout } = await understudy("jobs", "show", id);
    expect(stdout).toMatch(/attempt {3}1 on worker-0: succeeded/);
    expect(stdout).toMatch(/result {4}\d+ bytes {2}\/artifacts\/[0-9a-f]{64}/);
  });

  it("what the service refuses is one sentence and 1; what it does not take is 2", async () => {
    const refused = await understudy("jobs", "submit", "a fox", "--steps", "1000");
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(/^understudy: .*steps/)]);
    const unknown = await understudy("jobs", "show", "none");
    expect([unknown.status, unknown.stderr]).toEqual([1, expect.stringContaining("There is no job none")]);
    expect((await understudy("jobs", "show", "none", "--wait")).status).toBe(2);
  });
});

describe("understudy status", { timeout: 120_000 }, () => {
  it("is 0 when the service is ready, 4 while it is paused or drained, with mode, workers, jobs and incidents", async () => {
    await until("it is ready again", async () => (await understudy("status")).status === 0, 60_000);
    const ready = await understudy("status");
    expect(ready.stdout).toMatch(
      /ready \(simulated\)\n.+\nWorkers\n {2}worker-0 +simulator +idle, pid \d+\nJobs\n.*succeeded[\s\S]*Open incidents\n {2}none/,
    );
    for (const command of ["drain", "pause"]) {
      expect((await understudy(command)).status).toBe(0);
      const limited = await understudy("status", "--json");
      expect(limited.status).toBe(4);
      expect(statusSchema.parse(JSON.parse(limited.stdout))).toMatchObject({
        drained: true,
        paused: command === "pause",
        ready: false,
      });
    }
    expect((await understudy("jobs", "submit", "a fox")).stderr).toContain("drained");
    expect((await understudy("resume")).stdout).toContain("Jobs are taken again");
    expect((await understudy("status")).status).toBe(0);
  });

  it("is 3 when no service answers, like every command that needs one", async () => {
    const elsewhere = makeStateDir();
    for (const command of [["status"], ["jobs", "list"], ["pause"]]) {
      const child = spawn(process.execPath, [launcher, ...command, "--state-dir", elsewhere.path], { stdio: "ignore" });
      expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(3);
    }
    elsewhere.remove();
  });
});
