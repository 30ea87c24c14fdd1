/**
 * The files of models as loads and repairs need them. Every function also answers for simulated models, which have
 * none.
 */
import { UnderstudyError } from "../../core/errors.ts";
import type { ModelCache } from "../../core/ports/model-cache.ts";
import type { ModelId } from "../../core/words.ts";
import type { ModelLoaderEvent, Resolution } from "../../machines/model-loader-types.ts";
import { classifyThrown } from "../../recovery/classify.ts";

export interface ModelPorts {
  readonly cache: ModelCache;
  /** From now on workers find the model's files here. */
  place(model: ModelId, folder: string): void;
}

/** Simulated models have no files: nothing is missing and nothing can be broken. */
export type Files = ModelPorts | null;

export async function resolveFiles(files: Files, model: ModelId): Promise<Resolution> {
  if (files === null) return { kind: "present" };
  const { state, totalBytes, presentBytes } = await files.cache.statusOf(model);
  return state === "complete"
    ? { kind: "present" }
    : { kind: "missing", missingBytes: Math.max(0, (totalBytes ?? 0) - presentBytes) };
}

/** Resolves when the pull that somebody paused goes on. */
function nextProgress(cache: ModelCache, model: ModelId, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = cache.onProgress((name) => {
      if (name !== model) return;
      stop();
      resolve();
    });
    signal.addEventListener("abort", () => {
      stop();
      reject(signal.reason);
    });
  });
}

/** Fetches what is missing, and tells how far it is; a pull that somebody pauses or cancels is told as that. */
export function downloadFiles(files: Files, model: ModelId, send: (event: ModelLoaderEvent) => void): () => void {
  const giveUp = new AbortController();
  if (files === null) {
    send({ type: "download.succeeded" });
    return () => undefined;
  }
  const { cache } = files;
  const stopListening = cache.onProgress((name, { doneBytes }) => {
    if (name === model) send({ type: "download.progressed", doneBytes });
  });
  const pull = async (): Promise<void> => {
    for (;;) {
      const { kind } = await cache.pull(model);
      if (kind === "complete") return send({ type: "download.succeeded" });
      if (kind === "cancelled") return send({ type: "download.cancel" });
      send({ type: "download.pause" });
      await nextProgress(cache, model, giveUp.signal);
    }
  };
  void pull().catch((thrown: unknown) => {
    if (!giveUp.signal.aborted) send({ type: "download.failed", fault: classifyThrown(thrown, { phase: "load" }) });
  });
  return () => {
    giveUp.abort();
    stopListening();
  };
}

/** The first file that is missing or not what it should be; without `isRehash` one that was verified and has not changed since is not read again. */
export async function findBrokenFile(files: Files, model: ModelId, isRehash: boolean): Promise<string | null> {
  if (files === null) return null;
  const { isKnown, problems } = await files.cache.verify(model, { isRehash });
  return isKnown ? (problems[0]?.path ?? null) : null;
}

/** Workers find the files where they are now. Throws UnderstudyError MODEL_NOT_AVAILABLE when they are not there. */
export async function placeFiles(files: Files, model: ModelId): Promise<void> {
  if (files === null) return;
  const folder = await files.cache.localPath(model);
  if (folder === null)
    throw new UnderstudyError("MODEL_NOT_AVAILABLE", `The files of ${model} are not complete.`, { retryable: true });
  files.place(model, folder);
}

/** Reads every file again and fetches what is missing or wrong; whether every file matches its hash then. Null without files. */
export async function repairFiles(files: Files, model: ModelId): Promise<boolean | null> {
  if (files === null) return null;
  const { problems, isKnown } = await files.cache.verify(model, { isRehash: true });
  if (!isKnown || problems.length > 0) await files.cache.pull(model, { isRepair: isKnown });
  return (await files.cache.verify(model)).problems.length === 0;
}
