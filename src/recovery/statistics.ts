/** Counts recovery attempts for the API. Only what was proven counts as a success. */
import type { RungResult } from "../core/fault.ts";
import type { FailureType, RecoveryAction } from "../core/words.ts";

/** One action that ran, in the incident's failure type. Skipped rungs are no attempts. */
export interface RecoveryAttempt {
  readonly failureType: FailureType;
  readonly rung: Pick<RungResult, "action" | "outcome" | "startedAtMs" | "endedAtMs">;
}

interface Tally {
  readonly total: number;
  readonly successful: number;
}

/** The figures of `recovery_statistics`; the contract gives the fields their names on the wire. */
export interface RecoveryStatistics {
  readonly totalAttempts: number;
  readonly successfulAttempts: number;
  /** 0..100, one decimal. */
  readonly successRatePercent: number;
  /** Over the successful attempts, two decimals. */
  readonly averageRecoverySeconds: number;
  readonly failureTypes: Readonly<Partial<Record<FailureType, Tally>>>;
  readonly recoveryActions: Readonly<Partial<Record<RecoveryAction, Tally>>>;
}

const round = (value: number, decimals: number): number => Number(value.toFixed(decimals));

function tallyBy<Key extends string>(
  attempts: readonly RecoveryAttempt[],
  keyOf: (attempt: RecoveryAttempt) => Key,
): Partial<Record<Key, Tally>> {
  const tallies: Partial<Record<Key, Tally>> = {};
  for (const attempt of attempts) {
    const key = keyOf(attempt);
    const before = tallies[key] ?? { total: 0, successful: 0 };
    tallies[key] = { total: before.total + 1, successful: before.successful + (isSuccessful(attempt) ? 1 : 0) };
  }
  return tallies;
}

/**
 * An attempt is successful when it was proven effective. A stand-in that plays counts too, because the compatible
 * clients count it.
 */
function isSuccessful(attempt: RecoveryAttempt): boolean {
  return attempt.rung.outcome === "effective";
}

/** Totals per type and per action both add up to `totalAttempts`. */
export function recoveryStatistics(records: readonly RecoveryAttempt[]): RecoveryStatistics {
  const attempts = records.filter((attempt) => attempt.rung.outcome !== "skipped");
  const successful = attempts.filter(isSuccessful);
  const spentMs = successful.reduce((sum, { rung }) => sum + (rung.endedAtMs - rung.startedAtMs), 0);
  return {
    totalAttempts: attempts.length,
    successfulAttempts: successful.length,
    successRatePercent: attempts.length === 0 ? 0 : round((successful.length / attempts.length) * 100, 1),
    averageRecoverySeconds: successful.length === 0 ? 0 : round(spentMs / successful.length / 1_000, 2),
    failureTypes: tallyBy(attempts, (attempt) => attempt.failureType),
    recoveryActions: tallyBy(attempts, (attempt) => attempt.rung.action),
  };
}
