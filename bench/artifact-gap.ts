/**
 * Measures how long a card stands idle between two jobs: a finished file is checked and committed while the next render
 * begins, so the gap must stay small.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { endService, makeStateDir, startService } from "../test/harness/running-service.ts";
import { type BenchResult, percentileOf } from "./result.ts";

const jobCount = 12;

interface Row {
  readonly at_ms: number;
  readonly kind: string;
  readonly data: string;
}

/** From a worker's finished artifact to its next `generate`, while jobs wait: the commit must not hold the device. */
export async function benchGap(): Promise<BenchResult[]> {
  const directory = makeStateDir();
  const service = await startService({ stateDir: directory.path, env: { UNDERSTUDY_LOG_LEVEL: "warn" } });
  try {
    const ids: string[] = [];
    for (let index = 0; index < jobCount; index += 1) ids.push(await service.submit({ steps: 4, num_frames: 5 }));
    for (const id of ids) await service.jobIn(id, ["completed"], 180_000);
  } finally {
    await endService(service);
  }
  const database = new DatabaseSync(join(directory.path, "understudy.db"), { readOnly: true });
  const rows = database
    .prepare("select at_ms, kind, data from events where kind in ('render.completed', 'render.began') order by seq")
    .all() as unknown as Row[];
  database.close();
  directory.remove();
  const gaps: number[] = [];
  for (const [index, row] of rows.entries()) {
    const next = rows[index + 1];
    if (row.kind === "render.completed" && next?.kind === "render.began") gaps.push(next.at_ms - row.at_ms);
  }
  return [
    {
      what: "gap from artifact ready to the next generate, p50",
      value: percentileOf(gaps, 0.5),
      unit: " ms",
      limit: { kind: "atMost", value: 50 },
      detail: `${gaps.length} gaps, p95 ${percentileOf(gaps, 0.95)} ms`,
    },
  ];
}
