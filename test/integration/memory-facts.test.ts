/** What one want of memory teaches, and whom it costs: a job that runs out of memory by itself says nothing of its size. */
import { afterEach, describe, expect, it } from "vitest";
import type { JobDetail } from "../../src/contract/jobs-wire.ts";
import { rowsSince } from "../harness/rows.ts";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";
import { isReady } from "../harness/tasks.ts";

let service: RunningService | null = null;
let remove = (): void => undefined;
afterEach(async () => {
  if (service !== null) await endService(service);
  service = null;
  remove();
});

async function start(env: Readonly<Record<string, string>> = {}): Promise<RunningService> {
  const directory = makeStateDir();
  remove = directory.remove;
  service = await startService({ stateDir: directory.path, env: { UNDERSTUDY_SIM_SPEED: "100", ...env } });
  await isReady(service);
  return service;
}

const usual = { model: "T2V-A14B", size: "854x480", frames: 81, steps: 12 };

async function order(running: RunningService, fields: object): Promise<string> {
  const { status, body } = await running.json<JobDetail>("/api/v1/jobs", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...usual, ...fields }),
  });
  expect([status, body]).toMatchObject([201, {}]);
  return body.id;
}

const read = async (running: RunningService, id: string): Promise<JobDetail> =>
  (await running.json<JobDetail>(`/api/v1/jobs/${id}`)).body;

describe("a job that runs out of memory again and again", { timeout: 200_000 }, () => {
  it("leaves the size to everybody else: their jobs are rendered within seconds, as they were asked", async () => {
    const running = await start();
    const sick = await order(running, { prompt: "a fox [[sim:oom@denoise:3x20]]" });
    await until(
      "it failed more than once, or ended",
      async () => {
        const { attempts, ended_at: endedAt } = await read(running, sick);
        return endedAt !== undefined || attempts.filter(({ error }) => error?.code === "GPU_OUT_OF_MEMORY").length > 1;
      },
      90_000,
    );
    const others = await Promise.all(
      Array.from({ length: 4 }, (_, index) =>
        order(running, { prompt: `a plain fox ${index}`, allow: ["frames", "resolution"], fallback: "wait" }),
      ),
    );
    const ended = await until(
      "the others ended",
      async () => {
        const jobs = await Promise.all(others.map((id) => read(running, id)));
        return jobs.every(({ ended_at: endedAt }) => endedAt !== undefined) && jobs;
      },
      90_000,
    );
    expect(ended.map(({ state, changes, attempt_count: attempts }) => [state, changes, attempts])).toEqual(
      others.map(() => ["succeeded", undefined, 0]),
    );
  });
});

/** Of a size that the simulated card carries in two memory modes alone, the leanest. */
const large = { prompt: "a large fox", size: "1280x720", frames: 201, steps: 2, fallback: "wait" };

describe("a worker that was made leaner", { timeout: 120_000 }, () => {
  interface Worker {
    readonly memory_mode?: {
      readonly load_profile: string;
      readonly whole_load_profile: string;
      readonly time_factor: number;
      readonly because?: string;
    };
  }
  const modeOf = async (running: RunningService): Promise<Worker["memory_mode"]> =>
    (await running.json<{ workers: readonly Worker[] }>("/api/v1/status")).body.workers[0]?.memory_mode;

  it("says so, and is whole again by itself, one step after the other", async () => {
    const running = await start({ UNDERSTUDY_SUPERVISION_RICHER_AFTER: "2s" });
    await order(running, large);
    const lean = await until(
      "a leaner mode",
      async () => {
        const mode = await modeOf(running);
        return (mode?.time_factor ?? 1) > 1 && mode;
      },
      60_000,
    );
    expect(lean).toMatchObject({ whole_load_profile: "model-offload", because: "a job is rendered so" });
    const metrics = await (await fetch(`${running.url}/metrics`)).text();
    expect(metrics).toMatch(/understudy_worker_memory_mode_time_factor\{[^}]*worker="worker-0"[^}]*\} 1\.[1-9]/);
    await until("the mode that the card carries", async () => (await modeOf(running))?.time_factor === 1, 90_000);
    const steps = rowsSince(running.stateDir, 0)
      .filter(({ kind }) => kind === "profile.changed")
      .map(({ data }) => data);
    const why = "there was room for it all the time";
    expect(steps).toEqual([
      { from: "model-offload", to: "group-offload", why: "a job is rendered so" },
      { from: "group-offload", to: "tiling", why },
      { from: "tiling", to: "model-offload", why },
    ]);
  });

  it("is whole with its next process: what made the former one leaner is gone", async () => {
    const running = await start({ UNDERSTUDY_SUPERVISION_RICHER_AFTER: "1h" });
    const id = await order(running, large);
    // Its job would make the next process leaner again.
    await until("the large job is delivered", async () => (await read(running, id)).state === "succeeded", 60_000);
    expect((await modeOf(running))?.time_factor).toBeGreaterThan(1);
    process.kill(running.worker()?.pid ?? 0, "SIGKILL");
    await until("the mode that is configured", async () => (await modeOf(running))?.time_factor === 1, 60_000);
  });
});
