/** Every way in which the worker's process can fail under a job, with real processes: the job ends with one result, and the rows say why. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import ffmpeg from "@ffmpeg-installer/ffmpeg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProcesses } from "../harness/processes.ts";
import { clock, endService, isAlive, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";

const steps = 30;
const directory = makeStateDir();
let service: RunningService;

/** Faster than a person would set them, and high limits, so that each case stands alone. */
const env = {
  UNDERSTUDY_SUPERVISION_SILENCE: "3s",
  UNDERSTUDY_SUPERVISION_BACKOFF_LONGEST: "1s",
  UNDERSTUDY_RECOVERY_COOLDOWN: "0s",
  UNDERSTUDY_RECOVERY_BUDGET_ACTIONS: "1000",
  UNDERSTUDY_SUPERVISION_CRASH_LOOP_DEATHS: "1000",
  UNDERSTUDY_QUEUE_QUARANTINE_DEATHS: "50",
};

beforeAll(async () => {
  service = await startService({ stateDir: directory.path, env });
});
afterAll(async () => {
  await endService(service);
  directory.remove();
});

interface Row {
  readonly seq: number;
  readonly kind: string;
  readonly jobId: string | null;
  readonly data: Record<string, unknown>;
}

function rowsSince(seq: number): Row[] {
  const database = new DatabaseSync(join(directory.path, "understudy.db"), { readOnly: true });
  const rows = database.prepare("select seq, kind, job_id as jobId, data from events where seq > ? order by seq").all(seq);
  database.close();
  return rows.map((row) => ({ ...(row as unknown as Row), data: JSON.parse(String(row["data"])) as Record<string, unknown> }));
}

const newestSeq = (): number => rowsSince(0).at(-1)?.seq ?? 0;

/** A sound service, so that each case is about its own fault. */
async function calm(): Promise<void> {
  await until(
    "the service is ready and calm",
    async () => {
      const { body } = await service.json<{ mode: string; open_incidents: { sentence: string }[] }>("/api/v1/recovery/status");
      return body.mode === "ready" && body.open_incidents.every(({ sentence }) => sentence.includes("let through"));
    },
    30_000,
  );
}

interface Task {
  readonly status: string;
  readonly is_mock: boolean;
  readonly phase?: string;
  readonly progress: number;
}

const taskOf = async (id: string): Promise<Task> => (await service.json<Task>(`/api/v1/generate/${id}`)).body;

/** Frames of the delivered file, counted by another decoder than the one that wrote it. */
async function framesOf(id: string): Promise<number> {
  const answer = await fetch(`${service.url}/api/v1/outputs/${id}/video`);
  const path = join(directory.path, `${id}.mp4`);
  writeFileSync(path, new Uint8Array(await answer.arrayBuffer()));
  const output = execFileSync(ffmpeg.path, ["-v", "error", "-i", path, "-map", "0:v:0", "-f", "framemd5", "-"], { encoding: "utf8" });
  return output.split("\n").filter((line) => /^\d/.test(line)).length;
}

