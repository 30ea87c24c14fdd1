/**
 * Judges a mutation run: how many mutants the tests have killed by machine, which survived, and whether the proofs and
 * declarations themselves hold.
 */
import type { Finding } from "./assignment.ts";
import type { Equivalent } from "./equivalents.ts";
import { type Mutant, nameOf } from "./mutant.ts";

export interface Score {
  readonly machine: string;
  readonly mutantCount: number;
  readonly killedCount: number;
  readonly survivedCount: number;
  readonly equivalentCount: number;
  /** Killed among those that are not equivalent; 1 when there are none. */
  readonly killedRatio: number;
  /** Kills by the file of the proof. */
  readonly killers: Readonly<Record<string, number>>;
}

export interface Judgement {
  readonly scores: readonly Score[];
  readonly survivors: readonly Mutant[];
  /** Sentences about proofs that fail by themselves and declarations that do not hold. */
  readonly problems: readonly string[];
}

/** What a machine's proofs must find at least. */
const wantedRatio = 0.9;

/** The row that sums the others up. */
const all = "all";

const proofOf = (killedBy: string): string => /([\w-]+)\.test\.ts/.exec(killedBy)?.[1] ?? "time or an error";

function scoreOf(machine: string, findings: readonly Finding[], isDeclared: (mutant: Mutant) => boolean): Score {
  const own = findings.filter(
    ({ mutant }) => (machine === all || mutant.machine === machine) && mutant.operator !== "nothing",
  );
  const counted = own.filter(({ mutant }) => !isDeclared(mutant));
  const killed = counted.filter(({ killedBy }) => killedBy !== null);
  const killers = Map.groupBy(killed, ({ killedBy }) => proofOf(killedBy ?? ""));
  return {
    machine,
    mutantCount: own.length,
    killedCount: killed.length,
    survivedCount: counted.length - killed.length,
    equivalentCount: own.length - counted.length,
    killedRatio: counted.length === 0 ? 1 : killed.length / counted.length,
    killers: Object.fromEntries([...killers].map(([proof, list]) => [proof, list.length])),
  };
}

/**
 * `known`: every mutant there is, to find declarations that speak of none. Of a sample only the sum is judged: it holds too few of
 * each machine.
 */
export function judge(
  findings: readonly Finding[],
  declared: readonly Equivalent[],
  known: readonly Mutant[],
  isSample: boolean,
): Judgement {
  const declaredNames = new Set(declared.map(nameOf));
  const knownNames = new Set(known.map(nameOf));
  const isDeclared = (mutant: Mutant): boolean => declaredNames.has(nameOf(mutant));
  const killed = findings.filter(({ killedBy }) => killedBy !== null);
  const machines = [...new Set(findings.map(({ mutant }) => mutant.machine))];
  const scores = [...machines, all].map((machine) => scoreOf(machine, findings, isDeclared));
  return {
    scores,
    survivors: findings
      .filter(({ mutant, killedBy }) => killedBy === null && mutant.operator !== "nothing" && !isDeclared(mutant))
      .map(({ mutant }) => mutant),
    problems: [
      ...killed
        .filter(({ mutant }) => mutant.operator === "nothing")
        .map(({ mutant, killedBy }) => `the unchanged ${mutant.machine} fails ${killedBy}`),
      ...killed
        .filter(({ mutant }) => isDeclared(mutant))
        .map(({ mutant, killedBy }) => `declared equivalent, but killed: ${nameOf(mutant)}, by ${killedBy}`),
      ...declared
        .filter((mutant) => !knownNames.has(nameOf(mutant)))
        .map((mutant) => `declared equivalent, but no mutant: ${nameOf(mutant)}`),
      ...scores
        .filter(({ machine, killedRatio }) => killedRatio < wantedRatio && (machine === all || !isSample))
        .map(
          ({ machine, killedRatio }) =>
            `${machine}: ${(killedRatio * 100).toFixed(1)} % killed, ${wantedRatio * 100} % are wanted`,
        ),
    ],
  };
}

/** A Markdown table, one row a machine. */
export function describeScores(scores: readonly Score[]): string {
  const rows = scores.map(
    ({ machine, mutantCount, killedCount, survivedCount, equivalentCount, killedRatio, killers }) => {
      const by = Object.entries(killers).map(([proof, count]) => `${proof} ${count}`);
      return `| ${machine} | ${mutantCount} | ${killedCount} | ${survivedCount} | ${equivalentCount} | ${(killedRatio * 100).toFixed(1)} % | ${by.join(", ")} |`;
    },
  );
  return [
    "| machine | mutants | killed | survived | equivalent | score | killed by |",
    "|---|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}
