/**
 * How far a download is, in words: a bar that a terminal redraws, and a few plain lines for logs and pipes, which
 * cannot redraw.
 */
import type { PullProgress } from "../core/ports/model-cache.ts";
import { formatBytes, minuteMs, secondMs } from "../core/units.ts";

const barWidth = 24;

/** A bar of text, such as `[######------------------]`. */
export function drawBar(percent: number): string {
  const fullCount = Math.round((barWidth * percent) / 100);
  return `[${"#".repeat(fullCount)}${"-".repeat(barWidth - fullCount)}]`;
}

const percentOf = ({ doneBytes, totalBytes }: PullProgress): number =>
  totalBytes === 0 ? 0 : Math.floor((100 * doneBytes) / totalBytes);

function timeWords(etaMs: number | null): string {
  if (etaMs === null) return "waiting for bytes";
  const minutes = Math.floor(etaMs / minuteMs);
  return minutes === 0
    ? `${Math.ceil(etaMs / secondMs)} s left`
    : `${minutes} min ${Math.round((etaMs % minuteMs) / secondMs)} s left`;
}

const amounts = (progress: PullProgress): string =>
  `${percentOf(progress)} %  ${formatBytes(progress.doneBytes)} of ${formatBytes(progress.totalBytes)}  ${progress.doneFileCount} of ${progress.fileCount} files`;

/** The state of a pull on one line of a terminal, at most `columns` wide. */
export function barLine(progress: PullProgress, columns: number): string {
  if (progress.phase === "listing") return `asking the hub ${progress.trouble ?? ""}`.trim().slice(0, columns);
  const bar = drawBar(percentOf(progress));
  const now =
    progress.phase === "checking"
      ? "checking what is there"
      : (progress.trouble ?? `${formatBytes(progress.bytesPerSecond)}/s  ${timeWords(progress.etaMs)}`);
  return `${bar} ${amounts(progress)}  ${now}`.slice(0, columns);
}

/** Writes for logs and pipes: a line for every tenth and every new trouble; null when there is nothing new to say. */
export function createPlainLines(): (progress: PullProgress) => string | null {
  let lastTenth = -1;
  let lastTrouble: string | null = null;
  return (progress) => {
    const tenth = progress.phase === "fetching" ? Math.floor(percentOf(progress) / 10) : lastTenth;
    const isNewTrouble = progress.trouble !== null && progress.trouble !== lastTrouble;
    lastTrouble = progress.trouble;
    if (tenth === lastTenth && !isNewTrouble) return null;
    lastTenth = tenth;
    return isNewTrouble ? `${amounts(progress)}  ${progress.trouble}` : amounts(progress);
  };
}
