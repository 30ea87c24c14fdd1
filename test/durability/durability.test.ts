import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findStrace } from "../../scripts/require-strace.ts";
import { clock, endService, makeStateDir, startService, until } from "../harness/running-service.ts";
import { remainsOf, writeRemains } from "./power-loss.ts";
import { isLink, isSync, readSystemCalls, type SystemCall, straceFlags, toldText } from "./system-calls.ts";

interface Recording {
  readonly stateDir: string;
  readonly snapshot: ReadonlyMap<string, Buffer>;
  readonly calls: readonly SystemCall[];
  readonly jobIds: readonly string[];
}

/** A clone that is started for the first time is bundled first. */
const startLimitMs = 60_000;
const stateDir = makeStateDir();
const scratch = mkdtempSync(join(tmpdir(), "understudy-remains-"));

function straceOf(pid: number, logPath: string) {
  const found = findStrace(process.env);
  if (found.kind === "missing") throw new Error(found.message);
  const child = spawn(found.path, [...straceFlags, "-o", logPath, "-p", String(pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += String(chunk);
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return {
    attached: () => until(`strace follows the service: ${said}`, () => /attached/.test(said)),
    end: () => {
      child.kill("SIGINT");
      return ended;
    },
  };
}

/** Renders a few jobs in a real service while strace looks on. */
async function record(): Promise<Recording> {
  const service = await startService({ stateDir: stateDir.path, limitMs: startLimitMs });
  await until(
    "the service is ready",
    async () => (await service.json("/readyz")).body["mode"] === "ready",
    startLimitMs,
  );
  const logPath = join(scratch, "calls.txt");
  const strace = straceOf(service.pid, logPath);
  await strace.attached();
  const databases = ["understudy.db", "understudy.db-wal"].map((name) => join(stateDir.path, name));
  const snapshot = new Map(databases.map((path) => [path, readFileSync(path)]));
  const jobIds: string[] = [];
  for (const seed of [1, 2]) {
    const id = await service.submit({ seed });
    jobIds.push(id);
    await service.jobIn(id, ["completed"]);
  }
  const isAcknowledged = (id: string): boolean =>
    readSystemCalls(readFileSync(logPath, "utf8")).some((call) => acknowledges(call, id));
  await until("every result is acknowledged to its worker", () => jobIds.every(isAcknowledged));
  await strace.end();
  await endService(service);
  return { stateDir: stateDir.path, snapshot, calls: readSystemCalls(readFileSync(logPath, "utf8")), jobIds };
}

const acknowledges = (call: SystemCall, id: string): boolean => {
  const text = toldText(call);
  return text.includes('"job/ack"') && text.includes(id);
};
const answersSubmission = (call: SystemCall, id: string): boolean => {
  const text = toldText(call);
  return text.startsWith("HTTP/1.1 200") && text.includes(`"task_id":"${id}"`);
};

interface Kept {
  readonly states: ReadonlyMap<string, string>;
  readonly artifacts: readonly { readonly job_id: string; readonly name: string }[];
}

function readKept(path: string): Kept {
  const database = new DatabaseSync(path);
  const jobs = database.prepare("select id, state from jobs").all() as { id: string; state: string }[];
  const artifacts = database.prepare("select job_id, name from artifacts where kind = 'result'").all();
  database.close();
  return {
    states: new Map(jobs.map(({ id, state }) => [id, state])),
    artifacts: artifacts as unknown as Kept["artifacts"],
  };
}

describe("what a service has said is on the disk", { timeout: 120_000 }, () => {
  let recording: Recording;
  beforeAll(async () => {
    recording = await record();
  }, 180_000);
  afterAll(() => {
    stateDir.remove();
    rmSync(scratch, { recursive: true, force: true });
    clock.stop();
  });

  it("syncs the result, its folder and the database, in this order, before the worker may forget it", () => {
    const { calls, jobIds } = recording;
    const wal = join(recording.stateDir, "understudy.db-wal");
    for (const id of jobIds) {
      const staged = calls.find((call) => isSync(call) && call.target.includes(`${id}-1-result`));
      const named = calls.find((call) => isLink(call) && String(call.texts[0]).includes(`${id}-1-result`));
      const folder = calls.find(
        (call) =>
          isSync(call) &&
          call.begunAt > (named?.endedAt ?? 0) &&
          call.target === String(named?.texts[1]).replace(/\/[^/]*$/, ""),
      );
      const committed = calls.find(
        (call) => isSync(call) && call.target === wal && call.begunAt > (folder?.endedAt ?? 0),
      );
      const told = calls.find((call) => acknowledges(call, id));
      const order = [staged, named, folder, committed].map((call) => call?.endedAt ?? Number.NaN);
      expect([...order, told?.begunAt ?? Number.NaN], id).toEqual(
        [...order, told?.begunAt ?? Number.NaN].toSorted((one, other) => one - other),
      );
      expect(order.every(Number.isFinite), id).toBe(true);
    }
  });

  it("has kept, after a loss of power at any sync, everything that it had said", () => {
    const { calls, jobIds, snapshot } = recording;
    const pathOf = (path: string): string => join(scratch, basename(path));
    const lies: string[] = [];
    const remains = remainsOf(calls);
    for (const { barrierAt, untilAt, files } of remains) {
      rmSync(join(scratch, "understudy.db-shm"), { force: true });
      writeRemains(snapshot, calls, barrierAt, pathOf);
      const kept = readKept(join(scratch, "understudy.db"));
      const isTold = (says: (call: SystemCall, id: string) => boolean, id: string): boolean =>
        calls.some((call) => call.begunAt < untilAt && says(call, id));
      for (const id of jobIds) {
        if (isTold(answersSubmission, id) && !kept.states.has(id)) lies.push(`job ${id} was taken and is lost`);
        if (isTold(acknowledges, id) && kept.states.get(id) !== "succeeded")
          lies.push(`the worker was told to forget the result of job ${id}, which is ${kept.states.get(id)}`);
      }
      for (const { job_id: id, name } of kept.artifacts)
        if (jobIds.includes(id) && !files.has(join(recording.stateDir, "artifacts", name)))
          lies.push(`the result of job ${id} is committed, and its file is not there`);
    }
    expect(lies).toEqual([]);
    expect(remains.length).toBeGreaterThan(10);
  });
});
