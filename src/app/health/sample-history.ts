/**
 * The measurements of the last day, for the charts of the page. A restart empties it: nothing durable depends on it.
 */
import type { Sample } from "../../core/ports/telemetry-probe.ts";
import { minuteMs } from "../../core/units.ts";

export interface SampleHistory {
  note(sample: Sample): void;
  latest(): Sample | null;
  /** Oldest first. */
  since(fromMs: number): readonly Sample[];
  onSample(listener: (sample: Sample) => void): () => void;
}

const recentMs = 10 * minuteMs;
const keptCount = 24 * 60;

/** What was measured within the last day, in memory only: everything of the last ten minutes, before that one sample a minute. */
export function createSampleHistory(): SampleHistory {
  let recent: Sample[] = [];
  let kept: Sample[] = [];
  const listeners = new Set<(sample: Sample) => void>();
  const keep = (sample: Sample): void => {
    const last = kept.at(-1);
    if (last !== undefined && Math.floor(last.atMs / minuteMs) === Math.floor(sample.atMs / minuteMs)) return;
    kept.push(sample);
    if (kept.length > keptCount) kept = kept.slice(-keptCount);
  };
  return {
    note: (sample) => {
      const oldestMs = sample.atMs - recentMs;
      for (const old of recent) if (old.atMs < oldestMs) keep(old);
      recent = [...recent.filter(({ atMs }) => atMs >= oldestMs), sample];
      for (const listener of listeners) listener(sample);
    },
    latest: () => recent.at(-1) ?? null,
    since: (fromMs) => [...kept, ...recent].filter(({ atMs }) => atMs >= fromMs),
    onSample: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
