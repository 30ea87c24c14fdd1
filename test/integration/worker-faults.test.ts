/** Every way in which the worker's process can fail under a job, with real processes: the job ends with one result, and clients are told why. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { stepSeconds } from "../../src/core/model-figures.ts";
import { type EventReader, followEvents } from "../harness/event-reader.ts";
import { findMediaChild } from "../harness/processes.ts";
import { newestSeq, type Row, rendersOf, rowsAfterRender, rowsSince } from "../harness/rows.ts";
import {
  endService,
  isAlive,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, deliveredFrames, inPhase, pollAlways } from "../harness/tasks.ts";

const steps = 30;
/** At most so much of a real card's work is lost with a worker. */
const checkpointEveryMs = 30_000;
const directory = makeStateDir();
let service: RunningService;

/** Faster than a person would set them, and high limits, so that each case stands alone. */
const env = {
  UNDERSTUDY_SIM_SPEED: "2",
  UNDERSTUDY_SUPERVISION_SILENCE: "2s",
  UNDERSTUDY_SUPERVISION_STILLNESS: "3s",
  UNDERSTUDY_SUPERVISION_BACKOFF_LONGEST: "1s",
  UNDERSTUDY_RECOVERY_COOLDOWN: "0s",
  UNDERSTUDY_RECOVERY_BUDGET_ACTIONS: "1000",
  UNDERSTUDY_RECOVERY_BREAKER_REPAIRS: "100",
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

interface RecoveryStatus {
  readonly mode: string;
  readonly open_incidents: readonly { readonly sentence: string }[];
  readonly recovery_attempts: readonly {
    readonly action: string;
    readonly outcome: string;
    readonly incident_id?: string;
  }[];
}

const recoveryStatus = async (): Promise<RecoveryStatus> =>
  (await service.json<RecoveryStatus>("/api/v1/recovery/status")).body;

/** A sound service, so that each case is about its own fault. */
async function calm(): Promise<void> {
  await until("the service is ready and calm", async () => {
    const { mode, open_incidents } = await recoveryStatus();
    return mode === "ready" && open_incidents.every(({ sentence }) => sentence.includes("let through"));
  });
}

interface Story {
  readonly id: string;
  readonly rows: readonly Row[];
  /** Codes of the faults that incidents were opened for or joined by. */
  readonly codes: readonly string[];
  /** Actions of recovery in these incidents that helped. */
  readonly helped: readonly string[];
}

/** A client of the event stream has heard of every row, once and in order. */
async function expectToldEverything(reader: EventReader, rows: readonly Row[]): Promise<void> {
  const last = rows.at(-1)?.seq ?? 0;
  await until("the stream has told everything", () => reader.messages.some(({ id }) => id !== null && id >= last));
  const told = reader.messages.filter(
    ({ id, event }) => id !== null && event !== "snapshot" && !event.startsWith("machine."),
  );
  const wanted = rows.map(({ seq, kind }) => ({ id: seq, event: kind }));
  expect(told.map(({ id, event }) => ({ id, event })).filter(({ id }) => id !== null && id <= last)).toEqual(wanted);
}

/** A repair that has just let one job through takes a new fault of its worker as its own. */
const faultsIn = (rows: readonly Row[]): readonly Row[] =>
  rows.filter(({ kind }) => kind === "incident.opened" || kind === "incident.joined");

/** Submits a job, lets `harm` do its worst, and checks what every case must show. */
async function survive(
  harm: (id: string, reader: EventReader) => Promise<void>,
  fields: Record<string, unknown> = {},
): Promise<Story> {
  await calm();
  const reader = await followEvents(service);
  await until("the stream's snapshot", () => reader.messages.length > 0);
  const since = reader.messages[0]?.id ?? newestSeq(directory.path);
  const id = await service.submit({ steps, num_frames: 13, ...fields });
  const client = pollAlways(service, id);
  let statuses: ReadonlySet<number> = new Set();
  try {
    await harm(id, reader);
    await delivered(service, id);
    await calm();
    // What waits for the job's next attempt is proven by its success, a moment after that is told.
    await until("its repairs are proven", () => {
      const rows = rowsSince(directory.path, since);
      const isWaiting = ({ kind, data }: Row): boolean =>
        kind === "rung.ended" && String(data["reason"]).includes("it waits for the job's next attempt");
      return rows.filter(isWaiting).length <= rows.filter(({ kind }) => kind === "rung.revised").length;
    });
  } finally {
    statuses = await client.stop();
  }
  expect(statuses).toEqual(new Set([200]));
  expect(await deliveredFrames(service, id)).toBe(fields["num_frames"] ?? 13);
  const rows = await rowsAfterRender(directory.path, since);
  await expectToldEverything(reader, rows);
  await reader.stop();
  expect(rows.filter((row) => row.kind === "job.succeeded" && row.jobId === id)).toHaveLength(1);
  const faults = faultsIn(rows);
  const incidents = new Set(faults.map((row) => row.incidentId));
  const helped = (await recoveryStatus()).recovery_attempts.filter(
    ({ incident_id, outcome }) => incidents.has(incident_id ?? null) && outcome === "effective",
  );
  const codes = faults.map((row) => (row.data["fault"] as { code: string }).code);
  return { id, rows, codes, helped: helped.map(({ action }) => action) };
}

const workerPid = (): number => service.worker()?.pid ?? 0;
const addedUp = (rows: readonly Row[]): number[] =>
  rendersOf(rows).map((render) => render.steps_rendered + render.resumed_from_step);
const furthestStep = ({ messages }: EventReader): number =>
  Math.max(
    0,
    ...messages
      .filter(({ event, data }) => event === "progress" && data["phase"] === "denoise")
      .map(({ data }) => Number(data["step"])),
  );

/** The check of a file waits for a media child that is stopped, so that what happens then falls into it for certain. */
async function stoppedMediaChild(): Promise<number> {
  const { pid } = await until("the media child works", () => findMediaChild(service.pid));
  process.kill(pid, "SIGSTOP");
  return pid;
}

const rendered = (id: string): Promise<unknown> =>
  until("the file is there", () =>
    rowsSince(directory.path).some((row) => row.kind === "render.completed" && row.jobId === id),
  );

describe("a worker that is killed", { timeout: 120_000 }, () => {
  // The card holds the phase, which would last milliseconds; it does so once, so that the next attempt goes through.
  it.each(["encode", "decode", "mux"])("in %s costs no job", async (phase) => {
    const { rows, codes, helped } = await survive(
      async (id) => {
        await inPhase(service, id, phase);
        process.kill(workerPid(), "SIGKILL");
      },
      { prompt: `a fox [[sim:stall@${phase}]]` },
    );
    expect(codes).toEqual(["WORKER_EXITED"]);
    expect(helped).toContain("restart_pipeline");
    expect(addedUp(rows)).toEqual([steps]);
    // What was denoised before the later phases is not denoised again.
    expect(rendersOf(rows)[0]?.resumed_from_step).toBe(phase === "encode" ? 0 : steps);
  });

  it("in denoise repeats no more steps than its checkpoints lie apart", async () => {
    let reached = 0;
    const { rows, codes, helped } = await survive(
      async (id, reader) => {
        await inPhase(service, id, "denoise", 45);
        process.kill(workerPid(), "SIGKILL");
        await until("its end is told", () => reader.messages.some(({ event }) => event === "worker.exited"));
        reached = furthestStep(reader);
      },
      { num_frames: 49 },
    );
    expect(codes).toEqual(["WORKER_EXITED"]);
    expect(helped).toContain("restart_pipeline");
    expect(addedUp(rows)).toEqual([steps]);
    const model = createModelCatalog().entryOf("T2V-A14B");
    const realStepMs = stepSeconds(model, { width: 864, height: 480, frames: 49 }, "model-offload") * 1_000;
    const apart = Math.max(1, Math.floor(checkpointEveryMs / realStepMs));
    expect(apart).toBeLessThan(steps / 3);
    expect(rendersOf(rows)[0]?.resumed_from_step).toBeGreaterThan(reached - apart - 1);
    expect(reached).toBeGreaterThan(apart);
  });

  it("in denoise of a model that is not its first one is back with that model at once", async () => {
    const { rows, helped } = await survive(
      async (id) => {
        await inPhase(service, id, "denoise");
        process.kill(workerPid(), "SIGKILL");
      },
      { model_type: "TI2V-5B", resolution: "1280x720" },
    );
    expect(helped).toEqual(["restart_pipeline"]);
    const rungs = rows.filter(({ kind, data }) => kind === "rung.ended" && data["outcome"] === "failed");
    expect(rungs).toEqual([]);
    expect(rows.filter(({ kind }) => kind === "model.proven").at(-1)?.data["model"]).toBe("TI2V-5B");
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
      const child = await stoppedMediaChild();
      await rendered(id);
      const pid = workerPid();
      process.kill(pid, "SIGKILL");
      await until("the worker is gone", () => !isAlive(pid));
      expect(rowsSince(directory.path).some((row) => row.kind === "job.succeeded" && row.jobId === id)).toBe(false);
      process.kill(child, "SIGCONT");
    });
    expect(rows.filter((row) => row.kind === "render.began")).toHaveLength(1);
  });
});

