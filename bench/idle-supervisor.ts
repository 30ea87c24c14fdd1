/**
 * Measures what the supervisor costs a machine while nobody uses it: processor and memory of the built package, read
 * from /proc.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { clock, endService, makeStateDir, startService, until } from "../test/harness/running-service.ts";
import type { BenchOptions, BenchResult } from "./result.ts";

/** USER_HZ of every Linux that Node.js supports. */
const ticksPerSecond = 100;
const program = new URL("../dist/main.js", import.meta.url).pathname;

function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

function residentMegabytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? Number.NaN) / 1_024;
}

const root = new URL("..", import.meta.url).pathname;

/** CPU and memory of the supervisor without its children, idle for some minutes, as the package has it: compiled for this. */
export async function benchIdle({ idleMinutes: minutes }: BenchOptions): Promise<BenchResult[]> {
  execFileSync(process.execPath, ["scripts/build.ts"], { cwd: root, stdio: "ignore" });
  const directory = makeStateDir();
  const service = await startService({ stateDir: directory.path, env: { UNDERSTUDY_LOG_LEVEL: "warn" }, program });
  try {
    await until(
      "the service is ready",
      async () => (await service.json<{ mode: string }>("/readyz")).body.mode === "ready",
      60_000,
    );
    const before = { cpu: cpuSeconds(service.pid), atMs: clock.nowMs() };
    await clock.sleep(minutes * 60_000);
    const cpuRatio = (cpuSeconds(service.pid) - before.cpu) / ((clock.nowMs() - before.atMs) / 1_000);
    const detail = `over ${minutes} min idle, compiled package`;
    return [
      { what: "CPU of one core", value: cpuRatio * 100, unit: " %", limit: { kind: "atMost", value: 1 }, detail },
      {
        what: "RSS without children",
        value: residentMegabytes(service.pid),
        unit: " MB",
        limit: { kind: "atMost", value: 150 },
        detail,
      },
    ];
  } finally {
    await endService(service);
    directory.remove();
  }
}
