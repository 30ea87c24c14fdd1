/**
 * Python programs that tests of this project use, each in an environment of its own below `.cache/python`:
 * `node scripts/python-tools.ts openai`. Nothing happens where the requirements have not changed. Ends with 75 where this
 * cannot be had here: no Python, or no package index. `PYTHON` names another interpreter than `python3`.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = new URL("..", import.meta.url).pathname;

/** Name → its requirements, every version pinned. */
const tools = { openai: "test/openai/requirements.txt", schemathesis: "test/schema/requirements.txt" } as const;
export type PythonTool = keyof typeof tools;

const notPossible = 75;
const leastPython = [3, 10] as const;

const folderOf = (tool: PythonTool): string => join(root, ".cache", "python", tool);

/** The interpreter that sees the tool's packages. */
export const pythonOf = (tool: PythonTool): string => join(folderOf(tool), "bin", "python");

export type Installed =
  | { readonly kind: "current" | "installed" }
  | { readonly kind: "notPossible" | "failed"; readonly sentence: string };

function findPython(): string | null {
  const python = process.env["PYTHON"] ?? "python3";
  const { status, stdout } = spawnSync(python, ["-c", "import sys; print(*sys.version_info[:2])"], {
    encoding: "utf8",
  });
  const [major = 0, minor = 0] = (stdout ?? "").trim().split(" ").map(Number);
  const isNewEnough = major > leastPython[0] || (major === leastPython[0] && minor >= leastPython[1]);
  return status === 0 && isNewEnough ? python : null;
}

function run(file: string, args: readonly string[]): { readonly isFine: boolean; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(file, args, { cwd: root, encoding: "utf8" });
  return { isFine: status === 0, output: `${stdout ?? ""}${stderr ?? ""}` };
}

/** What pip says when nothing answers; a requirement that does not exist is another matter. */
const isUnreachable = (output: string): boolean =>
  /NewConnectionError|ConnectTimeout|ReadTimeout|Temporary failure in name resolution|Max retries exceeded/.test(
    output,
  );

export function installTool(tool: PythonTool): Installed {
  const requirements = join(root, tools[tool]);
  const folder = folderOf(tool);
  const stampPath = join(folder, "requirements.sha256");
  const wanted = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  if (existsSync(pythonOf(tool)) && existsSync(stampPath) && readFileSync(stampPath, "utf8") === wanted)
    return { kind: "current" };
  const python = findPython();
  if (python === null)
    return {
      kind: "notPossible",
      sentence: `There is no Python ${leastPython.join(".")} or newer here; PYTHON may name one.`,
    };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  if (!run(python, ["-m", "venv", folder]).isFine)
    return {
      kind: "notPossible",
      sentence: `${python} cannot make an environment: its module venv is missing (Debian: apt-get install python3-venv).`,
    };
  const pip = run(pythonOf(tool), [
    "-m",
    "pip",
    "install",
    "--disable-pip-version-check",
    "--no-input",
    "--quiet",
    "-r",
    requirements,
  ]);
  if (!pip.isFine && isUnreachable(pip.output))
    return { kind: "notPossible", sentence: "The package index does not answer." };
  if (!pip.isFine) return { kind: "failed", sentence: pip.output };
  writeFileSync(stampPath, wanted);
  return { kind: "installed" };
}

const isTool = (name: string): name is PythonTool => name in tools;

if (import.meta.main) {
  for (const name of process.argv.slice(2)) {
    const installed: Installed = isTool(name)
      ? installTool(name)
      : { kind: "failed", sentence: `There is no ${name}; there are ${Object.keys(tools).join(", ")}.` };
    console.log(`python-tools: ${name}: ${"sentence" in installed ? installed.sentence : installed.kind}`);
    if (installed.kind === "failed") process.exitCode = 1;
    if (installed.kind === "notPossible") process.exitCode ??= notPossible;
  }
}
