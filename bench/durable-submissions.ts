/**
 * Measures what durability costs a submission: the service over HTTP against bare fsynced inserts of the same size on
 * the same disk, in turns, so that a slow disk slows both.
 */
import { Agent, request } from "node:http";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { clock, endService, makeStateDir, smallJob, startService } from "../test/harness/running-service.ts";
import { type BenchResult, medianOf } from "./result.ts";

const connections = 16;
const rounds = 5;
const perRound = 400;

/** Single inserts of the same size, each fsynced, by one process: what the disk allows without grouping. */
function rawInsertsPerSecond(directory: string, round: number): number {
  const database = new DatabaseSync(join(directory, `raw-${round}.db`));
  database.exec(
    "pragma journal_mode = wal; pragma synchronous = full; create table jobs(id text primary key, spec text, at integer) strict",
  );
  const insert = database.prepare("insert into jobs values (?, ?, ?)");
  const spec = JSON.stringify({ ...smallJob, padding: "x".repeat(400) });
  const startedAtMs = clock.nowMs();
  for (let index = 0; index < perRound; index += 1) insert.run(`job-${index}`, spec, index);
  const tookMs = clock.nowMs() - startedAtMs;
  database.close();
  return (perRound / tookMs) * 1_000;
}

function post(url: URL, agent: Agent, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const call = request(new URL("/api/v1/generation/submit", url), { method: "POST", agent, headers }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    });
    call.on("error", reject);
    call.end(body);
  });
}

async function submissionsPerSecond(url: URL): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const body = JSON.stringify(smallJob);
  let sent = 0;
  const startedAtMs = clock.nowMs();
  const client = async (): Promise<void> => {
    while (sent < perRound) {
      sent += 1;
      const status = await post(url, agent, body);
      if (status !== 200) throw new Error(`a submission answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
  const tookMs = clock.nowMs() - startedAtMs;
  agent.destroy();
  return (perRound / tookMs) * 1_000;
}

/** Durable submissions over HTTP at 16 connections against the same fsynced insert, raw in node:sqlite. */
export async function benchSubmissions(): Promise<BenchResult[]> {
  const directory = makeStateDir();
  const service = await startService({
    stateDir: directory.path,
    env: {
      UNDERSTUDY_QUEUE_MAX_JOBS: "10000",
      UNDERSTUDY_QUEUE_MAX_JOBS_PER_KEY: "10000",
      UNDERSTUDY_LIMITS_PER_SECOND: "100000",
      UNDERSTUDY_LOG_LEVEL: "warn",
    },
  });
  try {
    const url = new URL(service.url);
    await submissionsPerSecond(url);
    const pairs: { http: number; raw: number }[] = [];
    for (let round = 0; round < rounds; round += 1)
      pairs.push({ raw: rawInsertsPerSecond(directory.path, round), http: await submissionsPerSecond(url) });
    return [
      {
        what: "durable submissions over HTTP / raw fsynced inserts",
        value: medianOf(pairs.map((pair) => pair.http / pair.raw)),
        unit: "",
        limit: { kind: "atLeast", value: 0.3 },
        detail: `${Math.round(medianOf(pairs.map((pair) => pair.http)))} /s against ${Math.round(medianOf(pairs.map((pair) => pair.raw)))} /s, ${connections} connections, median of ${rounds}`,
      },
    ];
  } finally {
    await endService(service);
    directory.remove();
  }
}
