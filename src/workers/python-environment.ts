/** Looks whether an interpreter has what the diffusers worker needs. Nothing is installed, and nothing of the worker runs. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Clock } from "../core/clock.ts";
import { minuteMs } from "../core/units.ts";
import { workerPackageDir } from "./diffusers-command.ts";

export interface Requirement {
  readonly name: string;
  readonly version: string;
}

export const leastPython = [3, 10] as const;
/** Importing torch takes seconds on a cold disk. */
const answerDefaultMs = minuteMs;
const keptOutput = 16 * 1024;

const reportSchema = z.object({
  python: z.tuple([z.number(), z.number(), z.number()]),
  versions: z.record(z.string(), z.string().nullable()),
  hasWorker: z.boolean(),
  torch: z.object({ hasCuda: z.boolean(), builtFor: z.string().nullable(), error: z.string().nullable() }).nullable(),
});
export type PythonReport = z.infer<typeof reportSchema>;

export type PythonAnswer =
  | { readonly kind: "answered"; readonly report: PythonReport }
  | { readonly kind: "absent" }
  /** The interpreter is there and will not do. */
  | { readonly kind: "broken"; readonly why: string }
  | { readonly kind: "silent"; readonly afterMs: number };

const script = `
import importlib.metadata, importlib.util, json, sys
versions = {}
for name in json.loads(sys.argv[1]):
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        versions[name] = None
torch_report = None
if versions.get("torch"):
    torch_report = {"hasCuda": False, "builtFor": None, "error": None}
    try:
        import torch
        torch_report["hasCuda"] = torch.cuda.is_available()
        torch_report["builtFor"] = torch.version.cuda
    except Exception as caught:
        torch_report["error"] = f"{type(caught).__name__}: {caught}"
print()
print(json.dumps({
    "python": list(sys.version_info[:3]),
    "versions": versions,
    "hasWorker": importlib.util.find_spec("understudy_worker") is not None,
    "torch": torch_report,
}))
`;

/** Reads the exact versions that the worker was tried with. Null when the worker's package is not here. */
export function readRequirements(packageDir = workerPackageDir): readonly Requirement[] | null {
  const path = join(packageDir, "requirements.txt");
  if (!existsSync(path)) return null;
  return readFileSync(path, "utf8")
    .split("\n")
    .map((line) => line.split("#")[0]?.trim() ?? "")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", version = ""] = line.split("==");
      return { name: name.trim(), version: version.trim() };
    });
}

function readReport(output: string): PythonReport | null {
  const line = output.trimEnd().split("\n").at(-1) ?? "";
  try {
    return reportSchema.parse(JSON.parse(line));
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof z.ZodError) return null;
    throw thrown;
  }
}

const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1)?.trim() ?? "";

/** Asks the interpreter itself, started as the worker would be. An interpreter that hangs is killed at the deadline. */
export async function askPython(
  clock: Clock,
  python: string,
  requirements: readonly Requirement[],
  answerWithinMs = answerDefaultMs,
): Promise<PythonAnswer> {
  const names = JSON.stringify(requirements.map(({ name }) => name));
  const env = { ...process.env, PYTHONPATH: workerPackageDir, PYTHONSAFEPATH: "1", PYTHONDONTWRITEBYTECODE: "1" };
  const child = spawn(python, ["-B", "-c", script, names], { stdio: ["ignore", "pipe", "pipe"], env });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output = `${output}${text}`.slice(-keptOutput);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = `${errors}${text}`.slice(-keptOutput);
  });
  const ended = new Promise<PythonAnswer>((resolve) => {
    child.once("error", (thrown: NodeJS.ErrnoException) =>
      resolve(
        thrown.code === "ENOENT"
          ? { kind: "absent" }
          : { kind: "broken", why: `it cannot be started: ${thrown.code ?? thrown.message}` },
      ),
    );
    child.once("close", (code, signal) => {
      const report = code === 0 ? readReport(output) : null;
      const said = lastLine(errors);
      const end =
        code === null ? `was ended by ${signal}` : code === 0 ? "does not answer as Python does" : `ended with ${code}`;
      resolve(
        report === null
          ? { kind: "broken", why: `it ${end}${said === "" ? "" : `: ${said}`}` }
          : { kind: "answered", report },
      );
    });
  });
  const limit = new AbortController();
  const late = clock.sleep(answerWithinMs, limit.signal).then((): PythonAnswer => {
    child.kill("SIGKILL");
    return { kind: "silent", afterMs: answerWithinMs };
  });
  try {
    return await Promise.race([ended, late]);
  } finally {
    limit.abort();
    late.catch(() => undefined);
  }
}
