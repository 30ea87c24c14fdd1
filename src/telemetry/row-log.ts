/** Writes the timeline into the log. Only ids and codes go there: a row's texts may be long or about people. */
import type { EventRow } from "../core/events.ts";
import type { Logger } from "./logger.ts";

/**
 * Writes one line for each row of the timeline, with its ids; transitions have lines of their own. What a row says
 * stays in the row.
 */
export function logRows(logger: Pick<Logger, "info" | "error">, rows: readonly EventRow[]): void {
  for (const row of rows) {
    const { seq, kind, actor, jobId, incidentId, workerId, data } = row;
    if (kind === "machine.transitioned") continue;
    if (kind === "worker.notStarted") {
      // The one text that goes there: nobody else could mend it, and many read nothing but the log.
      logger.error({ event: kind, seq, workerId, code: row.data.code, message: row.data.message });
      continue;
    }
    const code = "code" in data ? data.code : null;
    const ids = Object.entries({ jobId, incidentId, workerId, code }).filter(([, id]) => typeof id === "string");
    logger.info({ event: kind, seq, actor, ...Object.fromEntries(ids) });
  }
}
