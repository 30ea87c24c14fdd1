/**
 * `understudy worker check`: runs the conformance checks against somebody's own worker, with what its author promises
 * in a file.
 */
import { readFileSync } from "node:fs";
import { checkWorker } from "../app/workers/check-worker.ts";
import { type PromiseFile, promiseFileSchema } from "../contract/worker-promises.ts";
import { UnderstudyError } from "../core/errors.ts";
import { say } from "./say.ts";

function parsePromises(path: string, text: string): PromiseFile {
  let tree: unknown;
  try {
    tree = JSON.parse(text);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    throw new UnderstudyError(
      "CONFIGURATION_INVALID",
      `The file of promises ${path} is not valid JSON (${thrown.message}).`,
      {
        cause: thrown,
      },
    );
  }
  const parsed = promiseFileSchema.safeParse(tree);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue?.path.join(".") ?? "";
  throw new UnderstudyError(
    "CONFIGURATION_INVALID",
    `The file of promises ${path} is not acceptable: ${place} ${issue?.message ?? ""}.`,
  );
}

const reasonOf = (cause: unknown): string => {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text
    .split("\n")
    .map((line) => `            ${line}`)
    .join("\n");
};

function readPromises(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    throw new UnderstudyError("CONFIGURATION_INVALID", `The file of promises ${path} cannot be read.`, {
      cause: thrown,
    });
  }
}

export interface WorkerCheckWanted {
  readonly program: readonly string[];
  readonly promisesPath: string | null;
}

/** `understudy worker check`: prints what holds, what does not, and what the worker does not promise; 1 when one does not hold. */
export async function runWorkerCheck({ program, promisesPath: path }: WorkerCheckWanted): Promise<number> {
  const file = path === null ? promiseFileSchema.parse({}) : parsePromises(path, readPromises(path));
  const counts = { passed: 0, unsupported: 0, failed: 0 };
  say(`Checking ${program.join(" ")}`);
  await checkWorker(program, file, {
    onSubject: ({ model, profile, longSteps }) =>
      say(`It renders ${model} in the profile ${profile}; long renders have ${longSteps} steps.\n`),
    onOutcome: (name, outcome) => {
      counts[outcome.kind] += 1;
      if (outcome.kind === "passed") say(`holds       ${name}`);
      else if (outcome.kind === "unsupported")
        say(`unsupported ${name}\n            needs the promise ${outcome.missing.join(", ")}`);
      else say(`BROKEN      ${name}\n${reasonOf(outcome.cause)}`);
    },
  });
  say(`\n${counts.passed} hold, ${counts.failed} are broken, ${counts.unsupported} are unsupported.`);
  return counts.failed === 0 ? 0 : 1;
}
