/**
 * The simulator's checkpoints. They survive its process, so that a drill can kill a render and see another process go
 * on with it.
 */
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { RenderRequest } from "../../core/job.ts";

/** What a render needs to go on where another process stopped. A simulated render has no latents: the steps are its state. */
export interface Checkpoint {
  denoiseSteps: number;
  /** How often each test card has fired for this job. */
  fired: Record<string, number>;
}

interface CheckpointBody extends Checkpoint {
  readonly requestHash: string;
}

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");
const hashRequest = (request: RenderRequest): string => hashOf(JSON.stringify(request));
const fileName = "checkpoint.json";

/**
 * Reads the newest whole checkpoint of this very request; a fresh one when there is none, or when its hash does not
 * match.
 */
export function readCheckpoint(directory: string, request: RenderRequest): Checkpoint {
  const fresh: Checkpoint = { denoiseSteps: 0, fired: {} };
  let text: string;
  try {
    text = readFileSync(join(directory, fileName), "utf8");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return fresh;
    throw thrown;
  }
  const [sha256, body = ""] = text.split("\n");
  if (sha256 !== hashOf(body)) return fresh;
  const saved = JSON.parse(body) as CheckpointBody;
  if (saved.requestHash !== hashRequest(request)) return { ...fresh, fired: saved.fired };
  return { denoiseSteps: saved.denoiseSteps, fired: saved.fired };
}

/** Writes the checkpoint atomically: hashed, fsynced, renamed. */
export function writeCheckpoint(directory: string, request: RenderRequest, { denoiseSteps, fired }: Checkpoint): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const body = JSON.stringify({ requestHash: hashRequest(request), denoiseSteps, fired } satisfies CheckpointBody);
  const path = join(directory, fileName);
  const file = openSync(`${path}.new`, "w", 0o600);
  try {
    writeSync(file, `${hashOf(body)}\n${body}`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
}
