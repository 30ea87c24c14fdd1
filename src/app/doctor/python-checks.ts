/**
 * The doctor's look at the interpreter of diffusers workers: its version, its packages, and whether its PyTorch
 * reaches the card. Every finding names the command that repairs it.
 */
import type { Clock } from "../../core/clock.ts";
import {
  askPython,
  leastPython,
  type PythonReport,
  type Requirement,
  readRequirements,
} from "../../workers/python-environment.ts";
import { missing, ok, unknown } from "./finding.ts";

const install = "npm run worker:install makes one in .venv (about 3 minutes and 6 GiB), or name another with --python";

function isOld([major, minor]: PythonReport["python"]): boolean {
  return major < leastPython[0] || (major === leastPython[0] && minor < leastPython[1]);
}

function judge(python: string, requirements: readonly Requirement[], report: PythonReport, wantsCard: boolean) {
  const version = report.python.join(".");
  if (isOld(report.python))
    return missing(
      `${python} is Python ${version}; the worker needs ${leastPython.join(".")} or newer.`,
      `${install}.`,
    );
  const pip = `${python} -m pip install -r worker/requirements.txt`;
  const absent = requirements.filter(({ name }) => report.versions[name] == null);
  if (absent.length > 0)
    return missing(`${python} lacks ${absent.map(({ name }) => name).join(", ")}.`, `${pip}; ${install}.`);
  if (!report.hasWorker)
    return missing(`${python} does not find the worker's package.`, "Run from a clone, whose folder worker/ holds it.");
  if (report.torch?.error != null)
    return missing(`${python} cannot import torch: ${report.torch.error}.`, `${pip}; ${install}.`);
  if (wantsCard && report.torch?.hasCuda === false)
    return missing(
      `PyTorch in ${python} finds no CUDA device (built for ${report.torch.builtFor === null ? "the processor alone" : `CUDA ${report.torch.builtFor}`}).`,
      "Install a PyTorch that was built for this driver, repair the driver, or render with --device cpu.",
    );
  const others = requirements.filter(({ name, version: wanted }) => report.versions[name] !== wanted);
  if (others.length > 0)
    return unknown(
      `${python} has ${others.map(({ name, version: wanted }) => `${name} ${report.versions[name]} (tried with ${wanted})`).join(", ")}; nobody has tried the worker with them.`,
      `${pip} installs what it was tried with.`,
    );
  return ok(
    `${python}: Python ${version} with all that the worker needs${report.torch?.hasCuda === true ? `, CUDA ${report.torch.builtFor}` : ", on the processor"}.`,
  );
}

/** @param wantsCard whether a worker without a CUDA device would be a fault */
export async function checkPython(clock: Clock, python: string, wantsCard: boolean) {
  const requirements = readRequirements();
  if (requirements === null)
    return missing(
      "The worker's Python package is not here.",
      "Run from a clone of the project, whose folder worker/ holds it.",
    );
  const answer = await askPython(clock, python, requirements);
  switch (answer.kind) {
    case "answered":
      return judge(python, requirements, answer.report, wantsCard);
    case "absent":
      return missing(`There is no interpreter ${python}.`, `${install}.`);
    case "broken":
      return missing(`${python} does not work: ${answer.why}.`, `${install}.`);
    case "silent":
      return unknown(`${python} did not answer within ${answer.afterMs / 1_000} s.`, `${install}.`);
  }
}
