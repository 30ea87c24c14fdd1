/**
 * Everything that the simulated world did to the service, with its time: what excuses a promise that was not kept, and
 * what another job's failure is not to blame for.
 */
import { secondMs } from "../../src/core/units.ts";

interface Disturbance {
  readonly what: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Disturbances {
  note(what: string, fromMs: number, untilMs?: number): void;
  /** The world hit the attempt of this job. */
  hit(jobId: string): void;
  /** How often the world hit this job: one that was hit twice may end by it. */
  hitsOf(jobId: string): number;
  /** What held, or came, within this span; null when nothing did. */
  findWithin(fromMs: number, untilMs: number): string | null;
}

/** Nobody can say within this time what has just happened. */
const noticeMs = 30 * secondMs;

export function createDisturbances(): Disturbances {
  const all: Disturbance[] = [];
  const hits = new Map<string, number>();
  return {
    note: (what, fromMs, untilMs = fromMs) => {
      all.push({ what, fromMs, untilMs });
    },
    hit: (jobId) => {
      hits.set(jobId, (hits.get(jobId) ?? 0) + 1);
    },
    hitsOf: (jobId) => hits.get(jobId) ?? 0,
    findWithin: (fromMs, untilMs) =>
      all.findLast((one) => one.fromMs <= untilMs && one.untilMs + noticeMs >= fromMs)?.what ?? null,
  };
}
