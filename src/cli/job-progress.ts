/** How a job that is waited for shows on a terminal, and in a log. */
import type { JobDetail } from "../contract/jobs-wire.ts";
import { minuteMs, secondMs } from "../core/units.ts";
import { drawBar } from "./progress-lines.ts";

const percentOf = ({ state, progress }: JobDetail): number =>
  state === "succeeded" ? 100 : Math.floor(100 * (progress?.ratio ?? 0));

function etaWords(etaMs: number | undefined): string {
  if (etaMs === undefined) return "";
  return etaMs < minuteMs
    ? `  about ${Math.ceil(etaMs / secondMs)} s left`
    : `  about ${Math.ceil(etaMs / minuteMs)} min left`;
}

/** Where a job is, in a few words; a stand-in is named as one. */
export function whereabouts(job: JobDetail): string {
  const { state, progress, is_mock: isStandInShown } = job;
  const standIn =
    isStandInShown && (state === "queued" || state === "running") ? "  a stand-in is shown meanwhile" : "";
  if (state === "running" && progress !== undefined)
    return `${progress.phase} ${progress.step} of ${progress.of}${etaWords(progress.eta_ms)}${standIn}`;
  return `${state === "queued" ? "waits for a worker" : state}${standIn}`;
}

/** The state of a job on one line of a terminal, at most `columns` wide. */
export function jobBar(job: JobDetail, columns: number): string {
  const percent = percentOf(job);
  return `${drawBar(percent)} ${percent} %  ${whereabouts(job)}`.slice(0, columns);
}

/** Writes for logs and pipes: a line for every new state and every tenth; null when there is nothing new to say. */
export function createJobLines(): (job: JobDetail) => string | null {
  let last = "";
  return (job) => {
    const key = `${job.state} ${job.is_mock} ${job.attempt_count} ${job.progress === undefined ? "" : Math.floor(percentOf(job) / 10)}`;
    if (key === last) return null;
    last = key;
    return `${percentOf(job)} %  ${whereabouts(job)}`;
  };
}