/** Asks all the time, as clients do; every answer's status. */
function pollAlways(id: string): { stop: () => Promise<Set<number>> } {
  const statuses = new Set<number>();
  let isOver = false;
  const polling = (async () => {
    while (!isOver) {
      for (const path of [`/api/v1/generate/${id}`, "/api/v1/queue", "/api/v1/recovery/status", "/readyz"])
        statuses.add((await service.json(path)).status);
      await clock.sleep(100);
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await polling;
      return statuses;
    },
  };
}

interface Story {
  readonly rows: readonly Row[];
  readonly codes: readonly string[];
}

/** Submits a job, lets `harm` do its worst, and checks what every case must show. */
async function survive(harm: (id: string) => Promise<void>, fields: Record<string, unknown> = {}): Promise<Story> {
  await calm();
  const since = newestSeq();
  const id = await service.submit({ steps, num_frames: 13, ...fields });
  const client = pollAlways(id);
  try {
    await harm(id);
    await until(
      "the real result",
      async () => {
        const task = await taskOf(id);
        return task.status === "completed" && !task.is_mock;
      },
      40_000,
    );
  } finally {
    expect(await client.stop()).toEqual(new Set([200]));
  }
  expect(await framesOf(id)).toBe(13);
  const rows = rowsSince(since);
  expect(rows.filter((row) => row.kind === "job.succeeded" && row.jobId === id)).toHaveLength(1);
  // A repair that has just let one job through takes a new fault of its worker as its own.
  const told = rows.filter((row) => row.kind === "incident.opened" || row.kind === "incident.joined");
  return { rows, codes: told.map((row) => (row.data["fault"] as { code: string }).code) };
}

const inDenoise = (id: string): Promise<unknown> =>
  until("the job is in the middle of its denoising", async () => {
    const task = await taskOf(id);
    return task.phase === "denoise" && task.progress > 20;
  });

const rendersOf = (rows: readonly Row[]): { readonly steps_rendered: number; readonly resumed_from_step: number }[] =>
  rows.filter((row) => row.kind === "render.completed").map((row) => row.data as { steps_rendered: number; resumed_from_step: number });

const workerPid = (): number => service.worker()?.pid ?? 0;

describe("a worker that is killed", { timeout: 120_000 }, () => {
  // The card makes the process kill itself at that very moment: no other process could hit a phase of milliseconds.
  it.each(["encode", "decode", "mux"])("in %s costs no job", async (phase) => {
    const { rows, codes } = await survive(async () => undefined, { prompt: `a fox [[sim:crash:SIGKILL@${phase}]]` });
    expect(codes).toEqual(["WORKER_EXITED"]);
    expect(rendersOf(rows).map((render) => render.steps_rendered + render.resumed_from_step)).toEqual([steps]);
  });

  it("in denoise, from outside, costs no job", async () => {
    const { rows, codes } = await survive(async (id) => {
      await inDenoise(id);
      process.kill(workerPid(), "SIGKILL");
    });
    expect(codes).toEqual(["WORKER_EXITED"]);
    expect(rendersOf(rows).map((render) => render.steps_rendered + render.resumed_from_step)).toEqual([steps]);
  });

  it("while it loads its model costs no job", async () => {
    const { rows } = await survive(async () => {
      const first = workerPid();
      process.kill(first, "SIGKILL");
      const next = await until("the next process", () => {
        const pid = workerPid();
        return pid !== 0 && pid !== first && isAlive(pid) ? pid : null;
      });
      process.kill(next, "SIGKILL");
    });
    expect(rows.filter((row) => row.kind === "worker.exited").length).toBeGreaterThanOrEqual(2);
  });

  it("while its file is checked and committed costs nothing but the next start", async () => {
    const { rows } = await survive(async (id) => {
      await until("the file is there", () => rowsSince(0).some((row) => row.kind === "render.completed" && row.jobId === id));
      process.kill(workerPid(), "SIGKILL");
    });
    expect(rows.filter((row) => row.kind === "render.began")).toHaveLength(1);
  });
});

describe("a worker that does not answer", { timeout: 120_000 }, () => {
  it("because it was stopped is ended and replaced, and its job is finished", async () => {
    let stopped = 0;
    const { codes, rows } = await survive(async (id) => {
      await inDenoise(id);
      stopped = workerPid();
      process.kill(stopped, "SIGSTOP");
    });
    expect(codes).toEqual(["WORKER_SILENT"]);
    expect(rows.find((row) => row.kind === "worker.exited")?.data["silent_for_ms"]).toBeGreaterThanOrEqual(3_000);
    expect(isAlive(stopped)).toBe(false);
  });

  it("because its heartbeat fell silent is ended and replaced", async () => {
    const { codes } = await survive(async () => undefined, { prompt: "a fox [[sim:silent@denoise:5]] [[sim:stall@denoise:6]]" });
    expect(codes).toEqual(["WORKER_SILENT"]);
  });
});

describe("a worker that ends by itself", { timeout: 120_000 }, () => {
  it.each([
    ["exit:75", "GPU_CONTEXT_POISONED"],
    ["exit:78", "WORKER_CONFIGURATION"],
    ["exit:1", "WORKER_EXITED"],
    ["crash:SIGSEGV", "WORKER_EXITED"],
    ["poison", "GPU_CONTEXT_POISONED"],
  ])("with %s is known as %s, and its job is finished", async (card, code) => {
    const { codes } = await survive(async () => undefined, { prompt: `a fox [[sim:${card}@denoise:8]]` });
    expect(codes[0]).toBe(code);
  });
});

describe("the media child", { timeout: 120_000 }, () => {
  it("that is killed while it checks a file costs one retry", async () => {
    const { codes } = await survive(async () => {
      const child = await until("the media child works", () =>
        findProcesses("media-child").find((found) => found.parentPid === service.pid),
      );
      process.kill(child.pid, "SIGKILL");
    });
    expect(codes).toEqual([]);
  });
});
