/** Unix sockets of workers: a private path that is short enough for the kernel, and the first connection to it. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { WorkerError } from "../core/errors.ts";
import { errnoOf } from "./process-table.ts";

/** Linux takes 107 bytes in `sun_path`, macOS 103; what is left is a margin for other languages' runtimes. */
const longestPathBytes = 100;
const privateDirPrefix = "understudy-";

const fits = (path: string): boolean => Buffer.byteLength(path) <= longestPathBytes;

/**
 * Reserves a path for the worker's socket: in the run directory when it is short enough, else in a new directory of
 * mode 0700 below XDG_RUNTIME_DIR or the temporary directory. Nothing exists at the path. Throws CONFIGURATION_INVALID
 * when none fits.
 */
export function reserveSocketPath(runDir: string, workerId: string): string {
  const usual = join(runDir, `${workerId}.sock`);
  if (fits(usual)) {
    rmSync(usual, { force: true });
    return usual;
  }
  const runtimeDir = process.env["XDG_RUNTIME_DIR"];
  const parents = [runtimeDir, tmpdir()].filter(
    (parent): parent is string => parent !== undefined && existsSync(parent),
  );
  const parent = parents.find((candidate) => fits(join(candidate, `${privateDirPrefix}XXXXXX`, "worker.sock")));
  if (parent === undefined) {
    throw new WorkerError(
      "CONFIGURATION_INVALID",
      `no path of at most ${longestPathBytes} bytes is left for a worker's socket; set TMPDIR to a short path`,
    );
  }
  return join(mkdtempSync(join(parent, privateDirPrefix)), "worker.sock");
}

/** Takes away what `reserveSocketPath` made. */
export function releaseSocketPath(runDir: string, socketPath: string): void {
  const parent = dirname(socketPath);
  if (parent === runDir) rmSync(socketPath, { force: true });
  else if (basename(parent).startsWith(privateDirPrefix)) rmSync(parent, { recursive: true, force: true });
}

/**
 * After these codes another try is worth it: nobody listens yet, nobody listens any more, or the worker is too busy to
 * take one more.
 */
const tryAgainCodes: ReadonlySet<string | undefined> = new Set([
  "ENOENT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EAGAIN",
  "EPIPE",
]);

/** Opens a connection; null when nobody listens there now. Rejects with the signal's reason when aborted. */
export function openConnection(socketPath: string, signal: AbortSignal): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect(socketPath);
    const finish = (settle: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      socket.removeListener("connect", onConnect);
      settle();
    };
    const onAbort = (): void =>
      finish(() => {
        socket.destroy();
        reject(signal.reason);
      });
    const onConnect = (): void => finish(() => resolve(socket));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", onConnect);
    socket.once("error", (error) =>
      finish(() => {
        if (tryAgainCodes.has(errnoOf(error))) resolve(null);
        else
          reject(
            new WorkerError("WORKER_ERROR", `the worker's socket cannot be opened: ${error.message}`, { cause: error }),
          );
      }),
    );
  });
}
