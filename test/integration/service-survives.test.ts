import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { rendersOf, rowsAfterRender, rowsSince } from "../harness/rows.ts";
import {
  endService,
  isAlive,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { countFrames, delivered, inPhase, isReady } from "../harness/tasks.ts";

const started: RunningService[] = [];
const directories: { remove: () => void }[] = [];

afterEach(async () => {
  for (const service of started.splice(0)) await endService(service);
  for (const directory of directories.splice(0)) directory.remove();
});

async function start(stateDir: string, env: Readonly<Record<string, string>> = {}): Promise<RunningService> {
  const service = await startService({ stateDir, env });
  started.push(service);
  return service;
}

function makeDirectory(): string {
  const directory = makeStateDir();
  directories.push(directory);
  return directory.path;
}

const denoising = (service: RunningService, id: string): Promise<unknown> => inPhase(service, id, "denoise", 10);

describe("the service", { timeout: 90_000 }, () => {
  it("turns a submission into a video that an independent decoder plays", async () => {
    const service = await start(makeDirectory());
    const id = await service.submit({ num_frames: 13 });
    await delivered(service, id);
    expect((await service.json(`/api/v1/generate/${id}`)).body).toMatchObject({ simulated: true });
    const answer = await fetch(`${service.url}/api/v1/outputs/${id}/video`);
    const path = join(service.stateDir, "fetched.mp4");
    writeFileSync(path, new Uint8Array(await answer.arrayBuffer()));
    expect(answer.headers.get("content-type")).toBe("video/mp4");
    expect(countFrames(path)).toBe(13);
    const picture = await fetch(`${service.url}/api/v1/outputs/${id}/thumbnail`);
    expect(new Uint8Array(await picture.arrayBuffer()).slice(0, 2)).toEqual(new Uint8Array([0xff, 0xd8]));
  });

  it("says of a stand-in that comes before the first load that the main model is loading, not that it is broken", async () => {
    const service = await start(makeDirectory(), { UNDERSTUDY_STAND_IN_AFTER: "0s", UNDERSTUDY_SIM_SPEED: "0.3" });
    await service.submit();
    const shown = await until("a stand-in is shown", () =>
      rowsSince(service.stateDir).find(({ kind }) => kind === "job.stoodIn"),
    );
    expect(shown.data["reason"]).toBe("the main model is loading");
  });

  it("adopts the render when the supervisor is killed in mid-denoise: same worker, no step twice", async () => {
    const stateDir = makeDirectory();
    const first = await start(stateDir);
    await isReady(first);
    const id = await first.submit({ steps: 40 });
    await denoising(first, id);
    const pid = first.worker()?.pid;
    first.process.kill("SIGKILL");
    await first.ended;
    const second = await start(stateDir);
    await delivered(second, id);
    expect(second.worker()?.pid).toBe(pid);
    const rows = await rowsAfterRender(stateDir);
    expect(rows.map((row) => row.kind)).toContain("job.adopted");
    expect(rendersOf(rows)).toMatchObject([{ steps_rendered: 40, resumed_from_step: 0 }]);
    expect(rows.filter((row) => row.kind === "job.claimed")).toHaveLength(1);
  });

  it("keeps queued jobs over a stop and finishes them after the next start", async () => {
    const stateDir = makeDirectory();
    const first = await start(stateDir);
    await isReady(first);
    const ids = [await first.submit({ steps: 30 }), await first.submit({}), await first.submit({})];
    await denoising(first, ids[0] ?? "");
    const pid = first.worker()?.pid ?? 0;
    first.process.kill("SIGINT");
    expect(await first.ended).toBe(0);
    expect(isAlive(pid)).toBe(false);
    const second = await start(stateDir);
    for (const id of ids) await delivered(second, id);
  });

  it("lets a render go on over SIGTERM with --keep-workers", async () => {
    const stateDir = makeDirectory();
    const first = await startService({ stateDir, args: ["--keep-workers"] });
    started.push(first);
    await isReady(first);
    const id = await first.submit({ steps: 40 });
    await denoising(first, id);
    const pid = first.worker()?.pid ?? 0;
    first.process.kill("SIGTERM");
    expect(await first.ended).toBe(0);
    expect(isAlive(pid)).toBe(true);
    const second = await start(stateDir);
    await delivered(second, id);
    expect(second.worker()?.pid).toBe(pid);
  });

  it("cancels a running job and frees the device for the next one", async () => {
    const service = await start(makeDirectory());
    await isReady(service);
    const id = await service.submit({ steps: 60 });
    await denoising(service, id);
    const answer = await service.json(`/api/v1/queue/${id}/cancel`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(answer.status).toBe(200);
    await service.jobIn(id, ["cancelled"]);
    await delivered(service, await service.submit({}));
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
