/**
 * Starts one worker process, apart from the supervisor in group, output and environment, so that neither the
 * supervisor's death nor its secrets reach it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, writeFileSync } from "node:fs";
import { workerEnvironment } from "../contract/worker-protocol.ts";
import { messageOf, WorkerError } from "../core/errors.ts";
import { errnoOf } from "./process-table.ts";
import { openLog } from "./worker-log.ts";

/** The program that starts a worker, with its arguments; never a shell line. */
export interface WorkerCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What a person can do where the program is missing; a sentence. */
  readonly remedy?: string;
}

/** The variables that have a value. */
export const variablesOf = (given: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined));

export interface WorkerStart {
  readonly workerId: string;
  readonly command: WorkerCommand;
  readonly socketPath: string;
  readonly token: string;
  readonly logPath: string;
}

/** The score is raised, so that a host short of memory ends the worker and not the service. */
const outOfMemoryScore = "500";

/** The supervisor's own settings and its key stay here: a worker gets what its command says. */
function environmentOf(start: WorkerStart): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("UNDERSTUDY_"));
  return {
    ...Object.fromEntries(inherited),
    ...start.command.env,
    [workerEnvironment.socket]: start.socketPath,
    [workerEnvironment.token]: start.token,
    [workerEnvironment.id]: start.workerId,
  };
}

function raiseOutOfMemoryScore(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, outOfMemoryScore, { flag: "r+" });
  } catch (thrown) {
    // This is not Linux, or a sandbox forbids it, or the process has ended already: the kernel's own choice stands
    // then.
    if (!["ENOENT", "EACCES", "EPERM", "EROFS", "ESRCH"].includes(errnoOf(thrown) ?? "")) throw thrown;
  }
}

/**
 * Starts the process as leader of its own group, with its output in a file: a pipe's end would die with the supervisor
 * and take the worker along. The child does not keep the supervisor's event loop alive.
 */
export function startProcess(start: WorkerStart): { readonly child: ChildProcess; readonly pid: number | undefined } {
  const log = openLog(start.logPath);
  try {
    const child = spawn(start.command.file, [...start.command.args], {
      detached: true,
      stdio: ["ignore", log, log],
      env: environmentOf(start),
    });
    child.unref();
    if (child.pid !== undefined) raiseOutOfMemoryScore(child.pid);
    return { child, pid: child.pid };
  } catch (thrown) {
    // Of some errors, as of a path below a file, the call itself tells.
    throw errnoOf(thrown) === undefined ? thrown : startError(thrown, start.command);
  } finally {
    closeSync(log);
  }
}

/** Errors of a start that pass by themselves: the machine lacks something for now. */
const scarce: readonly string[] = ["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"];

const startProblems: Readonly<Record<string, string>> = {
  ENOENT: "does not exist, or the interpreter that its first line names does not",
  EACCES: "may not be executed by this user",
  ENOTDIR: "lies below something that is no folder",
  ENOEXEC: "is no program for this machine",
  EPERM: "may not be executed by this user",
};

/** Why a process could not be started, in a sentence that names what a person can do. */
function startError(thrown: unknown, { file, remedy }: WorkerCommand): WorkerError {
  const errno = errnoOf(thrown) ?? "";
  const problem = startProblems[errno] ?? `could not be started: ${messageOf(thrown)}`;
  const advice = remedy === undefined ? "" : ` ${remedy}`;
  const isScarce = scarce.includes(errno);
  return new WorkerError(
    isScarce ? "SYSTEM_RESOURCE" : "WORKER_CONFIGURATION",
    `The worker's program ${file} ${problem}.${isScarce ? "" : advice}`,
    { cause: thrown, retryable: isScarce },
  );
}

/** Resolves with why a process without a pid could not be started. */
export function startFailure(child: ChildProcess, command: WorkerCommand): Promise<WorkerError> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(startError(error, command)));
  });
}
