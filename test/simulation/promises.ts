/**
 * Compares what the service said when a job was submitted with what its owner got, and when. A promise that was not
 * kept is broken, unless the world struck in between.
 */
import type { TimelineRow } from "../../src/core/events.ts";
import { hourMs, minuteMs, secondMs } from "../../src/core/units.ts";
import type { FallbackConsent, Mode } from "../../src/core/words.ts";

/** How much later than said something may come. */
export const allowance = {
  /** From "at once" to the claim. */
  claimMs: 60 * secondMs,
  /** From the moment at which a stand-in is due to the one that is shown. */
  standInMs: 60 * secondMs,
  /** Beside half of what was expected in addition. */
  resultMs: 3 * minuteMs,
} as const;

/** What was said to take a time may take so many times as long. */
const lateRatio = 1.5;
/** A stand-in is due after the product's own wait. */
const standInAfterMs = 2 * secondMs;
/** Without a time that was named, a real video that was promised comes within this. */
const unnamedResultMs = 60 * minuteMs;

/** What the answers said of one job, at one moment. */
interface Said {
  readonly atMs: number;
  readonly consent: FallbackConsent;
  readonly mode: Mode;
  readonly sentence: string;
  /** When the real video was expected; null where nothing was said. */
  readonly expectedAtMs: number | null;
}

interface Got {
  claimedAtMs: number | null;
  stoodInAtMs: number | null;
  endedAtMs: number | null;
  endedAs: string | null;
}

interface Claim {
  /** A job is told one thing of each. */
  readonly topic: "turn" | "video" | "answer";
  readonly what: string;
  readonly dueAtMs: number;
  readonly keptAtMs: number | null;
  /** It was broken by something that came, and no waiting helps. */
  readonly brokenAtMs: number | null;
}

export interface PromiseFigures {
  compared: number;
  kept: number;
  broken: number;
  excused: number;
}

export interface PromiseBook {
  readonly figures: PromiseFigures;
  readonly broken: readonly string[];
  note(jobId: string, said: Said): void;
  /** Its end says nothing of the service: it is defective, or was cancelled. */
  forget(jobId: string): void;
  read(row: TimelineRow): void;
  /** Judges what is due. `excuseOf` says what the world did within a span; null when nothing. */
  judge(nowMs: number, excuseOf: (fromMs: number, untilMs: number) => string | null): void;
}

const mayStandIn = ({ consent }: Said): boolean => consent === "stand_in" || consent === "stand_in_then_real";
const earliest = (...times: readonly (number | null)[]): number | null => {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.min(...known);
};

const unitMs: Readonly<Record<string, number>> = { s: secondMs, min: minuteMs, h: hourMs };

/** `in about 4 min`: the time until its turn, as the sentence names it. */
function turnMsOf(sentence: string): number | null {
  const [, count, unit = ""] = /, in about (\d+) (s|min|h)\b/.exec(sentence) ?? [];
  return count === undefined ? null : Number(count) * (unitMs[unit] ?? Number.NaN);
}

/** When a worker was said to take it. */
function turnClaim({ atMs, sentence }: Said, got: Got): Claim[] {
  const turnMs = /is rendered at once/.test(sentence) ? 0 : turnMsOf(sentence);
  if (turnMs === null) return [];
  const what = turnMs === 0 ? "a worker at once" : `a worker in ${turnMs / secondMs} s`;
  const dueAtMs = atMs + turnMs * lateRatio + allowance.claimMs;
  return [{ topic: "turn", what, dueAtMs, keptAtMs: got.claimedAtMs, brokenAtMs: null }];
}

/** A worker was said to be there, so the real video is the next thing that the owner sees. */
function realClaim({ atMs, expectedAtMs }: Said, got: Got): Claim {
  const isReal = got.endedAs === "real";
  const otherEndMs = got.endedAs === null || isReal ? null : got.endedAtMs;
  const inMs = expectedAtMs === null ? null : expectedAtMs - atMs;
  return {
    topic: "video",
    what: inMs === null ? "a real video" : `a real video in ${Math.round(inMs / secondMs)} s`,
    dueAtMs: inMs === null ? atMs + unnamedResultMs : atMs + inMs * lateRatio + allowance.resultMs,
    keptAtMs: isReal ? got.endedAtMs : null,
    brokenAtMs: earliest(otherEndMs, got.stoodInAtMs),
  };
}