describe("a worker that does not answer", { timeout: 120_000 }, () => {
  it("because it was stopped is ended and replaced, and its job is finished", async () => {
    let stopped = 0;
    const { codes, rows, helped } = await survive(async (id) => {
      await inPhase(service, id, "denoise", 20);
      stopped = workerPid();
      process.kill(stopped, "SIGSTOP");
    });
    expect(codes).toEqual(["WORKER_SILENT"]);
    expect(helped).toContain("restart_pipeline");
    expect(rows.find((row) => row.kind === "worker.exited")?.data["silent_for_ms"]).toBeGreaterThanOrEqual(2_000);
    expect(isAlive(stopped)).toBe(false);
    expect(addedUp(rows)).toEqual([steps]);
  });

  it("because its heartbeat fell silent is ended and replaced", async () => {
    const { codes } = await survive(async () => undefined, {
      prompt: "a fox [[sim:silent@denoise:5]] [[sim:stall@denoise:6]]",
    });
    expect(codes).toEqual(["WORKER_SILENT"]);
  });
});

/** Renders one job to its end, then waits for what the worker does with nothing in hand. */
async function afterwards(card: string): Promise<{ exited: Row; fault: Row | undefined; renderCount: number }> {
  await calm();
  const since = newestSeq(directory.path);
  const pid = workerPid();
  const id = await service.submit({ steps, num_frames: 13, prompt: `a fox [[sim:${card}]]` });
  await delivered(service, id);
  const exited = await until("the worker is ended", () =>
    rowsSince(directory.path, since).find(({ kind }) => kind === "worker.exited"),
  );
  await calm();
  expect([isAlive(pid), workerPid() === pid]).toEqual([false, false]);
  const rows = rowsSince(directory.path, since);
  expect(rows.filter(({ kind, jobId }) => kind === "job.succeeded" && jobId === id)).toHaveLength(1);
  return { exited, fault: faultsIn(rows)[0], renderCount: rows.filter(({ kind }) => kind === "render.began").length };
}
const faultOf = (row: Row | undefined) => row?.data["fault"] as { code: string; decidedBy: string } | undefined;

