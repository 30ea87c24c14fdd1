import { execFileSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import ffmpeg from "@ffmpeg-installer/ffmpeg";
import { afterEach, describe, expect, it } from "vitest";
import { endService, isAlive, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";

const started: RunningService[] = [];
const directories: { remove: () => void }[] = [];

afterEach(async () => {
  for (const service of started.splice(0)) await endService(service);
  for (const directory of directories.splice(0)) directory.remove();
});

async function start(stateDir: string): Promise<RunningService> {
  const service = await startService({ stateDir });
  started.push(service);
  return service;
}

function makeDirectory(): string {
  const directory = makeStateDir();
  directories.push(directory);
  return directory.path;
}

interface Row {
  readonly kind: string;
  readonly data: string;
}

function rowsOf(stateDir: string): Row[] {
  const database = new DatabaseSync(join(stateDir, "understudy.db"), { readOnly: true });
  const rows = database.prepare("select kind, data from events where kind not like 'machine.%' order by seq").all() as unknown as Row[];
  database.close();
  return rows;
}

/** Decodes the whole file with another decoder than the one that wrote it; the number of its frames. */
function framesOf(path: string): number {
  const output = execFileSync(ffmpeg.path, ["-v", "error", "-i", path, "-map", "0:v:0", "-f", "framemd5", "-"], { encoding: "utf8" });
  return output.split("\n").filter((line) => /^\d/.test(line)).length;
}

const readyAt = (service: RunningService): Promise<boolean> =>
  until("the service is ready", async () => (await service.json<{ mode: string }>("/readyz")).body.mode === "ready");

const denoising = (service: RunningService, id: string, percent = 10): Promise<unknown> =>
  until("the job denoises", async () => {
    const { body } = await service.json<{ phase?: string; progress: number }>(`/api/v1/generate/${id}`);
    return body.phase === "denoise" && body.progress > percent;
  });

/** The real result, not a stand-in that was shown before it. */
const realResult = (service: RunningService, id: string): Promise<unknown> =>
  until("the real result", async () => {
    const { body } = await service.json<{ status: string; is_mock: boolean }>(`/api/v1/generate/${id}`);
    return body.status === "completed" && !body.is_mock;
  });

describe("the service", { timeout: 90_000 }, () => {
  it("turns a submission into a video that an independent decoder plays", async () => {
    const service = await start(makeDirectory());
    const id = await service.submit({ num_frames: 13 });
    await realResult(service, id);
    expect((await service.json(`/api/v1/generate/${id}`)).body).toMatchObject({ simulated: true });
    const answer = await fetch(`${service.url}/api/v1/outputs/${id}/video`);
    const path = join(service.stateDir, "fetched.mp4");
    writeFileSync(path, new Uint8Array(await answer.arrayBuffer()));
    expect(answer.headers.get("content-type")).toBe("video/mp4");
    expect(framesOf(path)).toBe(13);
    const picture = await fetch(`${service.url}/api/v1/outputs/${id}/thumbnail`);
    expect(new Uint8Array(await picture.arrayBuffer()).slice(0, 2)).toEqual(new Uint8Array([0xff, 0xd8]));
  });

  it("ends a job with one result when its worker is killed in mid-denoise, and says what happened", async () => {
    const service = await start(makeDirectory());
    await readyAt(service);
    // 49 frames take seconds a step on a real card, so that a checkpoint is kept every few steps.
    const id = await service.submit({ steps: 30, num_frames: 49 });
    await denoising(service, id, 45);
    const pid = service.worker()?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    const answers: number[] = [];
    await until("the real result", async () => {
      const { status, body } = await service.json<{ status: string; is_mock: boolean }>(`/api/v1/generate/${id}`);
      answers.push(status);
      return body.status === "completed" && !body.is_mock;
    });
    expect(new Set(answers)).toEqual(new Set([200]));
    await until("the incident is closed", () => rowsOf(service.stateDir).some((row) => row.kind === "incident.closed"));
    const rows = rowsOf(service.stateDir);
    expect(rows.filter((row) => row.kind === "job.succeeded")).toHaveLength(1);
    expect(rows.map((row) => row.kind)).toEqual(
      expect.arrayContaining(["worker.exited", "incident.opened", "rung.ended", "incident.closed"]),
    );
    const rendered = rows
      .filter((row) => row.kind === "render.completed")
      .map((row) => JSON.parse(row.data) as { steps_rendered: number; resumed_from_step: number });
    expect(rendered).toHaveLength(1);
    expect((rendered[0]?.steps_rendered ?? 0) + (rendered[0]?.resumed_from_step ?? 0)).toBe(30);
    expect(rendered[0]?.resumed_from_step).toBeGreaterThan(0);
    const { body } = await service.json<{ recovery_statistics: { recovery_actions: object } }>("/api/v1/recovery/status");
    expect(body.recovery_statistics.recovery_actions).toMatchObject({ restart_pipeline: { total: 1, successful: 1 } });
    expect(isAlive(pid)).toBe(false);
  });

  it("adopts the render when the supervisor is killed in mid-denoise: same worker, no step twice", async () => {
    const stateDir = makeDirectory();
    const first = await start(stateDir);
    await readyAt(first);
    const id = await first.submit({ steps: 40 });
    await denoising(first, id);
    const pid = first.worker()?.pid;
    first.process.kill("SIGKILL");
    await first.ended;
    const second = await start(stateDir);
    expect(await realResult(second, id)).toBe(true);
    expect(second.worker()?.pid).toBe(pid);
    const rows = rowsOf(stateDir);
    expect(rows.map((row) => row.kind)).toContain("job.adopted");
    const rendered = rows.filter((row) => row.kind === "render.completed").map((row) => JSON.parse(row.data) as { steps_rendered: number });
    expect(rendered.map((row) => row.steps_rendered)).toEqual([40]);
    expect(rows.filter((row) => row.kind === "job.claimed")).toHaveLength(1);
  });

  it("keeps queued jobs over a stop and finishes them after the next start", async () => {
    const stateDir = makeDirectory();
    const first = await start(stateDir);
    await readyAt(first);
    const ids = [await first.submit({ steps: 30 }), await first.submit({}), await first.submit({})];
    await denoising(first, ids[0] ?? "");
    const pid = first.worker()?.pid ?? 0;
    first.process.kill("SIGINT");
    expect(await first.ended).toBe(0);
    expect(isAlive(pid)).toBe(false);
    const second = await start(stateDir);
    for (const id of ids) expect(await realResult(second, id)).toBe(true);
  });

  it("lets a render go on over SIGTERM with --keep-workers", async () => {
    const stateDir = makeDirectory();
    const first = await startService({ stateDir, args: ["--keep-workers"] });
    started.push(first);
    await readyAt(first);
    const id = await first.submit({ steps: 40 });
    await denoising(first, id);
    const pid = first.worker()?.pid ?? 0;
    first.process.kill("SIGTERM");
    expect(await first.ended).toBe(0);
    expect(isAlive(pid)).toBe(true);
    const second = await start(stateDir);
    await realResult(second, id);
    expect(second.worker()?.pid).toBe(pid);
  });

  it("cancels a running job and frees the device for the next one", async () => {
    const service = await start(makeDirectory());
    await readyAt(service);
    const id = await service.submit({ steps: 60 });
    await denoising(service, id);
    const answer = await service.json(`/api/v1/queue/${id}/cancel`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(answer.status).toBe(200);
    await service.jobIn(id, ["cancelled"]);
    expect(await realResult(service, await service.submit({}))).toBe(true);
  });

  it("refuses a second supervisor on its state directory, naming the first", async () => {
    const service = await start(makeDirectory());
    await expect(startService({ stateDir: service.stateDir, limitMs: 8_000 })).rejects.toThrow(
      new RegExp(`pid ${service.pid} at ${service.url}`),
    );
    expect((await service.json("/livez")).status).toBe(200);
  });

  it("leaves nothing behind when its port is taken", async () => {
    const service = await start(makeDirectory());
    const { port } = new URL(service.url);
    const stateDir = makeDirectory();
    await expect(startService({ stateDir, args: ["--port", port], limitMs: 8_000 })).rejects.toThrow(/is taken/);
    expect(() => statSync(join(stateDir, "run", "worker-0.json"))).toThrow(/ENOENT/);
    expect(() => readFileSync(join(stateDir, "run", "supervisor.json"))).toThrow(/ENOENT/);
  });
});
