import { isDeepStrictEqual } from "node:util";
import type { EventRow } from "../../core/ports/event-log.ts";
import type { RecoveryReport } from "../../machines/recovery-types.ts";
import { sanitise } from "./incident-evidence.ts";

/** One place where the rows and their replay do not agree. */
export interface Difference {
  readonly where: string;
  readonly recorded: string;
  readonly replayed: string;
}

type Fields = Readonly<Record<string, unknown>>;

interface Fact {
  readonly kind: string;
  readonly data: Fields;
}

/** What the recorder writes of a report; null for requests, which leave no row of the incident. */
function factOf(report: RecoveryReport): Fact | null {
  switch (report.type) {
    case "rung.started":
      return {
        kind: report.type,
        data: { action: report.action, failure_type: report.failureType, climb: report.climb },
      };
    case "rung.ended": {
      const { action, outcome, reason, evidence, startedAtMs, endedAtMs } = report.result;
      const about = { action, outcome, reason, failure_type: report.failureType, climb: report.climb };
      return { kind: report.type, data: { ...about, started_at_ms: startedAtMs, ended_at_ms: endedAtMs, evidence } };
    }
    case "climb.ended":
      return { kind: report.type, data: { climb: report.climb, outcome: report.outcome } };
    case "cooldown.started":
      return { kind: report.type, data: { until_ms: report.untilMs } };
    case "canary.passed":
    case "canary.failed":
      return { kind: report.type, data: {} };
    case "incident.stoodIn":
    case "incident.exhausted": {
      const { lookBackAtMs, climbCount, lookBackCount } = report;
      return {
        kind: report.type,
        data: { look_back_at_ms: lookBackAtMs, climbs: climbCount, look_backs: lookBackCount },
      };
    }
    case "incident.resolved":
      return { kind: "incident.closed", data: { climbs: report.climbCount, status: "resolved" } };
    default:
      return null;
  }
}

/** Kinds of rows that come of a report of the incident's own actor. */
export const factKinds: ReadonlySet<string> = new Set([
  "rung.started",
  "rung.ended",
  "climb.ended",
  "cooldown.started",
  "canary.passed",
  "canary.failed",
  "incident.stoodIn",
  "incident.exhausted",
  "incident.closed",
]);

const asKept = (data: unknown): unknown => JSON.parse(JSON.stringify(sanitise(data)));

/** What the store itself adds to a row that closes an incident; no machine has said it. */
const addedByStore: ReadonlySet<string> = new Set(["failure_type", "open_ms"]);
const asReported = ({ kind, data }: EventRow): Fact => ({
  kind,
  data:
    kind === "incident.closed"
      ? Object.fromEntries(Object.entries(data).filter(([name]) => !addedByStore.has(name)))
      : data,
});
const said = ({ kind, data }: Fact): string => `${kind} ${JSON.stringify(asKept(data))}`;

/** The first fact that the rows and the replayed reports do not share. */
export function differenceInFacts(
  rows: readonly EventRow[],
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