describe("a worker of which one half lives", { timeout: 120_000 }, () => {
  it("is replaced when its main thread is dead with nothing in hand, although its heartbeats go on", async () => {
    const { exited, fault, renderCount } = await afterwards("freeze@denoise:5");
    expect(exited.data["silent_for_ms"]).toBeUndefined();
    expect(faultOf(fault)).toMatchObject({
      code: "WORKER_STALLED",
      decidedBy: expect.stringContaining("its main thread did nothing for"),
    });
    expect(renderCount).toBe(1);
  });

  it("renders to the end when only its heartbeats are dead, and is replaced after that", async () => {
    const { exited, fault, renderCount } = await afterwards("silent@denoise:2");
    expect(exited.data["silent_for_ms"]).toBeGreaterThanOrEqual(2_000);
    expect(faultOf(fault)?.code).toBe("WORKER_SILENT");
    expect(renderCount).toBe(1);
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
    const { codes, rows } = await survive(async () => undefined, { prompt: `a fox [[sim:${card}@denoise:8]]` });
    expect(codes[0]).toBe(code);
    expect(addedUp(rows)).toEqual([steps]);
  });
});

describe("the media child", { timeout: 120_000 }, () => {
  it("that is killed while it checks a file costs one retry", async () => {
    const { codes, rows } = await survive(async (id) => {
      const child = await stoppedMediaChild();
      await rendered(id);
      process.kill(child, "SIGKILL");
    });
    expect(codes).toEqual([]);
    expect(rows.filter((row) => row.kind === "render.began")).toHaveLength(1);
  });
});
