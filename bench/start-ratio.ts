/**
 * Measures a start of the service against a bare HTTP server's start on the same machine, so that the bound holds on
 * slow and fast machines alike.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { findProcessesOf, markName, signalProcess } from "../test/harness/processes.ts";
import { clock, launcher as cloneLauncher, makeStateDir, smallJob, until } from "../test/harness/running-service.ts";
import { installPackage } from "./installed-package.ts";
import { type BenchResult, medianOf } from "./result.ts";

const rounds = 9;
const bareProgram = new URL("./bare-http.js", import.meta.url).pathname;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** The status of the answer; 0 while nobody answers. */
function statusOf(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    const call = request({ host: "127.0.0.1", port, path, agent: false }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    });
    call.on("error", () => resolve(0));
    call.end();
  });
}

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly spawnedAtMs: number;
  /** Time from the spawn to the first 200. */
  readonly tookMs: number;
}

async function start(args: (port: number) => readonly string[], stateDir = ""): Promise<Started> {
  const port = await freePort();
  const spawnedAtMs = clock.nowMs();
  const child = spawn(process.execPath, [...args(port)], {
    stdio: "ignore",
    env: { ...process.env, UNDERSTUDY_LOG_LEVEL: "error", [markName]: stateDir },
  });
  const deadlineMs = spawnedAtMs + 60_000;
  while ((await statusOf(port, "/livez")) !== 200) {
    if (child.exitCode !== null) throw new Error(`${args(port).join(" ")} ended with ${child.exitCode}`);
    if (clock.nowMs() > deadlineMs) throw new Error(`${args(port).join(" ")} did not answer`);
    await clock.sleep(2);
  }
  return { child, url: `http://127.0.0.1:${port}`, spawnedAtMs, tookMs: clock.nowMs() - spawnedAtMs };
}

async function end({ child }: Started, signal: NodeJS.Signals): Promise<void> {
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}

async function json<Body>(url: string, init?: RequestInit): Promise<Body> {
  const answer = await fetch(url, { ...init, headers: { "content-type": "application/json", connection: "close" } });
  return (await answer.json()) as Body;
}

async function renderFirstJob({ url, spawnedAtMs }: Started): Promise<number> {
  const body = JSON.stringify({ ...smallJob, steps: 4 });
  const { task_id: id } = await json<{ task_id: string }>(`${url}/api/v1/generation/submit`, { method: "POST", body });
  await until("the first job is rendered", async () => {
    const job = await json<{ status: string; is_mock?: boolean }>(`${url}/api/v1/generate/${id}`);
    return job.status === "completed" && job.is_mock !== true;
  });
  return clock.nowMs() - spawnedAtMs;
}

const workerPid = (stateDir: string): number =>
  (JSON.parse(readFileSync(join(stateDir, "run", "worker-0.json"), "utf8")) as { pid: number }).pid;

/** A killed supervisor's successor has taken up the worker that it left. */
async function waitUntilAdopted({ url }: Started, stateDir: string, pid: number): Promise<void> {
  await until("the worker is taken up again", async () => (await fetch(`${url}/readyz`)).status === 200);
  if (workerPid(stateDir) !== pid) throw new Error("the worker was started again and not adopted");
}

interface Figures {
  readonly startMs: number;
  readonly firstJobMs: number;
  readonly restartMs: number;
}

/** One life on a new state directory: start, first job, `kill -9` of the supervisor, start again. */
async function measure(launcher: string): Promise<Figures> {
  const stateDir = makeStateDir();
  const args = (port: number) => [launcher, "serve", "--port", String(port), "--state-dir", stateDir.path];
  try {
    const first = await start(args, stateDir.path);
    const firstJobMs = await renderFirstJob(first);
    const pid = workerPid(stateDir.path);
    await end(first, "SIGKILL");
    const second = await start(args, stateDir.path);
    await waitUntilAdopted(second, stateDir.path, pid);
    await end(second, "SIGINT");
    return { startMs: first.tookMs, firstJobMs, restartMs: second.tookMs };
  } finally {
    for (const process of findProcessesOf(stateDir.path)) signalProcess(process.pid, "SIGKILL");
    stateDir.remove();
  }
}

async function measureBare(): Promise<number> {
  const bare = await start((port) => [bareProgram, String(port)]);
  await end(bare, "SIGKILL");
  return bare.tookMs;
}

function resultsOf(
  name: string,
  limit: number,
  bareMs: readonly number[],
  all: readonly Figures[],
): readonly BenchResult[] {
  const bare = medianOf(bareMs);
  const result = (what: string, values: readonly number[], bound: BenchResult["limit"]): BenchResult => ({
    what: `${name}: ${what} / a bare server's first answer`,
    value: medianOf(values) / bare,
    unit: "",
    limit: bound,
    detail: `${Math.round(medianOf(values))} ms against ${Math.round(bare)} ms, medians of ${rounds}`,
  });
  const bound = { kind: "atMost", value: limit } as const;
  const startMs = all.map((figures) => figures.startMs);
  const restartMs = all.map((figures) => figures.restartMs);
  const firstJobMs = all.map((figures) => figures.firstJobMs);
  return [
    result("spawn to /livez", startMs, bound),
    result("spawn to /livez after kill -9, worker adopted", restartMs, bound),
    result("spawn to the first rendered job", firstJobMs, null),
  ];
}

/**
 * How long a start takes, against a bare HTTP server in the same run, in turns: as the installed package and as this clone.
 * Both were started once before, as after an installation's first minute.
 */
export async function benchStartRatio(): Promise<readonly BenchResult[]> {
  const installed = installPackage();
  try {
    const bare: number[] = [];
    const inPackage: Figures[] = [];
    const inClone: Figures[] = [];
    await measure(installed.launcher);
    await measure(cloneLauncher);
    for (let round = 0; round < rounds; round += 1) {
      bare.push(await measureBare());
      inPackage.push(await measure(installed.launcher));
      bare.push(await measureBare());
      inClone.push(await measure(cloneLauncher));
    }
    return [...resultsOf("package", 6, bare, inPackage), ...resultsOf("clone", 9, bare, inClone)];
  } finally {
    installed.remove();
  }
}
