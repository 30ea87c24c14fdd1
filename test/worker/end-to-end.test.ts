/**
 * Real input, end to end: a hub with tiny models, the downloader, the service and the Python worker in processes of their
 * own, and videos that another decoder plays.
 */
import { execFile } from "node:child_process";
import { closeSync, mkdirSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { createCanvas } from "@napi-rs/canvas";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { newestSeq, rendersOf, rowsAfterRender } from "../harness/rows.ts";
import {
  endService,
  isAlive,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, deliveredFrames, inPhase, isReady } from "../harness/tasks.ts";
import { startTinyHub, type TinyHub } from "./tiny-hub.ts";

const launcher = new URL("../../bin/understudy.js", import.meta.url).pathname;
const directory = makeStateDir();
const stateDir = join(directory.path, "state");
let tiny: TinyHub;
let service: RunningService | null = null;

/** Not the blocking call: the hub answers in this process. */
const understudy = async (...args: string[]): Promise<string> => {
  const command = [launcher, ...args, "--state-dir", stateDir];
  const { stdout } = await promisify(execFile)(process.execPath, command, { env: { ...process.env, ...tiny.env } });
  return stdout;
};
const start = async (args: readonly string[] = []): Promise<RunningService> => {
  service = await startService({
    stateDir,
    args,
    env: { ...tiny.env, UNDERSTUDY_SUPERVISION_CHECKPOINT: "1ms" },
    limitMs: 60_000,
  });
  return service;
};
/** Importing torch and diffusers takes 12 s of a processor, and others may want it too. */
const patienceMs = 240_000;
const small = { resolution: "128x64", steps: 8, num_frames: 9 };
/** Long enough that something can be done to it in the middle. */
const long = { resolution: "128x64", steps: 100, num_frames: 33 };
const png = createCanvas(64, 64).toBuffer("image/png");

function startWith(config: object): Promise<RunningService> {
  const configPath = join(directory.path, "config.json");
  writeFileSync(configPath, JSON.stringify(config));
  return start(["--config", configPath]);
}

async function rendersReally(running: RunningService, model: string, resolution: string): Promise<void> {
  const id = await running.submit({ ...small, model_type: model, resolution });
  await delivered(running, id, patienceMs);
  expect(await deliveredFrames(running, id)).toBe(9);
  expect((await running.json(`/api/v1/generate/${id}`)).body).toMatchObject({
    is_mock: false,
    served_by: { kind: "real", model },
  });
}

async function submitImage(running: RunningService, model: string): Promise<string> {
  const form = new FormData();
  for (const [name, value] of Object.entries({ model_type: model, prompt: "a fox", ...small }))
    form.set(name, String(value));
  form.set("image", new File([new Uint8Array(png)], "fox.png", { type: "image/png" }));
  const { status, body } = await running.json<{ task_id: string }>("/api/v1/generation/submit", {
    method: "POST",
    body: form,
  });
  expect([status, body]).toMatchObject([200, { simulated: false }]);
  return body.task_id;
}

beforeAll(async () => {
  mkdirSync(stateDir);
  tiny = await startTinyHub(directory.path);
});
afterEach(async () => {
  if (service !== null) await endService(service);
  service = null;
});
afterAll(async () => {
  await tiny.hub.stop();
  directory.remove();
});

describe("the real worker", { timeout: 3 * patienceMs }, () => {
  it("renders what was pulled, at the asked size and length, and says that it is real", async () => {
    expect(await understudy("models", "pull", "T2V-A14B")).toContain("every file matches its hash");
    tiny.hub.resetCounts();
    const running = await start();
    await isReady(running, patienceMs);
    const id = await running.submit(small);
    await delivered(running, id, patienceMs);
    expect(await deliveredFrames(running, id)).toBe(9);
    expect((await running.json(`/api/v1/generate/${id}`)).body).toMatchObject({
      is_mock: false,
      simulated: false,
      served_by: { kind: "real", simulated: false, model: "T2V-A14B" },
    });
    const withLora = {
      method: "POST",
      body: JSON.stringify({ model_type: "T2V-A14B", prompt: "a fox", ...small, lora_path: "ink.safetensors" }),
    };
    const refused = await running.json("/api/v1/generation/submit", {
      ...withLora,
      headers: { "content-type": "application/json" },
    });
    expect(refused).toMatchObject({ status: 422, body: { code: "LORA_UNSUPPORTED" } });
    // What is verified is neither fetched nor asked for again.
    expect(tiny.hub.served).toEqual([]);
    // A size that the pipeline cannot render is rendered at the next one and cropped.
    const odd = await running.submit({ ...small, resolution: "120x60", num_frames: 7 });
    await delivered(running, odd, patienceMs);
    expect(await deliveredFrames(running, odd)).toBe(7);
  });

  it("fetches the model of a job that needs another one, and begins videos from the job's image", async () => {
    const running = await start();
    await isReady(running, patienceMs);
    for (const model of ["I2V-A14B", "TI2V-5B"]) {
      const id = await submitImage(running, model);
      await delivered(running, id, patienceMs);
      expect(await deliveredFrames(running, id)).toBe(9);
    }
    expect(tiny.hub.bytesServed()).toBeGreaterThan(0);
  });

  it("renders with a pipeline that nothing but the registry file describes", async () => {
    const running = await startWith({ workers: [{ id: "worker-0", models: ["T2V-A14B", "ltx-video"] }] });
    await isReady(running, patienceMs);
    await rendersReally(running, "ltx-video", "128x64");
  });

  it("renders from a local folder as soon as somebody has filled it", async () => {
    const running = await startWith({
      lead: "cogvideox",
      alternative: "none",
      workers: [{ id: "worker-0", models: ["cogvideox"] }],
    });
    await until(
      "an incident says what the folder lacks",
      async () => {
        const { body } = await running.json<{ incidents: { message: string }[] }>("/api/v1/recovery/incidents");
        return body.incidents.some(({ message }) => message.includes("put the model's files there"));
      },
      patienceMs,
    );
    tiny.fillFolder();
    await isReady(running, patienceMs);
    await rendersReally(running, "cogvideox", "64x64");
  });

  it("killed in mid-denoise goes on from its checkpoint, and no step is rendered twice", async () => {
    const running = await start();
    await isReady(running, patienceMs);
    const since = newestSeq(stateDir);
    const id = await running.submit(long);
    await inPhase(running, id, "denoise", 20, patienceMs);
    const pid = running.worker()?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    await delivered(running, id, patienceMs);
    expect(await deliveredFrames(running, id)).toBe(33);
    const [render] = rendersOf(await rowsAfterRender(stateDir, since));
    expect(render?.resumed_from_step).toBeGreaterThan(0);
    expect((render?.resumed_from_step ?? 0) + (render?.steps_rendered ?? 0)).toBe(100);
    expect(running.worker()?.pid).not.toBe(pid);
  });

  it("is adopted when the supervisor is killed in mid-denoise: same process, one render", async () => {
    const first = await start();
    await isReady(first, patienceMs);
    const since = newestSeq(stateDir);
    const id = await first.submit(long);
    await inPhase(first, id, "denoise", 10, patienceMs);
    const pid = first.worker()?.pid ?? 0;
    first.process.kill("SIGKILL");
    await first.ended;
    const second = await start();
    await delivered(second, id, patienceMs);
    expect(second.worker()?.pid).toBe(pid);
    const rows = await rowsAfterRender(stateDir, since);
    expect(rendersOf(rows).map((row) => row.steps_rendered)).toEqual([100]);
    expect(rows.map(({ kind }) => kind)).toContain("job.adopted");
  });

  it("stops with the service, and leaves no process", async () => {
    const running = await start();
    await isReady(running, patienceMs);
    const pid = running.worker()?.pid ?? 0;
    running.process.kill("SIGINT");
    expect(await running.ended).toBe(0);
    expect(isAlive(pid)).toBe(false);
  });

  it("is not given a file with a flipped bit: only that file is fetched again, and the job is rendered", async () => {
    const report = await understudy("models", "pull", "T2V-A14B");
    const snapshot = /\S+snapshots\S+/.exec(report)?.[0] ?? "";
    const weights = join(snapshot, "vae", "diffusion_pytorch_model.safetensors");
    const file = openSync(weights, "r+");
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, 4_096);
    writeSync(file, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, 4_096);
    closeSync(file);
    tiny.hub.resetCounts();
    const running = await start();
    const id = await running.submit(small);
    await delivered(running, id, patienceMs);
    const fetched = new Set(tiny.hub.served.filter(({ bytes }) => bytes > 0).map((served) => served.path));
    expect([...fetched].filter((name) => name.includes("safetensors"))).toHaveLength(1);
  });
});
