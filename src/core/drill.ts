/** Within what time each stage of a drill has to be reached, in ms from the moment of the fault. */
export interface DrillTargets {
  /** The service's own rows tell that something is wrong. */
  readonly detectedMs: number;
  /** The job's owner can see where the job stands: a place in the queue, a stand-in, or the result. */
  readonly answeredMs: number;
  /** The job has its real result, no incident is open and the mode is `ready` again. */
  readonly recoveredMs: number;
}

/** How one drill went. Times in ms from the moment of the fault; null: not reached before the drill was given up. */
export interface ScoreCard {
  readonly drill: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly detectedMs: number | null;
  readonly answeredMs: number | null;
  readonly recoveredMs: number | null;
  /** Acknowledged jobs of the drill without a result that is theirs. */
  readonly lostJobCount: number;
  /** Statements of the service that what was measured contradicts, in words. */
  readonly falseClaims: readonly string[];
  /** What the service recognised: codes of the faults, in order. */
  readonly recognisedAs: readonly string[];
  /** What it did about them: `action: outcome`, in order. */
  readonly actions: readonly string[];
  readonly targets: DrillTargets;
  readonly isPassed: boolean;
}

/** A drill passes when every stage was reached in time, nothing was lost and nothing was claimed falsely. */
export function isDrillPassed(card: Omit<ScoreCard, "isPassed">): boolean {
  const { targets } = card;
  const stages = [
    [card.detectedMs, targets.detectedMs],
    [card.answeredMs, targets.answeredMs],
    [card.recoveredMs, targets.recoveredMs],
  ] as const;
  return (
    card.lostJobCount === 0 &&
    card.falseClaims.length === 0 &&
    stages.every(([tookMs, limitMs]) => tookMs !== null && tookMs <= limitMs)
  );
}
