/**
 * Everything that the simulated world did to the service, with its time: what excuses a promise that was not kept, and
 * what another job's failure is not to blame for.
 */
import { secondMs } from "../../src/core/units.ts";

interface Disturbance {
  readonly what: string;
  readonly fromMs: number;
  readonly untilMs: number;
  /** A job did it by its own defect: that excuses what came late, and no wait beside a free worker. */
  readonly isOfJob: boolean;
}

export interface Disturbances {
  note(what: string, fromMs: number, untilMs?: number): void;
  /** A job took its worker from everybody. */
  noteLoss(what: string, atMs: number): void;
  /** The world hit the attempt of this job. */
  hit(jobId: string): void;
  /** How often the world hit this job: one that was hit twice may end by it. */
  hitsOf(jobId: string): number;
  /** What the world did within this span; null when nothing. */
  findWithin(fromMs: number, untilMs: number): string | null;
  /** The same, and jobs that took their workers. */
  findAnyWithin(fromMs: number, untilMs: number): string | null;
}

/** Nobody can say within this time what has just happened. */
const noticeMs = 30 * secondMs;

const overlaps = (one: Disturbance, fromMs: number, untilMs: number): boolean =>
  one.fromMs <= untilMs && one.untilMs + noticeMs >= fromMs;

export function createDisturbances(): Disturbances {
  const all: Disturbance[] = [];
  const hits = new Map<string, number>();
  return {
    note: (what, fromMs, untilMs = fromMs) => {
      all.push({ what, fromMs, untilMs, isOfJob: false });
    },
    noteLoss: (what, atMs) => {
      all.push({ what, fromMs: atMs, untilMs: atMs, isOfJob: true });
    },
    hit: (jobId) => {
      hits.set(jobId, (hits.get(jobId) ?? 0) + 1);
    },
    hitsOf: (jobId) => hits.get(jobId) ?? 0,
    findWithin: (fromMs, untilMs) =>
      all.findLast((one) => !one.isOfJob && overlaps(one, fromMs, untilMs))?.what ?? null,
    findAnyWithin: (fromMs, untilMs) => all.findLast((one) => overlaps(one, fromMs, untilMs))?.what ?? null,
  };
}
