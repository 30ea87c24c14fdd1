/**
 * Measures whether a long history slows the start: a database with 100,000 ended jobs must open about as fast as an
 * empty one.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { clock, endService, makeStateDir, startService } from "../test/harness/running-service.ts";
import { type BenchResult, medianOf } from "./result.ts";

const jobCount = 100_000;
const rounds = 5;

async function startMs(stateDir: string): Promise<number> {
  const beginAtMs = clock.nowMs();
  const service = await startService({ stateDir, env: { UNDERSTUDY_LOG_LEVEL: "warn" }, limitMs: 60_000 });
  const tookMs = clock.nowMs() - beginAtMs;
  await endService(service);
  return tookMs;
}

/** Copies one real row of an ended job many times, so that the rows are of the kind that a year of use leaves. */
function multiplyJobs(stateDir: string): void {
  const database = new DatabaseSync(join(stateDir, "understudy.db"));
  const columns = (
    database
      .prepare("select name from pragma_table_info('jobs') where name not in ('id', 'idempotency_key')")
      .all() as { name: string }[]
  )
    .map(({ name }) => name)
    .join(", ");
  database.exec("update jobs set state = 'succeeded', ended_at = created_at");
  database.exec(
    `insert into jobs (id, ${columns}) with recursive n (i) as (select 1 union all select i + 1 from n where i < ${jobCount})
     select printf('00000000-0000-4000-8000-%012d', i), ${columns} from n, (select * from jobs limit 1)`,
  );
  database.close();
}

/** From the start of the process until it listens: with a long history and with none, in turns. */
export async function benchStartWithJobs(): Promise<BenchResult[]> {
  const [empty, full] = [makeStateDir(), makeStateDir()];
  try {
    const service = await startService({ stateDir: full.path });
    await service.submit();
    await endService(service);
    multiplyJobs(full.path);
    await startMs(empty.path);
    await startMs(full.path);
    const pairs: { full: number; empty: number }[] = [];
    for (let round = 0; round < rounds; round += 1)
      pairs.push({ full: await startMs(full.path), empty: await startMs(empty.path) });
    return [
      {
        what: `start to listening with ${jobCount} jobs / with none`,
        value: medianOf(pairs.map((pair) => pair.full / pair.empty)),
        unit: "",
        limit: { kind: "atMost", value: 2 },
        detail: `${Math.round(medianOf(pairs.map((pair) => pair.full)))} ms against ${Math.round(medianOf(pairs.map((pair) => pair.empty)))} ms, median of ${rounds}`,
      },
    ];
  } finally {
    empty.remove();
    full.remove();
  }
}
