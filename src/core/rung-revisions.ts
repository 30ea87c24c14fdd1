/** Rungs with the outcome that the jobs' next attempts gave them. Whoever counts or shows rungs reads them through this. */
import type { EventRow } from "./events.ts";

/** What tells one rung from every other. */
const identityOf = (row: EventRow<"rung.ended"> | EventRow<"rung.revised">): string =>
  [row.incidentId, row.data.action, row.data.climb, row.data.started_at_ms].join(" ");

/** @param revisions oldest first: the last one holds */
export function withRevisions(
  rungs: readonly EventRow<"rung.ended">[],
  revisions: readonly EventRow<"rung.revised">[],
): EventRow<"rung.ended">[] {
  const last = new Map(revisions.map((row) => [identityOf(row), row.data]));
  return rungs.map((row) => {
    const revised = last.get(identityOf(row));
    return revised === undefined
      ? row
      : { ...row, data: { ...row.data, outcome: revised.to, reason: `${row.data.reason}; ${revised.reason}` } };
  });
}
