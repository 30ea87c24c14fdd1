/** Every check of the Python worker, also those after one that failed: `npm run test:worker`. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createSystemClock } from "../src/core/clock.ts";

const root = new URL("..", import.meta.url).pathname;
const worker = join(root, "worker");
const python = join(root, ".venv", "bin", "python");
const inPython = (...args: readonly string[]): readonly string[] => [python, "-B", "-m", ...args];

interface Check {
  readonly command: readonly string[];
  readonly cwd: string;
}
const sources = ["worker", "test/fixtures/tiny-wan"];
const checks: Readonly<Record<string, Check>> = {
  lint: { command: inPython("ruff", "check", ...sources), cwd: root },
  format: { command: inPython("ruff", "format", "--check", ...sources), cwd: root },
  types: { command: inPython("mypy"), cwd: worker },
  tests: { command: inPython("pytest"), cwd: worker },
  conformance: {
    command: [process.execPath, join(root, "node_modules", "vitest", "vitest.mjs"), "run", "--config", "vitest.worker.config.ts"],
    cwd: root,
  },
};

if (!existsSync(python)) {
  console.error("test:worker: .venv is missing; `npm run worker:install` makes it (about 3 minutes, 6 GiB)");
  process.exit(1);
}
const clock = createSystemClock();
const failed: string[] = [];
for (const [name, { command, cwd }] of Object.entries(checks)) {
  const startedAtMs = clock.nowMs();
  const [file = "", ...args] = command;
  const { status } = spawnSync(file, args, { cwd, stdio: "inherit" });
  if (status !== 0) failed.push(name);
  console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} (${((clock.nowMs() - startedAtMs) / 1_000).toFixed(1)} s)`);
}
clock.stop();
console.log(failed.length === 0 ? "test:worker: all passed" : `test:worker: failed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
