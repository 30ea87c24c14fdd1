/** Sums simulation runs up for people, with the command that repeats one. */
import { secondMs } from "../../src/core/units.ts";
import { allowance } from "./promises.ts";
import type { SimulationFigures } from "./simulation.ts";

/** One run and the seconds of real time that it took. */
export interface Run {
  readonly figures: SimulationFigures;
  readonly seconds: number;
}

const counted = [
  "hours",
  "jobs",
  "faults",
  "crashes",
  "cancels",
  "looks",
  "adoptions",
  "keptResults",
  "stoodInMeanwhile",
  "rows",
  "compared",
  "broken",
  "excused",
  "innocentEnded",
  "effectiveRefuted",
] as const;
const answered = ["real", "changed", "standIn", "refused", "cancelled"] as const;

export interface Sum {
  readonly seconds: number;
  readonly counts: Readonly<Record<(typeof counted)[number], number>>;
  readonly answers: Readonly<Record<(typeof answered)[number], number>>;
  /** Ascending. */
  readonly recoveryMs: readonly number[];
}

const sumBy = <Key extends string>(keys: readonly Key[], amountOf: (key: Key) => number): Record<Key, number> =>
  Object.fromEntries(keys.map((key) => [key, amountOf(key)])) as Record<Key, number>;

/** Runs side by side: their work adds up, and the longest says how long it took. */
export function sumOf(runs: readonly Run[]): Sum {
  const total = (amountOf: (figures: SimulationFigures) => number): number =>
    runs.reduce((sum, { figures }) => sum + amountOf(figures), 0);
  return {
    seconds: Math.max(0, ...runs.map(({ seconds }) => seconds)),
    counts: sumBy(counted, (key) => total((figures) => figures[key])),
    answers: sumBy(answered, (key) => total((figures) => figures.answers[key])),
    recoveryMs: runs.flatMap(({ figures }) => figures.recoveryMs).toSorted((one, other) => one - other),
  };
}

/** What was said against what came, with what may come later than it was said. */
function describePromises({ compared, broken, excused, innocentEnded, effectiveRefuted }: Sum["counts"]): string[] {
  if (compared === 0) return [];
  const { claimMs, standInMs, resultMs } = allowance;
  const late = `allowed late: the claim ${claimMs / secondMs} s, a stand-in ${standInMs / secondMs} s, a video half of its time and ${resultMs / secondMs} s`;
  return [
    `${compared} promises compared: ${broken} broken, ${((excused / compared) * 100).toFixed(1)} % excused (${late})`,
    `${innocentEnded} innocent jobs ended, ${effectiveRefuted} effective outcomes refuted and not revised`,
  ];
}

/** How much was simulated a minute, and how jobs were answered. */
export function describeFigures({ seconds, counts, answers, recoveryMs }: Sum): string {
  const perMinute = (count: number): string => String(Math.round((count / Math.max(seconds, 0.001)) * 60));
  const all = Math.max(1, answers.real + answers.changed + answers.standIn + answers.refused + answers.cancelled);
  const share = (count: number): string => `${((count / all) * 100).toFixed(1)} %`;
  const { hours, jobs, faults, crashes } = counts;
  const recoverySeconds = (ratio: number): string =>
    ((recoveryMs[Math.floor(ratio * (recoveryMs.length - 1))] ?? Number.NaN) / secondMs).toFixed(1);
  return [
    `${hours} h in ${seconds.toFixed(1)} s`,
    `a minute: ${perMinute(hours)} h, ${perMinute(jobs)} jobs, ${perMinute(faults)} faults, ${perMinute(crashes)} crashes`,
    `${jobs} jobs: ${share(answers.real)} real (${counts.stoodInMeanwhile} after a stand-in), ${share(answers.changed)} changed, ${share(answers.standIn)} stand-in, ${share(answers.refused)} refused, ${share(answers.cancelled)} cancelled`,
    `${recoveryMs.length} recoveries of ${faults} faults: p50 ${recoverySeconds(0.5)} s, p95 ${recoverySeconds(0.95)} s`,
    ...describePromises(counts),
    `${counts.looks} answers compared, ${counts.adoptions} adoptions, ${counts.keptResults} kept results, ${counts.rows} rows`,
  ].join("; ");
}

export const replayOf = ({ seed, hours, workers }: SimulationFigures): string =>
  `npm run simulate -- --seed ${seed} --hours ${hours} --workers ${workers}`;
