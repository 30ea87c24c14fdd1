/**
 * Worker logs as files: a file keeps the last words of a process after its end, and a pipe would break when the
 * supervisor dies.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import type { Clock, TimerHandle } from "../core/clock.ts";
import { kibibyte, mebibyte, secondMs } from "../core/units.ts";

/** This much of a log is kept by a rotation and taken as evidence of an exit. */
const tailBytes = 64 * kibibyte;
const longestBytes = 8 * mebibyte;
const checkEveryMs = 5 * secondMs;

function readTail(descriptor: number): Buffer {
  const { size } = fstatSync(descriptor);
  const tail = Buffer.alloc(Math.min(size, tailBytes));
  const readCount = readSync(descriptor, tail, 0, tail.length, size - tail.length);
  return tail.subarray(0, readCount);
}

/** Reads the last 64 KiB; empty when there is no log. */
export function readLogTail(path: string): string {
  if (!existsSync(path)) return "";
  const descriptor = openSync(path, "r");
  try {
    return readTail(descriptor).toString("utf8");
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Opens a new log for a new process. The one before is kept as `<path>.previous`, so that a tail never holds an earlier
 * process's last words. The log is opened for appending: after a rotation the process goes on at the new end.
 */
export function openLog(path: string): number {
  if (existsSync(path)) renameSync(path, `${path}.previous`);
  return openSync(path, "a", 0o600);
}

/**
 * Cuts a log that has grown past 8 MiB down to its last 64 KiB, in place, because the worker holds its descriptor. What
 * the worker writes between the copy and the cut is lost.
 */
export function rotateLog(path: string): void {
  if (!existsSync(path) || statSync(path).size <= longestBytes) return;
  const descriptor = openSync(path, "r+");
  try {
    const tail = readTail(descriptor);
    writeSync(descriptor, tail, 0, tail.length, 0);
    ftruncateSync(descriptor, tail.length);
  } finally {
    closeSync(descriptor);
  }
}

export interface LogRotation {
  keep(path: string): void;
  release(path: string): void;
  stop(): void;
}

/** Rotates the logs of living workers; its timer exists only while there are any. */
export function createLogRotation(clock: Clock): LogRotation {
  const paths = new Set<string>();
  let timer: TimerHandle | undefined;
  const arm = (): void => {
    if (timer !== undefined || paths.size === 0) return;
    timer = clock.setTimer(() => {
      timer = undefined;
      for (const path of paths) rotateLog(path);
      arm();
    }, checkEveryMs);
  };
  const disarm = (): void => {
    clock.clearTimer(timer);
    timer = undefined;
  };
  return {
    keep: (path) => {
      paths.add(path);
      arm();
    },
    release: (path) => {
      paths.delete(path);
      if (paths.size === 0) disarm();
    },
    stop: () => {
      paths.clear();
      disarm();
    },
  };
}
