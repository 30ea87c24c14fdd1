/**
 * How a drill went, for whoever owns a job in it: what was told, what there was to watch, when the video came, and how
 * long somebody else had to wait.
 */

/**
 * What a drill measures, in ms. All but `bystander` count from the moment of the fault.
 * `told`: the owner of the drill's job could read that something is wrong; a place in a queue tells nothing ·
 * `watchable`: the owner had something to play, a stand-in or the video · `delivered`: the owner had the real video ·
 * `recovered`: every job of the drill has ended, no incident is open and the mode is `ready` again ·
 * `bystander`: what somebody else's healthy job, submitted right behind, took longer than such a job alone.
 */
export const drillStages = ["told", "watchable", "delivered", "recovered", "bystander"] as const;
export type DrillStage = (typeof drillStages)[number];

/** Null: not reached before the drill was given up. A stage that was not measured is not there. */
export type StageTimes = Readonly<Partial<Record<DrillStage, number | null>>>;
/** A stage without a limit is not needed: nobody has to be told of a fault that costs time and nothing else. */
export type StageLimits = Readonly<Partial<Record<DrillStage, number>>>;

/** What one drill shows beside its stages. */
interface Expectation {
  /** A sentence. */
  readonly expected: string;
  readonly isMet: boolean;
}

export interface ScoreCard {
  readonly drill: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly times: StageTimes;
  readonly limits: StageLimits;
  /** What the bystander's job takes alone: one like it was rendered before the fault. Null on cards that have no bystander. */
  readonly aloneMs: number | null;
  /** Accepted jobs of the drill that did not end as they should: with their video, or by a fault of their own. */
  readonly lostJobCount: number;
  /** Statements of the service that what was measured contradicts, in words. */
  readonly falseClaims: readonly string[];
  /** What the service recognised: codes of the faults, in order. */
  readonly recognisedAs: readonly string[];
  /** What it did about them: `action: outcome`, in order. */
  readonly actions: readonly string[];
  readonly expectations: readonly Expectation[];
  readonly isPassed: boolean;
}

/** The stages that were needed and did not come in time. */
export function lateStages({ times, limits }: Pick<ScoreCard, "times" | "limits">): readonly DrillStage[] {
  return drillStages.filter((stage) => {
    const limitMs = limits[stage];
    const tookMs = times[stage] ?? null;
    return limitMs !== undefined && (tookMs === null || tookMs > limitMs);
  });
}

/** A drill is passed when every stage came in time, nothing was lost or claimed falsely, and what it shows was seen. */
export function isDrillPassed(card: Omit<ScoreCard, "isPassed">): boolean {
  return (
    lateStages(card).length === 0 &&
    card.lostJobCount === 0 &&
    card.falseClaims.length === 0 &&
    card.expectations.every(({ isMet }) => isMet)
  );
}

/** A card as it was kept before cards told what owners see. */
interface FormerCard
  extends Pick<
    ScoreCard,
    "drill" | "startedAtMs" | "endedAtMs" | "lostJobCount" | "falseClaims" | "recognisedAs" | "actions" | "isPassed"
  > {
  readonly recoveredMs: number | null;
  readonly targets: { readonly recoveredMs: number };
}
export type KeptCard = ScoreCard | FormerCard;

/**
 * A card that was kept, whichever version kept it. What older ones called detected and answered was seen by nobody who
 * owned a job, so of their stages the recovery alone is told.
 */
export function readCard(kept: KeptCard): ScoreCard {
  if ("times" in kept) return kept;
  const { recoveredMs, targets, drill, startedAtMs, endedAtMs } = kept;
  const { lostJobCount, falseClaims, recognisedAs, actions, isPassed } = kept;
  return {
    drill,
    startedAtMs,
    endedAtMs,
    times: { recovered: recoveredMs },
    limits: { recovered: targets.recoveredMs },
    aloneMs: null,
    lostJobCount,
    falseClaims,
    recognisedAs,
    actions,
    expectations: [],
    isPassed,
  };
}
