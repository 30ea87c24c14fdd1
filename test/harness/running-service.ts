/**
 * Starts the real command as a process and speaks to it over HTTP. Integration tests, chaos, drills and benches all use
 * it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSystemClock, type SystemClock } from "../../src/core/clock.ts";
import { findProcessesOf, markName, signalProcess } from "./processes.ts";

export const clock: SystemClock = createSystemClock();
export const launcher = new URL("../../bin/understudy.js", import.meta.url).pathname;

/** Waits for a state, never for a time: polls `look` until it answers something, and fails with `what` at the deadline. */
export async function until<Found>(
  what: string,
  look: () => Promise<Found | undefined | false | null> | Found | undefined | false | null,
  limitMs = 30_000,
): Promise<Found> {
  const deadlineMs = clock.nowMs() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false && found !== null) return found;
    if (clock.nowMs() > deadlineMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await clock.sleep(25);
  }
}

export function makeStateDir(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "understudy-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT" || (thrown as NodeJS.ErrnoException).code === "ESRCH")
      return false;
    throw thrown;
  }
}

interface WorkerFile {
  readonly pid: number;
  readonly job: string | null;
  readonly fence: number | null;
}

export interface RunningService {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly url: string;
  readonly stateDir: string;
  readonly output: () => string;
  /** Resolves with the exit code or signal. */
  readonly ended: Promise<number | string>;
  worker(id?: string): WorkerFile | null;
  json<Body = Record<string, unknown>>(path: string, init?: RequestInit): Promise<{ status: number; body: Body }>;
  submit(fields?: Record<string, unknown>, headers?: Record<string, string>): Promise<string>;
  /** Waits until the job's status on the compatible routes is one of these. */
  jobIn(id: string, statuses: readonly string[], limitMs?: number): Promise<Record<string, unknown>>;
}

export interface StartOptions {
  readonly stateDir: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly limitMs?: number;
  /** The program that serves; by default this clone's own command. */
  readonly program?: string;
}

export const smallJob = {
  model_type: "T2V-A14B",
  prompt: "a red fox runs across fresh snow",
  resolution: "854x480",
  steps: 12,
  num_frames: 9,
};

function readJson<Content>(path: string): Content | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Content;
  } catch (thrown) {
    if (thrown instanceof SyntaxError || (thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}

/** Starts the real command in a process of its own on a free port; ready when it has written its address. */
export async function startService(options: StartOptions): Promise<RunningService> {
  const { stateDir } = options;
  const outputPath = join(stateDir, `output-${clock.nowMs()}.txt`);
  const output = openSync(outputPath, "a");
  const child = spawn(
    process.execPath,
    [options.program ?? launcher, "serve", "--port", "0", "--state-dir", stateDir, ...(options.args ?? [])],
    {
      stdio: ["ignore", output, output],
      env: { ...process.env, UNDERSTUDY_LOG_LEVEL: "info", [markName]: stateDir, ...options.env },
    },
  );
  closeSync(output);
  const ended = new Promise<number | string>((resolve) =>
    child.once("exit", (code, signal) => resolve(code ?? signal ?? "unknown")),
  );
  const readOutput = (): string => readFileSync(outputPath, "utf8");
  const address = await until(
    "the service listens",
    () => {
      if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}:\n${readOutput()}`);
      const file = readJson<{ pid: number; address: string }>(join(stateDir, "run", "supervisor.json"));
      return file?.pid === child.pid ? file?.address : undefined;
    },
    options.limitMs ?? 20_000,
  );
  const url = address.startsWith("http") ? address : `http://${address}`;

  const json = async <Body>(path: string, init?: RequestInit): Promise<{ status: number; body: Body }> => {
    // A connection of its own: one that is kept may be closed by the server in the very moment in which it is used again.
    const headers = { ...(init?.headers as Record<string, string> | undefined), connection: "close" };
    const answer = await fetch(`${url}${path}`, { ...init, headers });
    return { status: answer.status, body: (await answer.json()) as Body };
  };
  return {
    process: child,
    pid: child.pid ?? 0,
    url,
    stateDir,
    output: readOutput,
    ended,
    json,
    worker: (id = "worker-0") => {
      const file = readJson<Omit<WorkerFile, "pid"> & { pid: number | null }>(join(stateDir, "run", `${id}.json`));
      // Without a pid it is the intent to start one.
      return file === null || file.pid === null ? null : { ...file, pid: file.pid };
    },
    submit: async (fields = {}, headers = {}) => {
      const answer = await json<{ task_id: string }>("/api/v1/generation/submit", {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ ...smallJob, ...fields }),
      });
      if (answer.status !== 200)
        throw new Error(`submission answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      return answer.body.task_id;
    },
    jobIn: (id, statuses, limitMs = 60_000) =>
      until(
        `job ${id} in ${statuses.join(" or ")}`,
        async () => {
          const { body } = await json<Record<string, unknown>>(`/api/v1/generate/${id}`);
          return statuses.includes(String(body["status"])) ? body : undefined;
        },
        limitMs,
      ),
  };
}

/** Ends the service and every process that it has started; for the end of a test, whatever happened in it. */
export async function endService(service: RunningService): Promise<void> {
  service.process.kill("SIGCONT");
  if (service.process.exitCode === null && service.process.signalCode === null) {
    service.process.kill("SIGTERM");
    await Promise.race([service.ended, clock.sleep(8_000).then(() => service.process.kill("SIGKILL"))]);
    await service.ended;
  }
  for (const { pid } of findProcessesOf(service.stateDir)) signalProcess(pid, "SIGKILL");
}
