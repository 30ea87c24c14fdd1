/**
 * `npm run bench [-- name …] [--idle-minutes 10]`: each bench measures a ratio against a named limit or peer in the same run
 * and prints it. Exit code 1 when a ratio misses its limit.
 */
import { parseArgs } from "node:util";
import { benchGap } from "./artifact-gap.ts";
import { benchSubmissions } from "./durable-submissions.ts";
import { benchIdle } from "./idle-supervisor.ts";
import { benchEvents } from "./machine-events.ts";
import { benchDownload } from "./model-download.ts";
import { benchRender } from "./render.ts";
import type { BenchOptions, BenchResult } from "./result.ts";
import { benchSse } from "./sse-clients.ts";
import { benchStartRatio } from "./start-ratio.ts";
import { benchStartWithJobs } from "./start-with-jobs.ts";
import { benchStatus } from "./status-route.ts";

const benches: Readonly<Record<string, (options: BenchOptions) => Promise<readonly BenchResult[]>>> = {
  events: benchEvents,
  submissions: benchSubmissions,
  gap: benchGap,
  status: benchStatus,
  sse: benchSse,
  start: async () => [...(await benchStartRatio()), ...(await benchStartWithJobs())],
  download: benchDownload,
  render: benchRender,
  idle: benchIdle,
};

const { values, positionals: asked } = parseArgs({
  allowPositionals: true,
  options: { "idle-minutes": { type: "string", default: "10" } },
});
const options: BenchOptions = { idleMinutes: Number(values["idle-minutes"]) };
const unknown = asked.filter((name) => benches[name] === undefined);
if (unknown.length > 0) {
  console.error(`There is no bench named ${unknown.join(", ")}; there are ${Object.keys(benches).join(", ")}.`);
  process.exit(2);
}
if (!(options.idleMinutes > 0)) {
  console.error("--idle-minutes must be a number above 0");
  process.exit(2);
}

let missedCount = 0;
for (const [name, bench] of Object.entries(benches)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  for (const { what, value, unit, limit, detail } of await bench(options)) {
    if (limit === null) {
      console.log(`told   ${name}: ${what} = ${value.toFixed(2)}${unit} — ${detail}`);
      continue;
    }
    // What could not be measured (NaN) is a miss.
    const isMet = limit.kind === "atLeast" ? value >= limit.value : value <= limit.value;
    if (!isMet) missedCount += 1;
    const bound = `${limit.kind === "atLeast" ? "≥" : "≤"} ${limit.value}${unit}`;
    console.log(`${isMet ? "met   " : "MISSED"} ${name}: ${what} = ${value.toFixed(2)}${unit} (${bound}) — ${detail}`);
  }
}
process.exit(missedCount === 0 ? 0 : 1);