/** No worker was said to be there: who consents sees a stand-in soon, who wants none is told, or a worker takes it after all. */
function lostClaims(said: Said, got: Got): Claim[] {
  if (said.consent === "wait") return [];
  const dueAtMs = said.atMs + standInAfterMs + allowance.standInMs;
  const what = mayStandIn(said) ? "a stand-in, or a worker before it" : "a refusal, or a worker";
  const keptAtMs = earliest(got.claimedAtMs, got.stoodInAtMs, got.endedAtMs);
  return [{ topic: "answer", what, dueAtMs, keptAtMs, brokenAtMs: null }];
}

/** What the sentence leaves open promises nothing that could be compared. */
function claimsOf(said: Said, got: Got): Claim[] {
  if (/is rendered (?:at once|after|by)/.test(said.sentence)) return [realClaim(said, got), ...turnClaim(said, got)];
  return /labelled stand-in|does not want to wait|Stand-ins only/.test(said.sentence) ? lostClaims(said, got) : [];
}

export function createPromiseBook(): PromiseBook {
  const open = new Map<string, { readonly said: Said; readonly got: Got; readonly judged: Set<string> }>();
  const figures: PromiseFigures = { compared: 0, kept: 0, broken: 0, excused: 0 };
  const broken: string[] = [];
  const settle = (jobId: string, said: Said, claim: Claim, excuse: string | null, isKept: boolean): void => {
    figures.compared += 1;
    if (isKept) figures.kept += 1;
    else if (excuse !== null) figures.excused += 1;
    else {
      figures.broken += 1;
      broken.push(
        `job ${jobId} (${said.consent}) was told in mode ${said.mode} "${said.sentence}": ${claim.what} did not come within ${Math.round((claim.dueAtMs - said.atMs) / secondMs)} s`,
      );
    }
  };
  return {
    figures,
    broken,
    note: (jobId, said) => {
      open.set(jobId, {
        said,
        got: { claimedAtMs: null, stoodInAtMs: null, endedAtMs: null, endedAs: null },
        judged: new Set(),
      });
    },
    forget: (jobId) => {
      open.delete(jobId);
    },
    read: (row) => {
      const entry = row.jobId === null ? undefined : open.get(row.jobId);
      if (entry === undefined) return;
      const { got } = entry;
      if (row.kind === "job.claimed") got.claimedAtMs ??= row.atMs;
      if (row.kind === "job.stoodIn") got.stoodInAtMs ??= row.atMs;
      const isEnd = ["job.succeeded", "job.failed", "job.quarantined", "job.expired", "job.cancelled"].includes(
        row.kind,
      );
      if (!isEnd) return;
      got.endedAtMs ??= row.atMs;
      got.endedAs ??= row.kind === "job.succeeded" ? row.data.served_by : row.kind;
    },
    judge: (nowMs, excuseOf) => {
      for (const [jobId, { said, got, judged }] of open) {
        for (const claim of claimsOf(said, got)) {
          const { dueAtMs, keptAtMs, brokenAtMs } = claim;
          const isBroken = brokenAtMs !== null && brokenAtMs < (keptAtMs ?? Number.POSITIVE_INFINITY);
          const isDue = isBroken || keptAtMs !== null || nowMs > dueAtMs;
          if (!isDue || judged.has(claim.topic)) continue;
          judged.add(claim.topic);
          const isKept = !isBroken && keptAtMs !== null && keptAtMs <= dueAtMs;
          const untilMs = Math.min(brokenAtMs ?? dueAtMs, dueAtMs);
          settle(jobId, said, claim, isKept ? null : excuseOf(said.atMs, untilMs), isKept);
        }
        if (got.endedAtMs !== null) open.delete(jobId);
      }
    },
  };
}
