/**
 * Builds models of random weights, once, for tests and benches of the Python worker: real pipelines that render in a
 * second without a card.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { minuteMs } from "../../src/core/units.ts";
import { installedPython } from "../../src/workers/diffusers-command.ts";

const builder = fileURLToPath(new URL("../fixtures/tiny-wan/build.py", import.meta.url));
const requirements = fileURLToPath(new URL("../../worker/requirements.txt", import.meta.url));
const hash = createHash("sha256")
  .update(readFileSync(builder))
  .update(readFileSync(requirements))
  .digest("hex")
  .slice(0, 16);

/** Where the tiny models lie: built once for each version of their builder and of its packages. */
export const tinyModelsDir = fileURLToPath(new URL(`../../.cache/tiny-wan-${hash}`, import.meta.url));

/** Vitest's global setup: the tiny models are there before the first test. */
export function setup(): void {
  if (existsSync(tinyModelsDir)) return;
  if (!existsSync(installedPython))
    throw new Error(`${installedPython} is missing; \`npm run worker:install\` makes it (about 3 minutes, 6 GiB).`);
  const part = `${tinyModelsDir}.${process.pid}`;
  mkdirSync(part, { recursive: true });
  const { status, stderr } = spawnSync(installedPython, ["-B", builder, part], {
    encoding: "utf8",
    timeout: 5 * minuteMs,
  });
  if (status !== 0) {
    rmSync(part, { recursive: true, force: true });
    throw new Error(`the tiny models could not be built (exit code ${status}): ${stderr.slice(-2_000)}`);
  }
  renameSync(part, tinyModelsDir);
}
