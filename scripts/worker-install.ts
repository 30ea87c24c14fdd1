/**
 * Installs what the Python worker needs into `.venv`, by `python3 -m venv` and pip: `npm run worker:install`. Does nothing
 * when the requirements have not changed. `PYTHON` names another interpreter than `python3`.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSystemClock } from "../src/core/clock.ts";

const root = new URL("..", import.meta.url).pathname;
const folder = join(root, ".venv");
const stampPath = join(folder, "requirements.sha256");
const installed = join(folder, "bin", "python");
const requirements = ["requirements.txt", "requirements-dev.txt"].map((name) => join(root, "worker", name));
const python = process.env["PYTHON"] ?? "python3";
const leastPython = [3, 10] as const;

/** Ends the program with one sentence. */
function giveUp(sentence: string): never {
  console.error(`worker:install: ${sentence}`);
  process.exit(1);
}

function stamp(): string {
  const hash = createHash("sha256");
  for (const path of requirements) hash.update(readFileSync(path));
  return hash.digest("hex");
}

function assertPython(): string {
  const { status, stdout, error } = spawnSync(python, ["-c", "import sys; print(*sys.version_info[:2])"], {
    encoding: "utf8",
  });
  if (error !== undefined || status !== 0)
    giveUp(
      `there is no Python at ${python}: install Python ${leastPython.join(".")} or newer (Debian: apt-get install python3 python3-venv), or name one in PYTHON.`,
    );
  const [major = 0, minor = 0] = stdout.trim().split(" ").map(Number);
  if (major < leastPython[0] || (major === leastPython[0] && minor < leastPython[1]))
    giveUp(
      `${python} is Python ${major}.${minor}, and the worker needs ${leastPython.join(".")} or newer; name another one in PYTHON.`,
    );
  return `${major}.${minor}`;
}

function run(file: string, args: readonly string[], failure: string): void {
  const { status, error } = spawnSync(file, args, { cwd: root, stdio: "inherit" });
  if (error !== undefined || status !== 0) giveUp(failure);
}

function install(version: string): void {
  // The environment belongs to another Python or is only half there, so it is made anew.
  rmSync(folder, { recursive: true, force: true });
  console.log(`worker:install: installing for Python ${version} into .venv, about 3 minutes and 6 GiB`);
  run(
    python,
    ["-m", "venv", folder],
    `${python} cannot make an environment: its module venv is missing (Debian: apt-get install python3-venv), or there is no room.`,
  );
  const files = requirements.flatMap((path) => ["-r", path]);
  run(
    installed,
    ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", ...files],
    "pip could not install the requirements; its own message stands above. Run this again when the package index answers and there are 6 GiB free.",
  );
}

const clock = createSystemClock();
const startedAtMs = clock.nowMs();
const wanted = stamp();
if (existsSync(installed) && existsSync(stampPath) && readFileSync(stampPath, "utf8") === wanted) {
  console.log("worker:install: .venv is as the requirements ask already");
} else {
  install(assertPython());
  writeFileSync(stampPath, wanted);
  console.log(`worker:install: done in ${Math.round((clock.nowMs() - startedAtMs) / 1_000)} s`);
}
clock.stop();
