/**
 * Reads the names of metrics out of alert rules, the dashboard and a scrape, so that tests can show that nothing asks
 * for a metric that is not there.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { dashboard, dashboardExpressions } from "../../scripts/grafana/dashboard.ts";

export const deployPath = (name: string): string => new URL(`../../deploy/${name}`, import.meta.url).pathname;

export interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
}

export const readRules = (): readonly Rule[] =>
  (
    parse(readFileSync(deployPath("prometheus/understudy.rules.yml"), "utf8")) as { groups: { rules: Rule[] }[] }
  ).groups.flatMap(({ rules }) => rules);

/** Of the dashboard: panels, annotations and variables. */
export const allDashboardExpressions = (): readonly string[] => [
  ...dashboardExpressions,
  ...dashboard.annotations.list.map(({ expr }) => expr),
  "understudy_build_info",
];

/** Names of families that an expression asks for, `_bucket`, `_sum` and `_count` of a histogram as the histogram. */
export const familiesIn = (expr: string): readonly string[] =>
  (expr.match(/\bunderstudy_[a-z0-9_]+/g) ?? []).map((name) => name.replace(/_(?:bucket|sum|count)$/, ""));

/** Names of what recording rules make. */
export const recordsIn = (expr: string): readonly string[] => expr.match(/\bunderstudy:[a-z0-9_:]+/g) ?? [];

/** Every family that the text of a scrape declares. */
export const declaredIn = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = ""]) => name));

/** The value of one series; undefined when it is not there. */
export function valueIn(text: string, series: string): number | undefined {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
