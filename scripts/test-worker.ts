/**
 * Every check of the Python worker, also those after one that failed: `npm run test:worker`. With names, those alone:
 * `npm run test:worker -- types end-to-end`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
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
const vitest = (...args: readonly string[]): readonly string[] => {
  const program = join(root, "node_modules", "vitest", "vitest.mjs");
  return [process.execPath, program, "run", "--project", "worker", ...args];
};
const checks = {
  lint: { command: inPython("ruff", "check", ...sources), cwd: root },
  format: { command: inPython("ruff", "format", "--check", ...sources), cwd: root },
  types: { command: inPython("mypy"), cwd: worker },
  tests: { command: inPython("pytest"), cwd: worker },
  conformance: { command: vitest(), cwd: root },
  /** This is a part of the tests before: the whole service with this worker, killed and restarted. */
  "end-to-end": { command: vitest("test/worker/end-to-end.test.ts"), cwd: root },
} as const satisfies Readonly<Record<string, Check>>;

if (!existsSync(python)) {
  console.error("test:worker: .venv is missing; `npm run worker:install` makes it (about 3 minutes, 6 GiB)");
  process.exit(1);
}
const clock = createSystemClock();
const failed: string[] = [];

/** A check's output is shown when the check has ended, because another one may run beside it. */
async function run(name: string, { command, cwd }: Check): Promise<void> {
  const startedAtMs = clock.nowMs();
  const [file = "", ...args] = command;
  const child = spawn(file, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => said.push(data));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) failed.push(name);
  process.stdout.write(Buffer.concat(said));
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${name} (${((clock.nowMs() - startedAtMs) / 1_000).toFixed(1)} s)`);
}

type Name = keyof typeof checks;

async function inTurn(names: readonly Name[]): Promise<void> {
  for (const name of names) await run(name, checks[name]);
}

const isName = (text: string): text is Name => Object.hasOwn(checks, text);
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !isName(name));
if (unknown.length > 0) {
  console.error(`test:worker: there is no check ${unknown.join(", ")}; there are ${Object.keys(checks).join(", ")}`);
  process.exit(2);
}
const names =
  asked.length > 0 ? asked.filter(isName) : (Object.keys(checks) as Name[]).filter((name) => name !== "end-to-end");
const isOfNode = (name: Name): boolean => name === "conformance" || name === "end-to-end";
// Most of both is the start of worker processes, on one core each.
await Promise.all([inTurn(names.filter((name) => !isOfNode(name))), inTurn(names.filter(isOfNode))]);
clock.stop();
console.log(failed.length === 0 ? "test:worker: all passed" : `test:worker: failed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
