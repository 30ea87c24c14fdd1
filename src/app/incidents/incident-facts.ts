/**
 * Compares what an incident's rows say with what its replay reports. A difference means that the chart has changed
 * since, or that a row is wrong.
 */
import { isDeepStrictEqual } from "node:util";
import type { EventRow } from "../../core/events.ts";
import { blameRow, climbEndedRow, lookBackRow, rungEndedRow, rungStartedRow } from "../../machines/incident-rows.ts";
import type { RecoveryReport } from "../../machines/recovery-types.ts";
import { keepable } from "./incident-evidence.ts";

/** One place where the rows and their replay do not agree. */
export interface Difference {
  readonly where: string;
  readonly recorded: string;
  readonly replayed: string;
}

/** Kinds of rows that come of a report of the incident's own actor. */
export const factKinds = [
  "rung.started",
  "rung.ended",
  "climb.ended",
  "blame.settled",
  "cooldown.started",
  "canary.passed",
  "canary.failed",
  "incident.stoodIn",
  "incident.exhausted",
  "incident.closed",
] as const;
type FactKind = (typeof factKinds)[number];
export type FactRow = EventRow<FactKind>;

interface Fact {
  readonly kind: FactKind;
  readonly data: object;
}

/** What the recorder writes of a report; null for requests, which leave no row of the incident. */
function factOf(report: RecoveryReport): Fact | null {
  switch (report.type) {
    case "rung.started":
      return { kind: report.type, data: rungStartedRow(report) };
    case "rung.ended":
      return { kind: report.type, data: rungEndedRow(report) };
    case "blame.settled":
      return { kind: report.type, data: blameRow(report) };
    case "climb.ended":
      return { kind: report.type, data: climbEndedRow(report) };
    case "cooldown.started":
      return { kind: report.type, data: { until_ms: report.untilMs } };
    case "canary.passed":
    case "canary.failed":
      return { kind: report.type, data: {} };
    case "incident.stoodIn":
    case "incident.exhausted":
      return { kind: report.type, data: lookBackRow(report) };
    case "incident.resolved":
      return { kind: "incident.closed", data: { climbs: report.climbCount, status: "resolved" } };
    default:
      return null;
  }
}

const asKept = (data: unknown): unknown => JSON.parse(JSON.stringify(keepable(data)));

/** What the store itself adds to a row that closes an incident, no machine has said. */
function asReported(row: FactRow): Fact {
  if (row.kind !== "incident.closed") return row;
  const { climbs, status } = row.data;
  return { kind: row.kind, data: { climbs, status } };
}
const said = ({ kind, data }: Fact): string => `${kind} ${JSON.stringify(asKept(data))}`;

/** The first fact that the rows and the replayed reports do not share. */
export function differenceInFacts(
  rows: readonly FactRow[],
  reports: readonly RecoveryReport[],
  isEnded: boolean,
): Difference[] {
  const facts = reports.flatMap((report) => factOf(report) ?? []);
  const recorded = rows.map(asReported);
  // A life that was cut off may have written facts whose steps still waited in memory.
  const count = isEnded ? Math.max(facts.length, rows.length) : facts.length;
  for (let index = 0; index < count; index += 1) {
    const [row, told, fact] = [rows[index], recorded[index], facts[index]];
    if (
      told !== undefined &&
      fact !== undefined &&
      told.kind === fact.kind &&
      isDeepStrictEqual(asKept(told.data), asKept(fact.data))
    )
      continue;
    return [
      {
        where: row === undefined ? `fact ${index + 1}` : `row ${row.seq}, ${row.kind}`,
        recorded: told === undefined ? "nothing" : said(told),
        replayed: fact === undefined ? "nothing" : said(fact),
      },
    ];
  }
  return [];
}
