/** Model files of a simulated world, which break unseen and are repaired only by a hub that may be away. */
import type { ModelPorts } from "../../src/app/models/model-files.ts";
import type { Clock } from "../../src/core/clock.ts";
import { ModelError } from "../../src/core/errors.ts";
import type { ModelCache, ModelStatus, PullOutcome } from "../../src/core/ports/model-cache.ts";
import { gibibyte, secondMs } from "../../src/core/units.ts";
import type { ModelId } from "../../src/core/words.ts";

/** The models' files as they lie on the disk; they outlive every supervisor. */
export interface SimModels {
  /** A file of it is not what it should be, whether or not anybody has looked. */
  readonly broken: Set<ModelId>;
  /** Known to be broken, since its files were read again. */
  readonly found: Set<ModelId>;
}

const totalBytes = 60 * gibibyte;
const commit = "simulated";
const unused = (name: string) => (): Promise<never> => Promise.reject(new Error(`nobody calls ${name} here`));

/** Files that break silently, are found by reading them again, and come back from a hub that is not always there. */
export function createSimModels(clock: Clock, { broken, found }: SimModels, isHubDown: () => boolean): ModelPorts {
  const pathOf = (name: ModelId): string => `models/${name}`;
  const statusOf = async (id: string): Promise<ModelStatus> => ({
    id,
    source: `simulated/${id}`,
    revision: "main",
    state: found.has(id) ? "incomplete" : "complete",
    commit,
    presentBytes: found.has(id) ? totalBytes / 2 : totalBytes,
    totalBytes,
    path: pathOf(id),
    progress: null,
    error: null,
  });
  const pull = async (name: ModelId): Promise<PullOutcome> => {
    await clock.sleep(20 * secondMs);
    if (isHubDown())
      throw new ModelError("NETWORK_UNREACHABLE", "The hub does not answer: ECONNREFUSED", { retryable: true });
    const fetchedFileCount = found.delete(name) ? 1 : 0;
    if (fetchedFileCount > 0) broken.delete(name);
    return { kind: "complete", commit, snapshotPath: pathOf(name), fetchedFileCount };
  };
  const cache: ModelCache = {
    status: async () => [],
    statusOf,
    canPull: () => true,
    progressOf: () => null,
    onProgress: () => () => undefined,
    onRetry: () => () => undefined,
    onEnded: () => () => undefined,
    pull,
    pause: async () => false,
    resume: pull,
    cancel: unused("cancel"),
    verify: async (name, options) => {
      if (options?.isRehash === true) await clock.sleep(30 * secondMs);
      if (options?.isRehash === true && broken.has(name)) found.add(name);
      const problems = found.has(name) ? [{ path: "model.safetensors", kind: "corrupt" as const }] : [];
      return { isKnown: true, commit, fileCount: 10, hashedFileCount: options?.isRehash === true ? 10 : 0, problems };
    },
    askHub: unused("askHub"),
    localPath: async (name) => (found.has(name) ? null : pathOf(name)),
    remove: unused("remove"),
    close: async () => undefined,
  };
  return { cache, place: () => undefined };
}
