/** What an operator does from the command line, against the running service. */
import { execFile } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  endService,
  isAlive,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";

const launcher = new URL("../../bin/understudy.js", import.meta.url).pathname;
const directory = makeStateDir();
let service: RunningService;

beforeAll(async () => {
  service = await startService({ stateDir: directory.path, env: { UNDERSTUDY_RECOVERY_COOLDOWN: "0s" } });
});
afterAll(async () => {
  await endService(service);
  directory.remove();
});

interface Said {
  readonly status: number;
  readonly output: string;
}

/** Not waited for in one turn: this process has connections of its own to look after. */
function understudy(stateDir: string, ...args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [launcher, ...args, "--state-dir", stateDir],
      { timeout: 100_000 },
      (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code), output: `${stdout}${stderr}` }),
    );
  });
}

const operator = (...args: readonly string[]): Promise<Said> => understudy(directory.path, ...args);

const ready = (): Promise<unknown> =>
  until("the service is ready", async () => (await service.json<{ mode: string }>("/readyz")).body.mode === "ready");

describe("a drill", { timeout: 120_000 }, () => {
  it.each(["kill", "out-of-memory-decode"])(
    "%s is scored by what owners see: told, watchable, delivered, and how long a bystander waited; nothing lost or claimed falsely",
    async (name) => {
      await ready();
      const { status, output } = await operator("drill", "run", name);
      expect(output).toContain(`${name}: passed`);
      expect(output).toMatch(/owner told +\d+\.\d s {3}within 5\.0 s\n/);
      expect(output).toMatch(/bystander waited +\d+\.\d s {3}within 120\.0 s\n +such a job takes \d+\.\d s alone/);
      expect(output).toMatch(/jobs lost\s+0/);
      expect(output).toMatch(/false claims\s+0/);
      expect(status).toBe(0);
    },
  );

  it("is kept, so that a trend shows", async () => {
    const { status, output } = await operator("drill", "list");
    expect(status).toBe(0);
    expect(output).toMatch(/kill {2,}The worker's process is killed[^\n]*\n\s+last: passed in \d/);
    expect(output).toMatch(/\nhang /);
  });

  it("that does not exist is refused, naming those that do", async () => {
    const { status, output } = await operator("drill", "run", "earthquake");
    expect(status).toBe(1);
    expect(output).toContain("There is no drill earthquake; there are kill,");
  });
});

describe("a pause", { timeout: 60_000 }, () => {
  it("gives the card back, keeps what is submitted, and a resume renders it", async () => {
    await ready();
    const pid = service.worker()?.pid ?? 0;
    expect(await operator("pause", "--release-gpu")).toMatchObject({
      status: 0,
      output: "Paused, and every card is free.\n",
    });
    expect(isAlive(pid)).toBe(false);
    const id = await service.submit({});
    expect((await service.json<{ status: string }>(`/api/v1/generate/${id}`)).body.status).toBe("pending");
    const { status, output } = await operator("drill", "run", "kill");
    expect([status, output]).toEqual([1, expect.stringContaining("The service is paused; resume it first.")]);
    expect(await operator("resume")).toMatchObject({ status: 0, output: "Jobs are taken again.\n" });
    await service.jobIn(id, ["completed"], 30_000);
  });
});

it("says in one sentence that no service runs", async () => {
  const said = await understudy("/nowhere/at/all", "pause");
  expect(said).toEqual({
    status: 3,
    output: "understudy: No service runs on /nowhere/at/all; npm start starts one.\n",
  });
});
