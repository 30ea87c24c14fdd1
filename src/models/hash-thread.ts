/** Hashes files behind their writers: 67 GB of SHA-256 must not hold up the service's own turn. */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { parentPort } from "node:worker_threads";
import { messageOf } from "../core/errors.ts";
import { mebibyte } from "../core/units.ts";
import type { FromHasher, ToHasher } from "./hash-messages.ts";

const port = parentPort;
if (port === null) throw new Error("the hash thread must be started as a worker thread");
const tell = (message: FromHasher): void => port.postMessage(message);

interface Task {
  readonly id: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly hash: Hash;
  toByte: number;
  hashedBytes: number;
  isRunning: boolean;
  isDropped: boolean;
  handle: FileHandle | null;
}

const buffer = Buffer.allocUnsafe(2 * mebibyte);
const tasks = new Map<number, Task>();

async function readOn(task: Task): Promise<void> {
  task.handle ??= await open(task.path, "r");
  while (!task.isDropped && task.hashedBytes < task.toByte) {
    const wanted = Math.min(buffer.length, task.toByte - task.hashedBytes);
    const { bytesRead } = await task.handle.read(buffer, 0, wanted, task.hashedBytes);
    if (bytesRead === 0) throw new Error(`the file ends at byte ${task.hashedBytes} of ${task.sizeBytes}`);
    task.hash.update(buffer.subarray(0, bytesRead));
    task.hashedBytes += bytesRead;
    tell({ kind: "progress", id: task.id, hashedBytes: task.hashedBytes });
  }
}

async function end(task: Task): Promise<void> {
  tasks.delete(task.id);
  await task.handle?.close();
}

/** Files are read one at a time, because they share the buffer. */
let queue = Promise.resolve();

async function advance(task: Task): Promise<void> {
  try {
    await readOn(task);
    if (!task.isDropped && task.hashedBytes < task.sizeBytes) return;
    if (!task.isDropped) tell({ kind: "done", id: task.id, hash: task.hash.digest("hex") });
    await end(task);
  } catch (thrown) {
    // This is the top of the thread: whatever happened to one file is told, and the others go on.
    tell({ kind: "failed", id: task.id, message: messageOf(thrown) });
    await end(task);
  }
}

function schedule(task: Task): void {
  if (task.isRunning) return;
  task.isRunning = true;
  queue = queue.then(() => {
    task.isRunning = false;
    return tasks.has(task.id) ? advance(task) : undefined;
  });
}

function begin({ id, path, algorithm, sizeBytes }: Extract<ToHasher, { kind: "begin" }>): void {
  const hash = createHash(algorithm === "sha256" ? "sha256" : "sha1");
  // Git hashes a header before the bytes.
  if (algorithm === "git-sha1") hash.update(`blob ${sizeBytes}\0`);
  tasks.set(id, {
    id,
    path,
    sizeBytes,
    hash,
    toByte: 0,
    hashedBytes: 0,
    isRunning: false,
    isDropped: false,
    handle: null,
  });
}

port.on("message", (message: ToHasher) => {
  if (message.kind === "begin") begin(message);
  const task = tasks.get(message.id);
  if (task === undefined || message.kind === "begin") return;
  if (message.kind === "drop") task.isDropped = true;
  else task.toByte = Math.max(task.toByte, message.toByte);
  schedule(task);
});
