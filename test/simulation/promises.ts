/**
 * Compares what the service said when a job was submitted with what its owner got, and when. A promise that was not
 * kept is broken, unless the world struck in between.
 */
import type { TimelineRow } from "../../src/core/events.ts";
import { minuteMs, secondMs } from "../../src/core/units.ts";
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

const isRealNow = ({ mode, sentence }: Said): boolean =>
  mode === "ready" || (mode === "degraded" && /is rendered/.test(sentence)) || / is rendered by /.test(sentence);
const mayStandIn = ({ consent }: Said): boolean => consent === "stand_in" || consent === "stand_in_then_real";
const earliest = (...times: readonly (number | null)[]): number | null => {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.min(...known);
};

/** A worker was said to be there: it takes the job, and its video is the next thing that the owner sees. */
function claimsOfReal(said: Said, got: Got): Claim[] {
  const isReal = got.endedAs === "real";
  const otherEndMs = got.endedAs === null || isReal ? null : got.endedAtMs;
  const named = said.expectedAtMs;
  const dueAtMs =
    named === null ? said.atMs + unnamedResultMs : said.atMs + (named - said.atMs) * 1.5 + allowance.resultMs;
  const claims: Claim[] = [
    {
      what: named === null ? "a real video" : `a real video in ${Math.round((named - said.atMs) / secondMs)} s`,
      dueAtMs,
      keptAtMs: isReal ? got.endedAtMs : null,
      brokenAtMs: earliest(otherEndMs, got.stoodInAtMs),
    },
  ];
  if (/at once/.test(said.sentence))
    claims.push({
      what: "at once",
      dueAtMs: said.atMs + allowance.claimMs,
      keptAtMs: got.claimedAtMs,
      brokenAtMs: null,
    });
  return claims;
}

/** No worker was said to be there: who consents sees a stand-in soon, who wants none is told, or a worker takes it after all. */
function claimsOfLost(said: Said, got: Got): Claim[] {
  if (said.consent === "wait" || said.mode === "draining") return [];
  const dueAtMs = said.atMs + standInAfterMs + allowance.standInMs;
  const what = mayStandIn(said) ? "a stand-in, or the real video before it" : "the refusal, or the real video";
  return [{ what, dueAtMs, keptAtMs: earliest(got.claimedAtMs, got.stoodInAtMs, got.endedAtMs), brokenAtMs: null }];
}

const isStandInWanted = ({ mode, sentence }: Said): boolean =>
  mode === "mock" || /labelled stand-in first/.test(sentence);

function claimsOf(said: Said, got: Got): Claim[] {
  if (isRealNow(said)) return claimsOfReal(said, got);
  return isStandInWanted(said) ? claimsOfLost(said, got) : [];
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
          const key = claim.what.split(" in ")[0] ?? claim.what;
          const isBroken = brokenAtMs !== null && brokenAtMs < (keptAtMs ?? Number.POSITIVE_INFINITY);
          const isDue = isBroken || keptAtMs !== null || nowMs > dueAtMs;
          if (!isDue || judged.has(key)) continue;
          judged.add(key);
          const isKept = !isBroken && keptAtMs !== null && keptAtMs <= dueAtMs;
          const untilMs = Math.min(brokenAtMs ?? dueAtMs, dueAtMs);
          settle(jobId, said, claim, isKept ? null : excuseOf(said.atMs, untilMs), isKept);
        }
        if (got.endedAtMs !== null) open.delete(jobId);
      }
    },
  };
}
