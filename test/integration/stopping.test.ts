/** Stops: of the service while it works, and of its process by SIGSTOP, which must cost nothing. */
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { standStill } from "../chaos/standstill.ts";
import { findProcessesOf } from "../harness/processes.ts";
import { rendersOf, rowsAfterRender } from "../harness/rows.ts";
import {
  clock,
  endService,
  isAlive,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, inPhase, isReady } from "../harness/tasks.ts";

const started: RunningService[] = [];
const directories: { remove: () => void }[] = [];
afterEach(async () => {
  for (const service of started.splice(0)) await endService(service);
  for (const directory of directories.splice(0)) directory.remove();
});

async function start(stateDir?: string, env: Readonly<Record<string, string>> = {}): Promise<RunningService> {
  const directory = stateDir === undefined ? makeStateDir() : null;
  if (directory !== null) directories.push(directory);
  const service = await startService({ stateDir: stateDir ?? directory?.path ?? "", env });
  started.push(service);
  await isReady(service);
  return service;
}

const quick = { UNDERSTUDY_SIM_SPEED: "2" };
const denoising = (service: RunningService, id: string): Promise<unknown> => inPhase(service, id, "denoise", 25);

/** A client that has sent half of its request and says nothing more. */
async function halfRequest(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write("POST /api/v1/generation/submit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{");
}

describe("stopping the service", { timeout: 60_000 }, () => {
  it.each([
    ["SIGINT", "a job in hand", async () => undefined],
    [
      "SIGTERM",
      "a job in hand, open streams and half a request",
      async (service: RunningService) => {
        await halfRequest(service.url);
        await fetch(`${service.url}/api/v1/events`);
      },
    ],
    [
      "SIGTERM",
      "a worker that was stopped and half a request",
      async (service: RunningService) => {
        await halfRequest(service.url);
        process.kill(service.worker()?.pid ?? 0, "SIGSTOP");
      },
    ],
  ] as const)(
    "by %s with %s takes at most 5 s, leaves no process, and the job is finished by the next start",
    async (signal, _what, prepare) => {
      const first = await start(undefined, quick);
      const id = await first.submit({ steps: 40, num_frames: 49 });
      await denoising(first, id);
      await prepare(first);
      const pid = first.worker()?.pid ?? 0;
      const beganAtMs = clock.nowMs();
      first.process.kill(signal);
      expect(await first.ended).toBe(0);
      expect(clock.nowMs() - beganAtMs).toBeLessThan(5_000);
      expect([isAlive(pid), findProcessesOf(first.stateDir)]).toEqual([false, []]);
      const second = await start(first.stateDir, quick);
      await delivered(second, id);
      const [render] = rendersOf(await rowsAfterRender(first.stateDir));
      expect((render?.steps_rendered ?? 0) + (render?.resumed_from_step ?? 0)).toBe(40);
      expect(render?.resumed_from_step).toBeGreaterThan(0);
    },
  );

  it("ends at once on a second signal, and the worker goes too", async () => {
    const service = await start(undefined, quick);
    const id = await service.submit({ steps: 40, num_frames: 49 });
    await denoising(service, id);
    const pid = service.worker()?.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    service.process.kill("SIGINT");
    await until("it says that it stops", () => service.output().includes("Stopping"));
    service.process.kill("SIGINT");
    const beganAtMs = clock.nowMs();
    await service.ended;
    expect(clock.nowMs() - beganAtMs).toBeLessThan(1_500);
    await until("nothing is left", () => findProcessesOf(service.stateDir).length === 0, 3_000);
  });
});

describe("a supervisor that was stopped by SIGSTOP for longer than its lease", { timeout: 60_000 }, () => {
  it("goes on with the same worker, and no step is rendered twice", async () => {
    const service = await start(undefined, { UNDERSTUDY_LEASE: "2s", UNDERSTUDY_SUPERVISION_SILENCE: "2s" });
    expect(await standStill(service, 4_000, 60)).toEqual({
      isWorkerTheSame: true,
      stepsRendered: 60,
      stepsResumed: 0,
      workerExits: 0,
    });
  });
});
