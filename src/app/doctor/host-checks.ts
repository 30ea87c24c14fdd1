/** Node.js, state directory, disk, memory and port. */
import { accessSync, constants, existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Config } from "../../config/schema.ts";
import { messageOf } from "../../core/errors.ts";
import type { Sample } from "../../core/ports/telemetry-probe.ts";
import { formatBytes } from "../../core/units.ts";
import { readSupervisorFile } from "../../store/state-lock.ts";
import { createProcessTable } from "../../workers/process-table.ts";
import { nearestFolder } from "../health/look-at-machine.ts";
import { missing, ok, unknown } from "./finding.ts";

const leastNodeMajor = 24;

export function checkNode(version: string) {
  return Number(version.split(".")[0]) >= leastNodeMajor
    ? ok(`Node.js ${version}.`)
    : missing(
        `Node.js ${version} is too old.`,
        `Install Node.js ${leastNodeMajor} or newer; in a clone npm ci brings it.`,
      );
}

/** The address of the service that runs on this state directory; null when none does. */
function runningAddress({ stateDir }: Pick<Config, "stateDir">): string | null {
  const file = existsSync(stateDir) ? readSupervisorFile(stateDir) : null;
  if (file === null) return null;
  const isAlive = createProcessTable().presenceOf({ pid: file.pid, startTicks: null, bootId: null }) === "alive";
  return isAlive ? file.address : null;
}

/** Writes a byte and takes it away again: permissions alone do not tell of read-only or full file systems. */
export function checkStateDir(config: Pick<Config, "stateDir">) {
  const { stateDir } = config;
  const folder = nearestFolder(stateDir);
  const fix = "Choose a folder that this user may write with --state-dir.";
  const probe = join(folder, `.understudy-doctor-${process.pid}`);
  try {
    if (!statSync(folder).isDirectory()) return missing(`${folder} is no folder.`, fix);
    accessSync(folder, constants.W_OK | constants.X_OK);
    writeFileSync(probe, "1");
    rmSync(probe);
  } catch (thrown) {
    return missing(`${stateDir} cannot be written: ${messageOf(thrown)}.`, fix);
  }
  const address = runningAddress(config);
  if (address !== null) return ok(`${stateDir}, in use by the service at ${address}.`);
  return ok(folder === stateDir ? `${stateDir} can be written.` : `${stateDir} is made at the first start.`);
}

/** @param what lies there, such as "the database and the videos" */
export async function checkDisk(path: string, neededBytes: number, what: string) {
  const folder = nearestFolder(path);
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  const has = `${path} has ${formatBytes(freeBytes)} free`;
  return freeBytes >= neededBytes
    ? ok(`${has} for ${what}.`)
    : missing(
        `${has}; ${what} need ${formatBytes(neededBytes)}.`,
        "Free some space, or choose a folder on another disk.",
      );
}

export function checkMemory(sample: Sample | null, neededBytes: number, what: string) {
  if (sample === null) return unknown("The host's memory could not be measured.");
  const { memoryTotalBytes, details } = sample.host;
  const limit =
    details?.cgroup?.memoryLimitBytes === null || details?.cgroup == null ? "" : ", the limit of this control group";
  const has = `${formatBytes(memoryTotalBytes)} of memory${limit}`;
  return memoryTotalBytes >= neededBytes
    ? ok(`${has}.`)
    : missing(
        `${has}; ${what} need ${formatBytes(neededBytes)}.`,
        "Give this machine or container more memory, or take a smaller model.",
      );
}

/** Finds out by listening for a moment: nothing else tells whether the port is free and may be used. */
export function checkPort(config: Pick<Config, "host" | "port" | "stateDir">): Promise<ReturnType<typeof ok>> {
  const { host, port } = config;
  if (port === 0) return Promise.resolve(ok("Any free port is taken."));
  const address = runningAddress(config);
  if (address !== null && new URL(address).port === String(port))
    return Promise.resolve(ok(`${host}:${port}, where the service of this state directory listens now.`));
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", (thrown: NodeJS.ErrnoException) => {
      const why =
        thrown.code === "EADDRINUSE"
          ? "is taken by another program"
          : `cannot be listened on (${thrown.code ?? thrown.message})`;
      resolve(missing(`${host}:${port} ${why}.`, "Stop what uses it, or choose another with --port or --host."));
    });
    server.listen(port, host.replace(/^\[|\]$/g, ""), () =>
      server.close(() => resolve(ok(`${host}:${port} is free.`))),
    );
  });
}
