/** A download as clients see it: while it runs, when it ends, and from the status of a model's files. */
import type { DownloadView } from "../../contract/model-views.ts";
import type { ModelState, ModelStatus, PullEnding, PullProgress } from "../../core/ports/model-cache.ts";
import type { ModelId } from "../../core/words.ts";

const stateOf: Readonly<Partial<Record<ModelState, DownloadView["state"]>>> = {
  pulling: "downloading",
  paused: "paused",
  failed: "failed",
  incomplete: "incomplete",
};
const endingOf = {
  complete: "completed",
  paused: "paused",
  cancelled: "cancelled",
  failed: "failed",
} as const satisfies Record<PullEnding["kind"], DownloadView["state"]>;

const nothingYet: PullProgress = {
  phase: "listing",
  doneBytes: 0,
  totalBytes: 0,
  bytesPerSecond: 0,
  etaMs: null,
  doneFileCount: 0,
  fileCount: 0,
  trouble: null,
};

const endSentenceOf = (ending: PullEnding): string | null => (ending.kind === "failed" ? ending.message : null);

export const downloadOfProgress = (model: ModelId, progress: PullProgress, atMs: number): DownloadView => ({
  model,
  state: "downloading",
  doneBytes: progress.doneBytes,
  totalBytes: progress.totalBytes === 0 ? null : progress.totalBytes,
  bytesPerSecond: progress.bytesPerSecond,
  etaMs: progress.etaMs,
  trouble: progress.trouble,
  atMs,
});

export const downloadOfEnding = (
  model: ModelId,
  ending: PullEnding,
  progress: PullProgress | null,
  atMs: number,
): DownloadView => ({
  ...downloadOfProgress(model, progress ?? nothingYet, atMs),
  state: endingOf[ending.kind],
  bytesPerSecond: 0,
  etaMs: null,
  trouble: endSentenceOf(ending),
});

export function downloadOfStatus(
  { id, state, presentBytes, totalBytes, progress, error }: ModelStatus,
  atMs: number,
): DownloadView | null {
  if (progress !== null) return downloadOfProgress(id, progress, atMs);
  const download = stateOf[state];
  if (download === undefined) return null;
  const trouble = error?.message ?? null;
  return {
    model: id,
    state: download,
    doneBytes: presentBytes,
    totalBytes,
    bytesPerSecond: 0,
    etaMs: null,
    trouble,
    atMs,
  };
}
