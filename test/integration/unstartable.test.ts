/** Workers that cannot start until a person mends something, with real processes: it is said once, and the others serve on. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type Row, rowsSince } from "../harness/rows.ts";
import {
  clock,
  endService,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, isReady } from "../harness/tasks.ts";

const directories: ReturnType<typeof makeStateDir>[] = [];
const services: RunningService[] = [];
afterEach(async () => {
  for (const service of services.splice(0)) await endService(service);
  for (const directory of directories.splice(0)) directory.remove();
});

function makePlace(): string {
  const directory = makeStateDir();
  directories.push(directory);
  return directory.path;
}

async function start(stateDir: string, args: readonly string[]): Promise<RunningService> {
  const service = await startService({ stateDir, args });
  services.push(service);
  return service;
}

/** A worker of one's own beside a simulator that is sound. */
function besideASimulator(stateDir: string, command: readonly string[]): readonly string[] {
  const path = join(stateDir, "two-workers.json");
  const workers = [{ id: "engine", kind: "own", command }, { id: "sim" }];
  writeFileSync(path, JSON.stringify({ workers, sim: { speed: 4 } }));
  return ["--config", path];
}

interface Status {
  readonly mode: string;
  readonly workers: readonly { readonly id: string; readonly kind: string; readonly state: string }[];
  readonly open_incidents: readonly { readonly worker_id: string; readonly sentence: string }[];
  readonly issues: readonly string[];
}

const statusOf = async (service: RunningService): Promise<Status> =>
  (await service.json<Status>("/api/v1/status")).body;

/** The one incident of a worker that cannot start, once it is told. */
const toldOf = (service: RunningService, workerId: string): Promise<Status> =>
  until("status tells that the worker cannot start", async () => {
    const status = await statusOf(service);
    const isTold = status.open_incidents.some(
      ({ worker_id: of, sentence }) => of === workerId && /cannot start/.test(sentence),
    );
    return isTold && status;
  });

const kindsOf = (rows: readonly Row[], kind: string): readonly Row[] => rows.filter((row) => row.kind === kind);

/** Nothing was tried, paid or counted for a cause that no restart can mend. */
function expectNoLoop(stateDir: string): void {
  const rows = rowsSince(stateDir);
  expect(kindsOf(rows, "worker.notStarted")).toHaveLength(1);
  expect(kindsOf(rows, "incident.opened")).toHaveLength(1);
  for (const kind of ["worker.exited", "worker.crashLooped", "budget.spent", "rung.started", "incident.stoodIn"])
    expect(kindsOf(rows, kind), kind).toEqual([]);
}

/** The log's lines at `error` about workers. */
const errorsOf = (service: RunningService): readonly Readonly<Record<string, unknown>>[] =>
  service
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ level, event }) => level === "error" && event === "worker.notStarted");

describe("a diffusers worker without its interpreter", () => {
  it("is told at the start, in status and log, as what it is configured to be, and is not started in a loop", async () => {
    const stateDir = makePlace();
    const python = join(stateDir, "no-venv", "bin", "python");
    const service = await start(stateDir, ["--worker", "diffusers", "--python", python]);
    const status = await toldOf(service, "worker-0");
    expect(status.workers).toMatchObject([{ kind: "diffusers", state: "unstartable" }]);
    expect(status.open_incidents).toHaveLength(1);
    expect(status.open_incidents[0]?.sentence).toContain(python);
    expect(status.open_incidents[0]?.sentence).toContain("npm run worker:install");
    expect(status.mode).toBe("mock");
    expect(errorsOf(service)).toHaveLength(1);
    expect(service.output()).toContain(`${python} `);
    await clock.sleep(3_000);
    expectNoLoop(stateDir);
    const health = await service.json<{ overall_status: string; issues: string[] }>("/api/v1/recovery/health");
    expect(JSON.stringify(health.body)).toContain("cannot start");
    expect(JSON.stringify(health.body)).not.toContain('"healthy"');
  });
});

describe("a worker of one's own", () => {
  it("that ends with 78 keeps its own words: the healthy one beside it serves on", async () => {
    const stateDir = makePlace();
    const remedy = "Set ENGINE_URL to the address of the engine, such as http://127.0.0.1:8188.";
    const service = await start(
      stateDir,
      besideASimulator(stateDir, ["/bin/sh", "-c", `echo "${remedy}" >&2; exit 78`]),
    );
    const status = await toldOf(service, "engine");
    expect(status.open_incidents[0]?.sentence).toContain(remedy);
    expect(status.workers[0]).toMatchObject({ id: "engine", kind: "own", state: "unstartable" });
    const id = await service.submit();
    await delivered(service, id);
    await clock.sleep(3_000);
    expectNoLoop(stateDir);
    expect((await statusOf(service)).mode).toBe("degraded");
  });

  it("whose program does not exist is started when the program is there, without being asked", async () => {
    const stateDir = makePlace();
    const program = join(stateDir, "my-worker");
    const service = await start(stateDir, besideASimulator(stateDir, [program]));
    expect((await toldOf(service, "engine")).open_incidents[0]?.sentence).toContain(program);
    expectNoLoop(stateDir);
    writeFileSync(program, "#!/bin/sh\necho 'The model folder is missing.' >&2\nexit 78\n", { mode: 0o755 });
    await until("it was tried again", () => kindsOf(rowsSince(stateDir), "worker.notStarted").length === 2);
    await until("status tells the new reason", async () =>
      (await statusOf(service)).open_incidents[0]?.sentence.includes("The model folder is missing."),
    );
    expect(kindsOf(rowsSince(stateDir), "incident.opened")).toHaveLength(1);
  });

  it("is tried again on a reset, and its incident ends when it renders", async () => {
    const stateDir = makePlace();
    const flag = join(stateDir, "mended");
    const simulator = new URL("../../src/workers/simulator/main.ts", import.meta.url).pathname;
    const script = `[ -e ${flag} ] || { echo "Make ${flag} first." >&2; exit 78; }; exec ${process.execPath} ${simulator}`;
    const service = await start(stateDir, besideASimulator(stateDir, ["/bin/sh", "-c", script]));
    await toldOf(service, "engine");
    writeFileSync(flag, "");
    await service.json("/api/v1/recovery/reset", { method: "POST" });
    await until("the worker serves and its incident is over", async () => {
      const { open_incidents, workers } = await statusOf(service);
      return open_incidents.length === 0 && workers[0]?.state.startsWith("living");
    });
    await isReady(service);
    const [closed] = kindsOf(rowsSince(stateDir), "incident.closed");
    expect(closed?.data["status"]).toBe("resolved");
  });
});
